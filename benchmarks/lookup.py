"""What it costs to look for people whom a read did not return: a night with and without it.

See README.md beside this file for how to run it and what the table says.
"""

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from benchmarks.reading import directory
from benchmarks.server import Sizes, serving
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.schemas import SWIT_MEMBERSHIPS, SWIT_TEAMS, SWIT_USERS
from swit_provisioning.planning.snapshots import DirectorySnapshot, OrganizationSnapshot, SwitFacts
from swit_provisioning.planning.whereabouts import Expected
from swit_provisioning.sources.base import Directory
from swit_provisioning.sources.ldap import lookup
from swit_provisioning.sources.verification import VerifiedDirectory

DEPARTURES = (0, 10, 1000)
INDEXED = {"no": "objectClass", "yes": "objectClass,entryUUID"}
_ADMIN = 20


def departed(count: int) -> list[str]:
    """Ids of people who were matched before and are on no server."""
    return [str(uuid.UUID(int=number)) for number in range(count)]


def organisation(ids: list[str], emails: list[str]) -> OrganizationSnapshot:
    """Swit with an active user for each of these people."""
    rows = pd.DataFrame({"user_id": ["admin", *ids], "email": ["admin@x.test", *emails]})
    users = rows.assign(
        name=rows["email"],
        phone_number=None,
        role=_ADMIN,
        active=True,
        language="en",
        primary_team=None,
    )
    root = {"team_id": "T", "name": "Firm", "parent_id": None, "reference": None, "position": 0}
    return OrganizationSnapshot(
        users=SWIT_USERS.conform(users),
        teams=SWIT_TEAMS.frame([root]),
        memberships=SWIT_MEMBERSHIPS.empty(),
        facts=SwitFacts(
            organization_id="O",
            organization_name="Firm",
            authorised_user_id="admin",
            total_rows=len(users),
        ),
    )


def night(source: Directory, swit: OrganizationSnapshot, memory: Memory) -> tuple[float, int]:
    """Read the directory and plan; seconds, and departures."""
    begin = time.perf_counter()
    snapshot = source.read()
    plan = make_plan(snapshot, swit, Policy(protected_roles=()), memory)
    seconds = time.perf_counter() - begin
    return seconds, plan.counts().get("user.deactivate", 0)


class CountedSearches:
    """Counts the searches of look-ups while it is entered."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.count = 0
        self._search = lookup.search

    def __enter__(self) -> Self:
        """Begin to count."""

        def counted(*words: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401 - as the original
            self.count += 1
            return self._search(*words, **named)

        lookup.search = counted  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        """Let searches be as they were."""
        lookup.search = self._search


def measure(source: Directory, first: DirectorySnapshot, count: int, rounds: int) -> list[str]:
    """Cells of one line: searches and seconds more, and the night without looking."""
    present: list[str] = first.users["directory_id"].tolist()
    emails = [values[0] for values in first.users["emails"]]
    gone = departed(count)
    swit = organisation([*present, *gone], [*emails, *(f"{id_}@gone.test" for id_ in gone)])
    memory = Memory(users={id_: id_ for id_ in (*present, *gone)})
    looking = VerifiedDirectory(source, lambda: Expected(people=frozenset(memory.users)))
    without, with_it, searches = [], [], 0
    for _ in range(rounds):
        seconds, planned = night(source, swit, memory)
        without.append(seconds)
        with CountedSearches() as counted:
            seconds, found = night(looking, swit, memory)
        with_it.append(seconds)
        searches = counted.count
        if (planned, found) != (count, count):
            message = f"{planned} and {found} departures were planned, not {count}"
            raise RuntimeError(message)
    before, after = statistics.median(without), statistics.median(with_it)
    cells = (f"{count:,}", f"{before:.2f}", f"{searches}", f"{after - before:.2f}")
    return [*cells, f"{after / before:.2f}"]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=20_000)
    given = parser.parse_args()
    sizes = Sizes(users=given.users, large=10, groups=10, members=10, domain=10)
    print("| index | departures | s without | searches more | s more | ratio |")  # noqa: T201 - its result
    print("|---|---|---|---|---|---|")  # noqa: T201 - the same
    for index, attributes in INDEXED.items():
        with (
            tempfile.TemporaryDirectory() as name,
            serving(Path(name), sizes, indexed=attributes) as server,
        ):
            source = directory("users", server.port, None)
            first = source.read()
            for count in DEPARTURES:
                cells = measure(source, first, count, given.rounds)
                print("|", " | ".join([index, *cells]), "|", flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main()
