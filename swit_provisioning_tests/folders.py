"""Where tests keep their files: in memory if there is room, so that no test waits for a disk.

A killed process loses nothing that it has handed to the system, on a disk or not.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders of our own are made in it
_ENOUGH: Final = 4 * 2**30


def memory() -> Path | None:
    """A file system in memory with 4 GiB of free space that programs can be started from."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH:
        return None
    return None if os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC else _MEMORY


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder of its own, in memory if possible."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        yield Path(folder)
