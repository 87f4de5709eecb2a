"""The state database as its tables see it: reading, writing, a lock for one, and the time."""

import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    Table,
    TypeDecorator,
    and_,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from swit_provisioning.state.errors import NewerSchemaError, StoreBusyError, StoreUnavailableError

NEWEST: Final = "0010"
"""The form that this program reads and writes; a database with a later one is refused."""

_BEFORE_ALEMBIC: Final = "schema_version"
"""The table that said which form it was, before Alembic did: `0000`, the tables of `0001`."""


def form_of(connection: Connection) -> str | None:
    """The form of the tables in a database; `None` where there are none yet.

    Raises:
        NewerSchemaError: a newer version of this program made them.

    """
    here = inspect(connection)
    if not here.has_table("alembic_version"):
        return "0000" if here.has_table(_BEFORE_ALEMBIC) else None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and str(found) > NEWEST:
        raise NewerSchemaError(found=str(found), known=NEWEST)
    return found


def bring_up_to_date(connection: Connection, *, to: str = "head") -> None:
    """Make the tables, or change them step by step to the newest form, in this transaction."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415

    with as_file(files("swit_provisioning.state") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        if inspect(connection).has_table(_BEFORE_ALEMBIC):
            command.stamp(config, "0001")
            connection.execute(text(f"DROP TABLE {_BEFORE_ALEMBIC}"))
        command.upgrade(config, to)


PATIENCE_SECONDS: Final = 30.0
"""How long a statement waits for another one's transaction."""

_BUSY: Final = ("database is locked", "lock timeout", "database table is locked")


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


class Database(ABC):
    """One open database. Safe for several threads; nothing in it is kept between calls."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine that is set up for its kind of database."""
        self._engine = engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with explained(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; it is kept once the block has ended without an error."""
        with explained(), self._engine.begin() as connection:
            yield connection

    def note(self) -> AbstractContextManager[Connection]:
        """As `write`, where the last few may be lost in a power cut, though not by a dead process.

        Worth it only where a write is felt, and where what is lost is found out again.
        """
        return self.write()

    @abstractmethod
    def alone(self, *, patience_seconds: float) -> AbstractContextManager[None]:
        """Only one thread of all processes at a time is in such a block; a dead one leaves it.

        Raises:
            StoreBusyError: another one was in it for longer than `patience_seconds`.

        """

    @abstractmethod
    def now(self, connection: Connection) -> datetime:
        """The time that all who share the database agree on."""

    @abstractmethod
    def tidy(self) -> None:
        """Leave nothing of deleted or changed rows behind where the database keeps them."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Make the tables where there are none yet, or bring older ones up to date.

        Raises:
            NewerSchemaError: a newer version of this program made them.

        """
        if self._form() == NEWEST:
            return
        with self.alone(patience_seconds=PATIENCE_SECONDS):
            # Another process may have been first.
            if self._form() != NEWEST:
                with self.write() as connection:
                    bring_up_to_date(connection)

    def _form(self) -> str | None:
        with self.read() as connection:
            return form_of(connection)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what the database says into one clear error, without statement and values."""
    try:
        yield
    except DBAPIError as error:
        words = " ".join(str(error.orig).split()).rstrip(".?")
        if any(sign in words.lower() for sign in _BUSY):
            message = (
                f"The state database is busy ({words}): another process has held it for longer"
                f" than {PATIENCE_SECONDS:.0f} s. Try again; if it stays so, end that process."
            )
            raise StoreBusyError(message) from error
        message = (
            f"The state database can't be used: {words}. Look at STATE_DATABASE_URL; where it is"
            " a file, at its rights and the space left on its disk; where it is a server, whether"
            " it runs and lets this machine in."
        )
        raise StoreUnavailableError(message) from error
    except SQLAlchemyError as error:
        message = f"The state database can't be used: {error}. Look at STATE_DATABASE_URL."
        raise StoreUnavailableError(message) from error


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


# Any number will do, if all who share the database use the same.
_LOCK_NUMBER: Final = 737_469_742

# The one that Dagster's own PostgreSQL storage brings; an address may name another one.
_DRIVER: Final = "postgresql+psycopg2"


class PostgresqlServer(Database):
    """A PostgreSQL database."""

    def __init__(self, url: URL) -> None:
        """Connect nothing yet.

        Raises:
            StoreUnavailableError: Python has no driver for this database.

        """
        if url.drivername == url.get_backend_name():
            url = url.set(drivername=_DRIVER)
        try:
            engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, max_overflow=-1)
        except ModuleNotFoundError as error:
            message = (
                f"STATE_DATABASE_URL names a database of the kind {url.drivername}, for which"
                f" Python's driver {error.name} is missing. Install it:"
                " pip install 'swit_provisioning[postgresql]'"
            )
            raise StoreUnavailableError(message) from error
        super().__init__(engine)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that does not wait for ever for another one's rows."""
        with super().write() as connection:
            _wait_at_most(connection, PATIENCE_SECONDS)
            yield connection

    @contextlib.contextmanager
    def alone(self, *, patience_seconds: float) -> Iterator[None]:
        """As everywhere; the server takes the lock from a connection that is gone."""
        with explained(), self._engine.begin() as connection:
            _wait_at_most(connection, patience_seconds)
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK_NUMBER)))
            yield

    def tidy(self) -> None:
        """Give the place of old rows free; the server's write-ahead log goes by its own rules."""
        outside = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with explained(), outside.connect() as connection:
            connection.execute(text("VACUUM"))

    def now(self, connection: Connection) -> datetime:
        """The time of the server, now and not when the transaction began."""
        clock = func.clock_timestamp(type_=DateTime(timezone=True))
        return connection.execute(select(clock)).scalar_one()


def _wait_at_most(connection: Connection, seconds: float) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = {int(seconds * 1000)}"))


METADATA: Final = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides of the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; raises `ValueError` for a time without a time zone."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"{value!r} has no time zone; give datetime.now(UTC)"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back; SQLite keeps no time zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def put(
    connection: Connection, table: Table, *, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Write the one row that `key` names, new or not."""
    change = update(table).where(and_(*(table.c[name] == value for name, value in key.items())))
    if connection.execute(change.values(**values)).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**key, **values))
    except IntegrityError:
        # Another process was faster: its row is there now.
        connection.execute(change.values(**values))
