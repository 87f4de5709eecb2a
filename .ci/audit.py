"""Look the locked packages up in an index of known vulnerabilities (pip-audit).

Where no index can be reached nothing is known, and it says so: no failure, and no success either.
With `--required` that is a failure (exit code 3).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements-dev.lock"
PROGRAM = os.environ.get("PIP_AUDIT", str(Path(sys.executable).with_name("pip-audit")))
INDEXES = ("pypi", "osv")
ASKED_FIRST = "requests"
"""One package tells whether an index answers at all, before all are asked."""
EXCEPTIONS: dict[str, str] = {}
"""Vulnerabilities that are no danger here -> why."""
NOBODY_KNOWS = 3


def main() -> int:
    """0: clean, or nobody could be asked; 1: something was found, or a package is not known."""
    index = next((name for name in INDEXES if _answers(name)), None)
    if index is None:
        _say(
            "NOT AUDITED: no index of known vulnerabilities can be reached from here"
            f" ({', '.join(INDEXES)}). Nothing is known of the locked packages."
            " Run `make audit` where there is a network."
        )
        return NOBODY_KNOWS if "--required" in sys.argv[1:] else 0
    found = _ask(index, LOCK) or {"dependencies": []}
    packages = found["dependencies"]
    unknown = [f"{p['name']}: {p['skip_reason']}" for p in packages if "skip_reason" in p]
    vulnerable = [
        f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'none'}"
        for p in packages
        for v in p.get("vulns", [])
        if v["id"] not in EXCEPTIONS
    ]
    for line in (*vulnerable, *unknown):
        _say(line)
    excepted = "".join(f" Left out: {name} ({why})." for name, why in EXCEPTIONS.items())
    _say(
        f"Audited {len(packages)} packages with {index}: {len(vulnerable)} vulnerabilities,"
        f" {len(unknown)} packages that it does not know.{excepted}"
    )
    return 1 if vulnerable or unknown or not packages else 0


def _answers(index: str) -> bool:
    """Whether this index knows of a package that every index knows."""
    pinned = next(
        line.split()[0]
        for line in LOCK.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"{ASKED_FIRST}==")
    )
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "requirements.txt"
        asked.write_text(f"{pinned}\n", encoding="utf-8")
        found = _ask(index, asked)
    return found is not None and not any("skip_reason" in p for p in found["dependencies"])


def _ask(index: str, requirements: Path) -> Any:  # noqa: ANN401 - JSON
    """What pip-audit says; `None` where it could not say anything."""
    command = [PROGRAM, "-s", index, "-r", str(requirements), "--disable-pip", "--no-deps"]
    options = ["-f", "json", "--progress-spinner", "off"]
    done = subprocess.run(  # noqa: S603 - our own words # nosec B603
        [*command, *options], capture_output=True, text=True, check=False
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
