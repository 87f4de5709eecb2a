"""Files for this account alone: written whole or not at all; and those that others may read."""

import os
import stat
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path`: who reads it meanwhile sees the old file or the new one.

    Raises:
        OSError: it can't be written; what was there is left as it was.

    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A terminal, a pipe: nothing that could be replaced. A folder raises.
        target.write_text(text, encoding="utf-8")
        return
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def readable_by_others(home: Path, frames: Path | None = None) -> Path | None:
    """A file or folder of `DAGSTER_HOME` that other accounts may read or write, if there is one.

    If nobody else can enter the home, only the state and the frames are checked: Dagster's services
    create other files with wider modes there, which nobody else can reach. `frames` is a folder
    outside the home.
    """
    if _is_open(home):
        return home
    folders = (home / "state", home / "frames", *([frames] if frames else ()))
    found = (path for folder in folders for path in (folder, *folder.rglob("*")))
    return next(filter(_is_open, found), None)


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return bool(mode & 0o066) and not stat.S_ISLNK(mode)
