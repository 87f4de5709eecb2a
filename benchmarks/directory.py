"""How fast a directory is read, and in how much memory: `ldapsearch`, ours, ldap3's own.

See README.md beside this file for how to run it and what the table says.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from benchmarks.reading import BASES, PAGE, USERS, asked
from benchmarks.server import ADMIN, PASSWORD, Running, Sizes, serving

PROGRAMS = {
    "ldapsearch": "ldapsearch",
    "ours": "ours",
    "ours_tls": "ours, over TLS",
    "ldap3": "ldap3's paged_search",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one read took."""

    seconds: float
    rows: int
    grown: float | None = None
    """MiB."""


def ldapsearch(what: str, server: Running, folder: Path) -> Measured:
    """Run the command, its output to a file."""
    base, filter_, attributes = asked(what)
    password, output = folder / "password", folder / "output.ldif"
    password.touch(mode=0o600)
    password.write_text(PASSWORD)
    target = ["-x", "-H", f"ldap://127.0.0.1:{server.port}", "-D", ADMIN, "-y", str(password)]
    shape = ["-LLL", "-o", "ldif-wrap=no", "-E", f"pr={PAGE}/noprompt"]
    with output.open("wb") as file:
        begin = time.perf_counter()
        subprocess.run(  # noqa: S603 - nothing in it comes from outside
            ["ldapsearch", *target, *shape, "-b", base, filter_, *attributes],  # noqa: S607
            stdout=file,
            check=True,
        )
        seconds = time.perf_counter() - begin
    mark = b"dn:" if what in USERS else b"member:"
    with output.open("rb") as file:
        return Measured(seconds=seconds, rows=sum(line.startswith(mark) for line in file))


def python(program: str, what: str, server: Running) -> Measured:
    """Read once in a fresh interpreter."""
    port = server.tls_port if program == "ours_tls" else server.port
    arguments = [program, what, str(port), str(server.authority)]
    script = Path(__file__).with_name("reading.py")
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        [sys.executable, "-W", "ignore", script, *arguments], stdout=subprocess.PIPE, check=True
    )
    return Measured(**json.loads(done.stdout))


def measure(what: str, server: Running, folder: Path, rounds: int) -> dict[str, list[Measured]]:
    """Read with each program in turn, so that a busy moment meets all of them."""
    found: dict[str, list[Measured]] = defaultdict(list)
    for _ in range(rounds):
        for program in PROGRAMS:
            one = ldapsearch(what, server, folder) if program == "ldapsearch" else None
            found[program].append(one or python(program, what, server))
    counts = {one.rows for all_ in found.values() for one in all_}
    if len(counts) != 1:
        message = f"{what}: the programs read different numbers of rows: {sorted(counts)}"
        raise RuntimeError(message)
    return found


def show(what: str, found: dict[str, list[Measured]]) -> None:
    """Print one part of the table."""
    base = statistics.median(one.seconds for one in found["ldapsearch"])
    for program, runs in found.items():
        seconds = sorted(one.seconds for one in runs)
        middle = statistics.median(seconds)
        grown = [one.grown for one in runs if one.grown is not None]
        memory = f"{statistics.median(grown):.0f}" if grown else "-"
        spread = f"{seconds[0]:.2f}-{seconds[-1]:.2f}"
        cells = [f"{what}, {runs[0].rows:,} rows", PROGRAMS[program], f"{middle:.2f}", spread]
        print("|", " | ".join([*cells, f"{middle / base:.2f}", memory]), "|", flush=True)  # noqa: T201 - its result


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="reads by each program")
    parser.add_argument("--scale", type=float, default=1.0, help="1: 100,000 users and so on")
    parser.add_argument("--only", choices=list(BASES), action="append", help="what to read")
    given = parser.parse_args()
    sizes = Sizes(
        users=int(100_000 * given.scale),
        large=int(500_000 * given.scale),
        groups=int(10_000 * given.scale),
        members=100,
        domain=int(50_000 * given.scale),
    )
    with tempfile.TemporaryDirectory() as name, serving(Path(name), sizes) as server:
        print("| read | by | s (median) | s (range) | ratio | MiB |\n|---|---|---|---|---|---|")  # noqa: T201
        for what in given.only or BASES:
            show(what, measure(what, server, Path(name), given.rounds))


if __name__ == "__main__":
    main()
