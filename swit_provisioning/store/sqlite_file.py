"""The state in one file: the default, for one machine."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from swit_provisioning.store.database import PATIENCE_SECONDS, Database, explained, utc_now
from swit_provisioning.store.errors import StoreBusyError, StoreUnavailableError

_OURS_ONLY: Final = 0o600
_FOLDER_OURS_ONLY: Final = 0o700
_BEGIN: Final = "swit_provisioning_begin"
_SYNCHRONOUS: Final = "swit_provisioning_synchronous"


class SqliteFile(Database):
    """A SQLite file, readable by its owner only, with a write-ahead log beside it."""

    def __init__(self, url: URL, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Make the file and its folder where they are missing; `clock` gives aware times."""
        self._path = _named_file(url)
        self._clock = clock
        # SQLite lets those who wait poll; threads of one process are better off in a queue.
        self._writing = threading.Lock()
        _make_private(self._path)
        engine = create_engine(
            url, hide_parameters=True, connect_args={"timeout": PATIENCE_SECONDS}, max_overflow=-1
        )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        super().__init__(engine)

    def prepare(self) -> None:
        """As everywhere; before it, the file gets its write-ahead log."""
        if not self._has_log():
            with self.alone(patience_seconds=PATIENCE_SECONDS):
                self._pragma("journal_mode=WAL")
        super().prepare()

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is alone in writing from its first statement on."""
        with self._written(synchronous="FULL") as connection:
            yield connection

    def note(self) -> AbstractContextManager[Connection]:
        """As everywhere: the operating system has it, the disk not yet."""
        return self._written(synchronous="NORMAL")

    @contextlib.contextmanager
    def _written(self, *, synchronous: str) -> Iterator[Connection]:
        options = {_BEGIN: "BEGIN IMMEDIATE", _SYNCHRONOUS: synchronous}
        with (
            self._writing,
            explained(),
            self._engine.execution_options(**options).begin() as connection,
        ):
            yield connection

    @contextlib.contextmanager
    def alone(self, *, patience_seconds: float) -> Iterator[None]:
        """As everywhere; by a lock on a file beside, so that others may write the state.

        The operating system takes the lock from a process that dies.
        """
        path = self._path.with_name(f"{self._path.name}-lock")
        _make_private(path)
        lock = sqlite3.connect(path, timeout=patience_seconds, isolation_level=None)
        try:
            _take(lock, path, patience_seconds)
            yield
        finally:
            lock.close()

    def tidy(self) -> None:
        """Write the file anew, and empty the write-ahead log."""
        outside = self._engine.execution_options(**{_BEGIN: None})
        with self._writing, explained(), outside.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def now(self, connection: Connection) -> datetime:
        """The time of this machine, the only one that uses the file."""
        del connection
        return self._clock()

    def _has_log(self) -> bool:
        return self._pragma("journal_mode") == "wal"

    def _pragma(self, words: str) -> object:
        # In a transaction, SQLite refuses to change how it logs.
        outside = self._engine.execution_options(**{_BEGIN: None})
        with explained(), outside.connect() as connection:
            return connection.exec_driver_sql(f"PRAGMA {words}").scalar()


def _take(lock: sqlite3.Connection, path: Path, patience_seconds: float) -> None:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        message = (
            f"Another process has held the lock {path} for {patience_seconds:.0f} s ({error})."
            " Try again; if it stays so, end the process that hangs."
        )
        raise StoreBusyError(message) from error


def _named_file(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        message = (
            "STATE_DATABASE_URL names no file, so nothing would be remembered; give one:"
            " sqlite:////var/lib/swit/state.sqlite"
        )
        raise StoreUnavailableError(message)
    return Path(url.database)


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=_FOLDER_OURS_ONLY, parents=True, exist_ok=True)
        path.touch(mode=_OURS_ONLY)
        if path.stat().st_mode & 0o077:
            path.chmod(_OURS_ONLY)
    except OSError as error:
        message = (
            f"The state database {path} can't be made or written: {error.strerror}. Give the"
            " account that runs this the right to write there, or set STATE_DATABASE_URL."
        )
        raise StoreUnavailableError(message) from error


def _set_up(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    del entry
    # Otherwise the driver begins transactions of its own, and too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    words = options.get(_BEGIN, "BEGIN")
    if _SYNCHRONOUS in options:
        # Connections are used again, and keep what was asked of them last.
        connection.exec_driver_sql(f"PRAGMA synchronous={options[_SYNCHRONOUS]}")
    if words is not None:
        connection.exec_driver_sql(words)
