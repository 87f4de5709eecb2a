"""Where commands run as processes of their own, on a sandbox over real HTTP."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.folders import folder_in_memory
from swit_provisioning_tests.integration import stage
from swit_provisioning_tests.quick_dagster import make_quick_home
from swit_provisioning_tests.reliability.endings import Ending, ending, made_again, sent_again
from swit_provisioning_tests.reliability.forks import Copy, Forks


class Site:
    """Starts commands; each is a process of its own."""

    def __init__(self, server: SandboxServer, forks: Forks, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._forks, self._started = forks, 0
        self._lock: sqlite3.Connection | None = None
        self.environment = stage.settings(folder, server)
        self.put_state_at(folder / "home" / "state" / "swit_provisioning.sqlite")
        people = json.dumps(twenty_people())
        (folder / "directory.json").write_text(people, encoding="utf-8")

    def put_state_at(self, database: Path) -> None:
        """Let the state database be there."""
        self.database = database
        self.environment["STATE_DATABASE_URL"] = f"sqlite:///{database}"

    def start(self, *words: str, patience: float | None = None) -> Copy:
        """Begin a command, its document as JSON."""
        given = {} if patience is None else {"patience": patience}
        return self.work("command", words=[*words, "--json"], **given)

    def work(self, work: str, **given: Any) -> Copy:  # noqa: ANN401 - what the work takes
        """Begin another piece of work."""
        self._started += 1
        return self._forks.start(
            work,
            folder=self.folder,
            name=f"process-{self._started}",
            environment=self.environment,
            **given,
        )

    def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command and hold it to its exit code; its document."""
        copy = self.start(*words)
        assert copy.ended() == code, copy.said()
        return copy.document()

    def ending(self) -> Ending:
        """How the organisation is now."""
        return ending(self.server.organisation)

    def twice(self) -> int:
        """Objects that somebody tried to make a second time."""
        return made_again(self.server.log.of())

    def sent_again(self) -> int:
        """Writes that came in a second time, the same to the letter."""
        return sent_again(self.server.log.of())

    def time_passes(self) -> None:
        """Two minutes, for whoever has the lease and does not renew it."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("UPDATE lease SET until = datetime(until, '-2 minutes')")

    def lock(self, seconds: float | None = None) -> None:
        """Hold the state database as a program does that hangs in a transaction."""
        self._lock = sqlite3.connect(
            self.database, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._lock.execute("BEGIN IMMEDIATE")
        if seconds is not None:
            threading.Timer(seconds, self.unlock).start()

    def database_is_free(self) -> bool:
        """Whether nobody is writing in the state database just now."""
        connection = sqlite3.connect(self.database, timeout=0.2, isolation_level=None)
        with closing(connection):
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

    def unlock(self) -> None:
        """Let go of it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def lease_seconds(self) -> float:
        """How long whoever has the lease has it since it was renewed last, at most."""
        with closing(sqlite3.connect(self.database)) as connection:
            (until,) = connection.execute("SELECT until FROM lease").fetchone()
        return (datetime.fromisoformat(f"{until}+00:00") - datetime.now(UTC)).total_seconds()

    def journal(self) -> list[tuple[str, str | None]]:
        """Target and outcome of each entry, oldest first."""
        with closing(sqlite3.connect(self.database)) as connection:
            return list(connection.execute("SELECT target, outcome FROM journal ORDER BY id"))


@contextmanager
def site(forks: Forks, *, storage: stage.Storage = "quick") -> Iterator[Site]:
    """A site while a `with` block lasts, with a quick storage for Dagster or the shipped one."""
    with folder_in_memory() as folder, SandboxServer() as server:
        if storage == "quick":
            make_quick_home(folder / "home")
        yield Site(server, forks, folder)
