"""Programs as processes of their own, started and stopped by a test without leftovers."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from swit_provisioning_tests.browser.waiting import until

_STOP_SECONDS = 120
_LOG_CHARACTERS = 4000


class Program:
    """One program, and all that it starts, while a `with` block lasts."""

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path
    ) -> None:
        """Prepare it: `environment` is all that it gets, `folder` where it runs and logs."""
        self._name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all of it, and wait until the last of its processes has ended."""
        if self._process is None:
            return
        _signal(self._process.pid, signal.SIGTERM)
        # It does not hear this where whoever started the tests has it ignore Ctrl+C.
        with contextlib.suppress(TimeoutError):
            until(self._gone, seconds=_STOP_SECONDS, what=self.last_words)
        _signal(self._process.pid, signal.SIGKILL)
        until(self._gone, seconds=_STOP_SECONDS, what=self.last_words)

    def restart(self, **changed: str) -> None:
        """Stop it, and start it with some variables changed."""
        self.__exit__(None, None, None)
        self._environment |= changed
        self.__enter__()

    @property
    def process_id(self) -> int:
        """Its number, once it was started."""
        if self._process is None:
            message = f"{self._name} was not started"
            raise RuntimeError(message)
        return self._process.pid

    def kill(self) -> None:
        """End all of it at once, as a machine that loses its power."""
        if self._process is not None:
            _signal(self._process.pid, signal.SIGKILL)

    def must_run(self) -> None:
        """Raise with its last words if it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(self.last_words())

    def last_words(self) -> str:
        """The end of its log."""
        return f"{self._name}: " + self._log.read_text(errors="replace")[-_LOG_CHARACTERS:]

    def _gone(self) -> bool | None:
        """Whether neither the process nor any that it started is left."""
        if self._process is None or self._process.poll() is None:
            return None
        return None if _running(self._process.pid) else True


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _running(group: int) -> list[str]:
    """The processes of a group; one that only waits to be reaped is none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if state != "Z" and int(its_group) == group:
                found.append(stat.parent.name)
    return found
