"""The files under `FRAMES_BASE_PATH`, by the run that made them. Nothing in them is looked at."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from upath import UPath

LATEST = "latest"
"""The file beside an asset's frames that names the run which made the newest one."""


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class FrameFiles:
    """`<asset>/<run id>.parquet` and what stands beside it; `<run id>/` of the ops in graphs."""

    def __init__(self, base: UPath) -> None:
        """Take the folder; it need not be there yet."""
        self.base = base

    def runs(self) -> dict[str, list[UPath]]:
        """Run id -> its files and folders."""
        found: dict[str, list[UPath]] = {}
        for path in self._of_runs():
            found.setdefault(path.stem, []).append(path)
        return found

    def latest_runs(self) -> set[str]:
        """The runs that made what is the newest frame of some asset."""
        return {pointer.read_text().strip() for pointer in self._pointers()}

    def files(self, suffix: str) -> Iterator[UPath]:
        """Every file of a run that ends so: frames of assets and of ops, pages."""
        for path in self._of_runs():
            if path.is_dir():
                yield from (found for found in path.rglob(f"*{suffix}") if found.is_file())
            elif path.suffix == suffix:
                yield path

    def latest(self, asset: str) -> UPath | None:
        """The newest frame of an asset, if there is one."""
        pointer = self.base / asset / LATEST
        if not pointer.exists():
            return None
        frame = self.base / asset / f"{pointer.read_text().strip()}.parquet"
        return frame if frame.exists() else None

    @staticmethod
    def rewrite(path: UPath, content: bytes) -> None:
        """Put a file in place of the one before; whoever reads it finds one or the other.

        It is as old as before: what it tells is no newer.
        """
        if path.protocol not in {"", "file", "local"}:
            # An object store shows a new object only once it is whole.
            path.write_bytes(content)
            return
        file = Path(path.path)
        before, part = file.stat(), file.with_name(f"{file.name}.part")
        part.touch(mode=0o600)
        part.write_bytes(content)
        part.chmod(before.st_mode)
        os.utime(part, (before.st_atime, before.st_mtime))
        part.replace(file)

    @staticmethod
    def written_at(path: UPath) -> datetime:
        """When it, or the newest file in it, was written; an object store's folder has no time."""
        files = [path]
        if path.is_dir():
            files = [UPath(found) for found in path.rglob("*") if found.is_file()]
        times: list[datetime] = [found.fs.modified(found.path) for found in files]
        aware = (t.replace(tzinfo=UTC) if t.tzinfo is None else t for t in times)
        return max(aware, default=_LONG_AGO)

    @staticmethod
    def delete(path: UPath) -> None:
        """Delete a file, or a folder with all in it."""
        if path.is_dir():
            path.rmdir(recursive=True)
        else:
            path.unlink(missing_ok=True)

    def _folders(self) -> Iterator[UPath]:
        if self.base.exists():
            yield from (path for path in self.base.iterdir() if path.is_dir())

    def _pointers(self) -> Iterator[UPath]:
        for folder in self._folders():
            pointer = folder / LATEST
            if pointer.exists():
                yield pointer

    def _of_runs(self) -> Iterator[UPath]:
        for folder in self._folders():
            if _is_run(folder.name):
                yield folder
            else:
                yield from (path for path in folder.iterdir() if _is_run(path.stem))


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
