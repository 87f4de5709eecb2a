"""How fast a plan is made, in how much memory, and how its memberships compare with plain sets.

See README.md beside this file for how to run it and what the table says.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from benchmarks.made_company import Company, Size
from swit_provisioning.planning import planner
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import DirectorySnapshot, OrganizationSnapshot

SIZES = {
    "100k": Size(users=100_000, groups=10_000, memberships=500_000),
    "1M": Size(users=1_000_000, groups=100_000, memberships=5_000_000),
}


class Clock:
    """Notes the processor time of the two stages about memberships, each time they run."""

    def __init__(self) -> None:
        """Put itself around these stages."""
        self.laps: list[float] = []
        for name in ("wanted_memberships", "membership_changes"):
            setattr(planner, name, self._timed(getattr(planner, name)))

    def _timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:  # noqa: ANN401 - as it is called
            begin = time.process_time()
            made = work(*given)
            self.laps.append(time.process_time() - begin)
            return made

        return timed


def with_sets(
    directory: DirectorySnapshot, swit: OrganizationSnapshot, plan: Plan
) -> tuple[float, Counter[str]]:
    """Compare memberships as anyone would: dictionaries and two sets of pairs.

    Who has which account and team is taken from the plan, and not counted.
    """
    account = {b.directory_id: b.object_id for b in plan.bindings if b.kind == "user"}
    team = {b.directory_id: b.object_id for b in plan.bindings if b.kind == "group"}
    user_of = {
        key: account[i]
        for key, i in zip(directory.users["key"], directory.users["directory_id"], strict=True)
        if i in account
    }
    team_of = {
        key: team[i]
        for key, i in zip(directory.groups["key"], directory.groups["directory_id"], strict=True)
        if i in team
    }
    begin = time.process_time()
    rows = directory.memberships
    wanted = set()
    for group, member in zip(rows["group"].tolist(), rows["member"].tolist(), strict=True):
        if group in team_of and member in user_of:
            wanted.add((team_of[group], user_of[member]))
    rows = swit.memberships
    present = set(zip(rows["team_id"].tolist(), rows["user_id"].tolist(), strict=True))
    joins: dict[str, list[str]] = {}
    leaves: dict[str, list[str]] = {}
    for team_id, user_id in wanted - present:
        joins.setdefault(team_id, []).append(user_id)
    for team_id, user_id in present - wanted:
        leaves.setdefault(team_id, []).append(user_id)
    for users in (*joins.values(), *leaves.values()):
        users.sort()
    seconds = time.process_time() - begin
    return seconds, Counter({"membership.add": len(joins), "membership.remove": len(leaves)})


def once(name: str) -> dict[str, Any]:
    """Plan once; seconds, peak MiB of the process (both sides in it), and what was planned."""
    company = Company(SIZES[name])
    directory, swit = company.directory(), company.organisation()
    begin = time.perf_counter()
    plan = make_plan(directory, swit, Policy(), Memory())
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock = Clock()
    without_primaries = Policy(disabled_actions=frozenset({"primary.update"}))
    make_plan(directory, swit, without_primaries, Memory())
    sets, found = with_sets(directory, swit, plan)
    counts = plan.counts()
    if any(found[action] != counts[action] for action in found):
        message = f"the two comparisons differ: {dict(found)} and {counts}"
        raise RuntimeError(message)
    return {
        "seconds": seconds,
        "peak": peak,
        "memberships": sum(clock.laps[-2:]),  # of the plan without primary teams
        "sets": sets,
        "changes": len(plan.changes),
    }


def main() -> None:
    """Plan each size several times, each time in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="plans of each size")
    parser.add_argument("--only", choices=list(SIZES), action="append", help="which sizes")
    parser.add_argument("--once", choices=list(SIZES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(given.once)))  # noqa: T201 - its result
        return
    print(  # noqa: T201 - its result
        "| planned | changes | s (median) | s (range) | peak MiB | memberships s | sets s | ratio |"
        "\n|---|---|---|---|---|---|---|---|"
    )
    medians = {}
    for name in given.only or SIZES:
        runs = [_in_a_process(name) for _ in range(given.rounds)]
        medians[name] = statistics.median(run["seconds"] for run in runs)
        _show(name, runs)
    if len(medians) == len(SIZES):
        print(f"\nTen times the data takes {medians['1M'] / medians['100k']:.1f} times as long.")  # noqa: T201


def _in_a_process(name: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        [sys.executable, __file__, "--once", name], stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _show(name: str, runs: list[dict[str, Any]]) -> None:
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    seconds = sorted(run["seconds"] for run in runs)
    size = SIZES[name]
    cells = [
        f"{size.users:,} users, {size.groups:,} groups, {size.memberships:,} memberships",
        f"{middle['changes']:,.0f}",
        f"{middle['seconds']:.1f}",
        f"{seconds[0]:.1f}-{seconds[-1]:.1f}",
        f"{middle['peak']:,.0f}",
        f"{middle['memberships']:.2f}",
        f"{middle['sets']:.2f}",
        f"{statistics.median(run['sets'] / run['memberships'] for run in runs):.1f}",
    ]
    print("|", " | ".join(cells), "|", flush=True)  # noqa: T201 - its result


if __name__ == "__main__":
    main()
