"""What it costs to look for people whom a read did not return: seconds for 0, 10 and 1,000 ids.

See README.md beside this file for how to run it and what the table says.
"""

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

from benchmarks.reading import directory
from benchmarks.server import Sizes, serving
from swit_provisioning.planning.whereabouts import Presence

MISSING = (0, 10, 1000)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=100_000)
    given = parser.parse_args()
    sizes = Sizes(users=given.users, large=10, groups=10, members=10, domain=10)
    with tempfile.TemporaryDirectory() as name, serving(Path(name), sizes) as server:
        source = directory("users", server.port, None)
        begin = time.perf_counter()
        ids = source.read().users["directory_id"].tolist()
        print(f"Read of {len(ids):,} users: {time.perf_counter() - begin:.2f} s\n")  # noqa: T201 - its result
        print("| missing | absent: s | present: s |\n|---|---|---|")  # noqa: T201 - its result
        for count in MISSING:
            cells = []
            for wanted, expected in (
                ({str(uuid.uuid4()) for _ in range(count)}, Presence.ABSENT),
                (set(ids[:count]), Presence.PRESENT),
            ):
                seconds = []
                for _ in range(given.rounds):
                    begin = time.perf_counter()
                    found = source.find(wanted, set())
                    seconds.append(time.perf_counter() - begin)
                    if {each.presence for each in found.values()} - {expected}:
                        message = f"not all of {count} are {expected}"
                        raise RuntimeError(message)
                cells.append(f"{statistics.median(seconds):.3f}")
            print("|", " | ".join([f"{count:,}", *cells]), "|")  # noqa: T201 - its result


if __name__ == "__main__":
    main()
