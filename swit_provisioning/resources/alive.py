"""Which runs are alive: each holds the lock on a file, and the system takes it from a dead one.

Dagster itself never finds out about a run whose process is gone. The files are for the runs of this
machine alone; those of others are found by their lease.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FOLDER: Final = "alive"


@contextmanager
def alive(home: Path, run_id: str) -> Iterator[None]:
    """Show that this process carries out a run, while the block lasts."""
    folder = home / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, unlocked = folder / run_id, folder / f".{run_id}"
    with unlocked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Only now may somebody look whether it is locked.
        unlocked.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def dead_ones(home: Path) -> Iterator[str]:
    """Runs that ended without a word, each told once."""
    for path in sorted((home / _FOLDER).glob("[!.]*")):
        if not _is_locked(path):
            yield path.name
            path.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return True  # it has just ended, as it should
    return False
