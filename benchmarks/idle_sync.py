"""How long a sync with nothing to do takes, from command to exit, and where the time goes.

See README.md beside this file for how to run it and what the table says.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from benchmarks.idle_stages import STAGES
from benchmarks.synced_company import company

_PROGRAM = Path(sys.executable).with_name("swit-provisioning")
_STAGES = Path(__file__).with_name("idle_stages.py")
COMMANDS = ("--help", "plans", "show PLAN_ID", "status", "check", "plan", "sync")


class Run(NamedTuple):
    """One command, from its start to its exit."""

    seconds: float
    processor: float
    """Seconds of processor time: what other work on the machine doesn't change."""
    output: str


def timed(command: list[str], variables: Mapping[str, str], folder: Path) -> Run:
    """Run a command as a person would."""
    used, begin = _processor_seconds(), time.perf_counter()
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        command, env=dict(variables), cwd=folder, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        message = f"{' '.join(command)} ended with {done.returncode}: {done.stderr}{done.stdout}"
        raise RuntimeError(message)
    return Run(seconds, _processor_seconds() - used, done.stdout)


def _processor_seconds() -> float:
    """What all processes that were started here and have ended have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stages(variables: Mapping[str, str], folder: Path) -> dict[str, float]:
    """Run one sync that notes where it is; seconds of each stage."""
    begin = time.time()
    run = timed([sys.executable, str(_STAGES)], variables, folder)
    end = time.time()
    at: dict[str, float] = json.loads(run.output.splitlines()[-1])
    times = [begin, *(at[stage] for stage in STAGES[:-1]), end]
    lasted = [later - earlier for earlier, later in pairwise(times)]
    return dict(zip(STAGES, lasted, strict=True))


def in_step(variables: Mapping[str, str], folder: Path) -> str:
    """Bring the organisation into step with the directory, make sure that it is; a plan's id."""
    fast = {**variables, "SWIT_REQUESTS_PER_SECOND": "1000"}
    timed([str(_PROGRAM), "sync", "--json"], fast, folder)
    document = json.loads(timed([str(_PROGRAM), "sync", "--json"], variables, folder).output)
    if document["status"] != "nothing to do":
        message = f"the organisation is not in step: {document}"
        raise RuntimeError(message)
    print(f"{document['calls']} calls a sync, all reads.\n")  # noqa: T201 - its result
    return str(document["plan_id"])


def show(words: str, runs: list[Run]) -> None:
    """Print one line of the first table."""
    seconds = sorted(run.seconds for run in runs)
    cells = [
        f"`{words}`",
        f"{statistics.median(seconds):.2f}",
        f"{seconds[0]:.2f}-{seconds[-1]:.2f}",
        f"{statistics.median(run.processor for run in runs):.2f}",
    ]
    print("|", " | ".join(cells), "|", flush=True)  # noqa: T201 - its result


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--only", choices=COMMANDS, action="append", help="which commands")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with company(folder, users=given.users, groups=given.groups) as variables:
            plan_id = in_step(variables, folder)
            print("| command | s (median) | s (range) | processor s |\n|---|---|---|---|")  # noqa: T201 - its result
            for words in given.only or COMMANDS:
                command = [str(_PROGRAM), *words.replace("PLAN_ID", plan_id).split()]
                show(words, [timed(command, variables, folder) for _ in range(given.rounds)])
            rounds = [stages(variables, folder) for _ in range(given.rounds)]
            print("\n| stage of `sync` | s (median) |\n|---|---|")  # noqa: T201 - its result
            for stage in STAGES:
                middle = statistics.median(found[stage] for found in rounds)
                print(f"| {stage} | {middle:.2f} |")  # noqa: T201 - its result


if __name__ == "__main__":
    main()
