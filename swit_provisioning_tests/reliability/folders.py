"""Where runs under test keep their files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder of its own, in memory where the system has a place for it: nothing waits for a disk.

    A killed process loses nothing that it has handed to the system, on a disk or not.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
