"""Copies of a warm process, as a test holds them: started, stopped, killed, waited for."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import swit_provisioning_tests

_ROOT = Path(swit_provisioning_tests.__file__).parent.parent
_SECONDS = 300


class Forks:
    """The warm process, while a `with` block lasts."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "swit_provisioning_tests.reliability.warm"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        if self._answer() != "ready":
            message = "the warm process did not get ready; its own words are above"
            raise AssertionError(message)

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the warm process; its copies end by themselves, or were killed."""
        self._process.communicate(timeout=_SECONDS)

    def start(
        self,
        work: str,
        *,
        folder: Path,
        name: str,
        environment: Mapping[str, str] | None = None,
        **given: Any,  # noqa: ANN401 - what the piece of work takes
    ) -> "Copy":
        """A copy that does this piece of `work`; what it prints goes to `<folder>/<name>.std*`."""
        order = {
            "work": work,
            "with": given,
            "folder": str(folder),
            "name": name,
            "environment": {**os.environ, **(environment or {})},
        }
        return Copy(pid=int(self._ask(order)), forks=self, printed=folder / f"{name}.stdout")

    def reap(self, pid: int) -> tuple[int, int]:
        """Of a copy that has ended: its exit code (a signal's number below zero), peak memory."""
        code, peak = map(int, self._ask({"reap": pid}).split())
        return code, peak

    def _ask(self, order: Mapping[str, Any]) -> str:
        if self._process.stdin is None:
            message = "the warm process has no standard input"
            raise AssertionError(message)
        with self._asking:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> str:
        if self._process.stdout is None:
            message = "the warm process has no standard output"
            raise AssertionError(message)
        return self._process.stdout.readline().strip()


def wait_for(copies: Sequence["Copy"], number: int) -> list["Copy"]:
    """Wait until so many of them have ended; those."""
    handles = {os.pidfd_open(copy.pid): copy for copy in copies}
    until = time.monotonic() + _SECONDS
    try:
        while len(over := select.select(handles, [], [], 0)[0]) < number:
            if time.monotonic() > until:
                message = f"only {len(over)} of {number} processes have ended within {_SECONDS} s"
                raise AssertionError(message)
            select.select([h for h in handles if h not in over], [], [], _SECONDS)
        return [handles[handle] for handle in over]
    finally:
        for handle in handles:
            os.close(handle)


@dataclass
class Copy:
    """One copy at work."""

    pid: int
    forks: Forks
    printed: Path
    peak_bytes: int = field(default=0, init=False)
    """Memory that it held at its most, once its end was waited for."""
    _code: int | None = field(default=None, init=False)

    def kill(self) -> None:
        """SIGKILL, and back once it is dead: not one more byte comes from it."""
        os.kill(self.pid, signal.SIGKILL)
        self._die()

    def stop(self) -> None:
        """SIGSTOP: it stands still until it is let go."""
        os.kill(self.pid, signal.SIGSTOP)

    def end(self) -> None:
        """SIGTERM: it is asked to end."""
        os.kill(self.pid, signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT: Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        if self._code is None:
            self._die()
            self._code, self.peak_bytes = self.forks.reap(self.pid)
        return self._code

    def document(self) -> dict[str, Any]:
        """The JSON document that it printed."""
        found: dict[str, Any] = json.loads(self.printed.read_text(encoding="utf-8"))
        return found

    def said(self) -> str:
        """Everything that it printed, errors too."""
        errors = self.printed.with_suffix(".stderr")
        return self.printed.read_text(encoding="utf-8") + errors.read_text(encoding="utf-8")

    def _die(self) -> None:
        handle = os.pidfd_open(self.pid)
        try:
            ready = select.select([handle], [], [], _SECONDS)[0]
        finally:
            os.close(handle)
        if not ready:
            message = f"the process {self.pid} has not ended within {_SECONDS} s: {self.said()}"
            raise AssertionError(message)
