"""Starts `sync` as a process of its own, one at a time: the gateway stays light, and may be ended.

The run goes on when the gateway ends; the lease then tells the next gateway that one is writing.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings

SYNC: Final = (sys.executable, "-P", "-m", "swit_provisioning.cli", "sync", "--json")

log = logging.getLogger(__name__)


class BusyError(Exception):
    """One run is writing, or was started here and has not ended."""

    def __init__(self, run_id: str) -> None:
        """Name it."""
        super().__init__(f"A run is in progress already: {run_id}. Try again when it has ended.")
        self.run_id = run_id


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run that was started here; `exit_code` once it has ended, as the command `sync` has it."""

    run_id: str
    at: datetime
    exit_code: int | None = None


class SyncRuns:
    """The runs that this gateway starts. Safe for several threads."""

    def __init__(self, settings: Settings, *, command: Sequence[str] = SYNC) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._last: Started | None = None
        self._count = 0

    @property
    def last(self) -> Started | None:
        """The run that was started last."""
        return self._last

    @property
    def count(self) -> int:
        """How many were started."""
        return self._count

    def start(self) -> Started:
        """Start one; its id is what Dagster's UI will call it.

        Raises:
            BusyError: another one has not ended.
            StoreError: nobody can tell whether another one is writing.
            OSError: the machine can't start a process now.

        """
        with self._lock:
            if self._last is not None and self._last.exit_code is None:
                raise BusyError(self._last.run_id)
            with open_store(self._settings) as store:
                writing = store.lease.held()
            if writing is not None:
                raise BusyError(writing.run_id)
            made = Started(run_id=str(uuid4()), at=datetime.now(UTC))
            # A session of its own: what interrupts the gateway does not interrupt the run.
            process = subprocess.Popen(  # noqa: S603 - our own words # nosec B603
                [*self._command, "--run-id", made.run_id],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._last = made
            self._count += 1
        watch = threading.Thread(target=self._watch, args=(made, process), daemon=True)
        watch.start()
        return made

    def _watch(self, started: Started, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            self._last = Started(run_id=started.run_id, at=started.at, exit_code=code)
        log.info("Run %s of sync has ended with exit code %d", started.run_id, code)
