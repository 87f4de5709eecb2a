"""`dagster dev` as a process of its own: started, asked over GraphQL, stopped without leftovers."""

import sys
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import Self

from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.dagster_web import DagsterWeb
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.processes import Program

_START_SECONDS = 180


class DagsterDev(DagsterWeb):
    """Web server, daemon and code server while a `with` block lasts."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, *, port: int | None = None
    ) -> None:
        """Prepare it: `environment` is all that it gets, `folder` where it runs and logs."""
        super().__init__(f"http://127.0.0.1:{port or free_port()}")
        self._environment = dict(environment)
        self._folder = folder
        self._program: Program | None = None

    def __enter__(self) -> Self:
        """Start it, and wait until the code location is loaded."""
        with as_file(files("swit_provisioning") / "workspace.yaml") as workspace:
            command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace)]
            address = ["-h", "127.0.0.1", "-p", self.url.rpartition(":")[2]]
            program = Program(
                "dagster dev",
                [*command, *address],
                environment=self._environment,
                folder=self._folder,
            )
            self._program = program.__enter__()
            try:
                until(self._ready, seconds=_START_SECONDS, what=program.last_words)
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all of it, and wait until the last of its processes has ended."""
        self._stop()

    def _ready(self) -> bool | None:
        if self._program is not None:
            self._program.must_run()
        return self.has_loaded()

    def _stop(self) -> None:
        self.close()
        if self._program is not None:
            self._program.__exit__(None, None, None)
