"""Where Dagster keeps its runs: made and set up before the first one."""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from upath import UPath

from swit_provisioning.cli.errors import UnusableHomeError
from swit_provisioning.cli.framework import errors
from swit_provisioning.operations.plan_page import readable_by_others
from swit_provisioning.settings import Settings


def prepare_home(settings: Settings) -> Path:
    """Make `DAGSTER_HOME`, for this account alone, with our `dagster.yaml` if it has none.

    Raises:
        UnusableHomeError: it can't be made or written.

    """
    home = settings.home
    target = home / "dagster.yaml"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists():
            with as_file(files("swit_provisioning") / "dagster.yaml") as source:
                shutil.copyfile(source, target)
    except OSError as error:
        raise UnusableHomeError(home, error) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def warn_of_open_files(settings: Settings) -> None:
    """Say on standard error if other accounts can read what is kept, and how to change that."""
    frames = UPath(settings.frames_path)
    is_local = frames.protocol in {"", "file", "local"}
    found = readable_by_others(settings.home, Path(frames.path) if is_local else None)
    if found is None:
        return
    mode = stat.S_IMODE(found.lstat().st_mode)
    folder = settings.home if found.is_relative_to(settings.home) else settings.frames_path
    said = (
        f"Warning: other accounts can read {found} (mode {mode:04o}). It may hold people's names or"
        f" tokens. Close it: chmod -R go= {folder}"
    )
    errors().print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Only one process at a time is in such a block.

    Dagster makes its tables where there are none, and two that do so at once disturb each other.
    """
    with (home / "opening.lock").open("w") as file:
        # Given back when the file is closed, also by a process that dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
