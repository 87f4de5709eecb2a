"""Where Dagster keeps its runs: made and set up before the first one."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from swit_provisioning.cli.errors import UnusableHomeError
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


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Only one process at a time is in such a block.

    Dagster makes its tables where there are none, and two that do so at once disturb each other.
    """
    with (home / "opening.lock").open("w") as file:
        # Given back when the file is closed, also by a process that dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
