"""A real disk of a few MB that a test fills to the last byte, and empties again."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SIZE = "24m"
_CHUNK = bytes(4096)


@dataclass(frozen=True)
class SmallDisk:
    """What is mounted there."""

    folder: Path

    def fill(self) -> None:
        """Leave not one byte."""
        with (self.folder / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(_CHUNK):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount it while a `with` block lasts."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
    if done.returncode:
        message = (
            f"These tests fill a disk of their own and need the right to mount one: run them as"
            f" root, in a container with CAP_SYS_ADMIN. mount said: {done.stderr.strip()}"
        )
        raise RuntimeError(message)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - our own words
