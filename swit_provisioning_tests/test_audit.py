"""The audit of the locked packages: vulnerabilities are reported, and an unreachable index too."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parent.parent / ".ci" / "audit.py"
_KNOWN = {"name": "requests", "version": "2", "vulns": []}
_UNKNOWN = {"name": "requests", "skip_reason": "Dependency not found on PyPI"}
_HOLE = {
    "name": "idna",
    "version": "3",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["4"], "aliases": [], "description": "..."}],
}


def _audit(folder: Path, *words: str, **answers: Any) -> tuple[int, str]:  # noqa: ANN401 - JSON
    """Run it with a pip-audit that answers so of each index: of one package, then of all."""
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    program = folder / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        f"answers = json.load(open({str(folder / 'answers.json')!r}))\n"
        "asked = open(sys.argv[sys.argv.index('-r') + 1]).read()\n"
        "index = sys.argv[sys.argv.index('-s') + 1]\n"
        "of_one, of_all = answers.get(index, (None, None))\n"
        "found = of_one if asked.count('==') == 1 else of_all\n"
        "sys.exit('no network') if found is None else print(json.dumps({'dependencies': found}))\n",
        encoding="utf-8",
    )
    program.chmod(0o700)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, AUDIT, *words],
        env={**os.environ, "PIP_AUDIT": str(program)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("pypi", [[None, None], [[_UNKNOWN], [_UNKNOWN]]])
def test_an_unreachable_index_is_reported_and_fails_if_required(
    tmp_path: Path, pypi: list[Any]
) -> None:
    code, said = _audit(tmp_path, pypi=pypi)
    assert (code, said.startswith("NOT AUDITED")) == (0, True)
    assert _audit(tmp_path, "--required", pypi=pypi)[0] == 3


def test_clean_packages_pass(tmp_path: Path) -> None:
    code, said = _audit(tmp_path, "--required", pypi=[[_KNOWN], [_KNOWN]])
    assert (code, said) == (
        0,
        "Audited 1 packages with pypi: 0 vulnerabilities, 0 packages that it does not know.\n",
    )


def test_the_second_index_is_used_if_the_first_does_not_answer(tmp_path: Path) -> None:
    code, said = _audit(tmp_path, pypi=[[_UNKNOWN], None], osv=[[_KNOWN], [_KNOWN]])
    assert (code, "with osv" in said) == (0, True)


def test_a_vulnerability_fails_with_the_fixed_version(tmp_path: Path) -> None:
    code, said = _audit(tmp_path, pypi=[[_KNOWN], [_KNOWN, _HOLE]])
    assert code == 1
    assert "idna 3: PYSEC-1, mended in 4" in said


def test_a_package_unknown_to_the_index_fails(tmp_path: Path) -> None:
    assert _audit(tmp_path, pypi=[[_KNOWN], [_KNOWN, _UNKNOWN]])[0] == 1


def test_an_index_that_stops_answering_fails(tmp_path: Path) -> None:
    assert _audit(tmp_path, pypi=[[_KNOWN], None])[0] == 1
