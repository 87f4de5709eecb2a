"""`swit-provisioning COMMAND` as a process of its own, and what a person does at its terminal."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from swit_provisioning_tests.browser.waiting import until

PROGRAM: Final = Path(sys.executable).with_name("swit-provisioning")
_START_SECONDS: Final = 180
_END_SECONDS: Final = 180


class Terminal:
    """One command, from its start to its end."""

    def __init__(self, *words: str, environment: Mapping[str, str], folder: Path) -> None:
        """Prepare it: `environment` is all that it gets, `folder` where it runs."""
        self._words = words
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._errors: list[str] = []
        self._output: list[str] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start it."""
        self._process = process = subprocess.Popen(  # noqa: S603 - our own command
            [PROGRAM, *self._words],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for stream, lines in ((process.stdout, self._output), (process.stderr, self._errors)):
            assert stream is not None
            reader = threading.Thread(target=lines.extend, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, if it has not ended by itself."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(_END_SECONDS)
        for reader in self._readers:
            reader.join(_END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def process_id(self) -> int:
        """Its number, once it is started."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process is None or self._process.poll() is not None

    def interrupt(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def errors(self) -> str:
        """What it said on standard error so far."""
        return "".join(self._errors)

    @property
    def output(self) -> str:
        """What it said on standard output so far."""
        return "".join(self._output)

    def address(self, number: int = 1) -> str:
        """The address that it prints, or the second one; waits for it."""

        def printed() -> str | None:
            found = re.findall(r"^http\S+/oauth/authorize\?\S+$", self.errors, re.MULTILINE)
            if len(found) >= number:
                return str(found[number - 1])
            assert self._process is not None
            assert self._process.poll() is None, self.errors
            return None

        return until(printed, seconds=_START_SECONDS, what=lambda: f"no address: {self.errors}")

    def type(self, line: str) -> None:
        """Type a line."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def code(self) -> int:
        """Wait for its end; its exit code."""
        assert self._process is not None
        ended = self._process.wait(_END_SECONDS)
        for reader in self._readers:
            reader.join(_END_SECONDS)
        return ended
