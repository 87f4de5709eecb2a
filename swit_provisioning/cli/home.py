"""Where Dagster keeps its runs: made and set up before the first one."""

import os
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from swit_provisioning.settings import Settings


def prepare_home(settings: Settings) -> Path:
    """Make `DAGSTER_HOME`, for this account alone, with our `dagster.yaml` if it has none."""
    home = settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():
        with as_file(files("swit_provisioning") / "dagster.yaml") as source:
            shutil.copyfile(source, target)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
