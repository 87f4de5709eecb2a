"""One `sync` in a process of its own that notes when each stage of it is over.

It runs what the command runs. What the command imports when it needs it is imported at once, so
that it can be told from the rest.
"""
# ruff: noqa: E402, PLC0415 - nothing is imported before the time is taken

import time

STARTED = time.time()

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs from anywhere

STAGES = (
    "interpreter",
    "imports",
    "settings",
    "Dagster instance",
    "definitions",
    "run made",
    "steps",
    "output",
    "exit",
)
"""In order. The last one ends with the process."""


def note(at: dict[str, float], owner: Any, name: str, stage: str) -> None:  # noqa: ANN401 - a module or a class
    """From now on the first call of this function ends a stage."""
    real: Callable[..., Any] = getattr(owner, name)

    def noted(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is called
        try:
            return real(*args, **options)
        finally:
            at.setdefault(stage, time.time())

    setattr(owner, name, noted)


def main() -> None:
    """Sync, then print when each stage ended."""
    at = {"interpreter": STARTED}
    gc.set_threshold(100_000)  # as the command does
    import dagster as dg

    import swit_provisioning.definitions  # noqa: F401 - the command imports it later
    from swit_provisioning.cli import sync
    from swit_provisioning.cli.main import main as command
    from swit_provisioning.settings import Settings

    at["imports"] = time.time()
    note(at, Settings, "missing", "settings")
    note(at, dg.DagsterInstance, "get", "Dagster instance")
    note(at, vars(sync)["ReconstructableJob"], "get_definition", "definitions")
    note(at, dg.DagsterInstance, "create_run_for_job", "run made")
    note(at, sync, "execute_run", "steps")
    try:
        command.main(["sync", "--json"], standalone_mode=False)
    except SystemExit as ended:
        if ended.code:
            raise
    at["output"] = time.time()
    print(json.dumps(at))  # noqa: T201 - its result
    gc.freeze()


if __name__ == "__main__":
    main()
