"""The state database: SQLite or PostgreSQL, transactions, locks, the time, and migrations.

* StoreError                base class of all errors of the state; the others stand beside what
                            raises them
  - StoreUnavailableError   the database can't be opened, read or written: repair it, then retry
    + StoreBusyError        another process has held it for too long: retry
  - NewerSchemaError        a newer version of this program wrote it
"""

import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    Row,
    Select,
    String,
    Table,
    TypeDecorator,
    and_,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

METADATA: Final = MetaData()
AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns, by their names."""

NEWEST: Final = "0015"
"""The schema version that this program uses; a database with a later one is refused."""
_BEFORE_ALEMBIC: Final = "schema_version"
"""The version table from before Alembic: it stands for `0000`, with the tables of `0001`."""

LOCK_TIMEOUT_SECONDS: Final = 30.0
"""Seconds that a statement waits for the lock of another transaction."""
_BUSY: Final = ("database is locked", "lock timeout", "database table is locked")


class StoreError(Exception):
    """Base class: catch this one at the edge. No token or password is ever in it."""


class StoreUnavailableError(StoreError):
    """The state database can't be opened, read or written."""


class StoreBusyError(StoreUnavailableError):
    """Another process has held the database, or a lock in it, for too long."""


class NewerSchemaError(StoreError):
    """The state was written by a newer version of this program."""

    def __init__(self, *, found: str, known: str) -> None:
        super().__init__(
            f"The state database has schema {found}; this version of swit-provisioning knows"
            f" {known} at most. Install the newer version that wrote it, or let"
            " STATE_DATABASE_URL name another database."
        )


def utc_now() -> datetime:
    """The time by the clock of this machine."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides of the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; raises `ValueError` for a time without a time zone."""
        del dialect
        if value is not None and value.tzinfo is None:
            message = f"{value!r} has no time zone; give datetime.now(UTC)"
            raise ValueError(message)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back; SQLite keeps no time zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def schema_version(connection: Connection) -> str | None:
    """The schema version of a database; `None` if it has no tables yet.

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


def create_tables(connection: Connection) -> None:
    """Create all tables of an empty database as they are now, without its past migrations."""
    METADATA.create_all(connection)
    # As Alembic does it, but without the time of its import.
    version = Column("version_num", String(32), primary_key=True)
    table = Table("alembic_version", MetaData(), version)
    table.create(connection)
    connection.execute(insert(table).values(version_num=NEWEST))


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Migrate the tables to the newest version, in this transaction."""
    # A database that is up to date need not wait until Alembic is imported.
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415

    with as_file(files("swit_provisioning.state") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        if inspect(connection).has_table(_BEFORE_ALEMBIC):
            command.stamp(config, "0001")
            connection.execute(text(f"DROP TABLE {_BEFORE_ALEMBIC}"))
        command.upgrade(config, to)


class Database(ABC):
    """One open database. Safe for several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with _translated_errors(), self._engine.begin() as connection:
            yield connection

    def rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[AnyRow]:
        """All rows of a query, in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(query).all()

    def first(self, query: Select[*tuple[Any, ...]]) -> AnyRow | None:
        """The first row of a query, in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(query).first()

    def scalar(self, query: Select[*tuple[Any, ...]]) -> Any:  # noqa: ANN401 - as SQLAlchemy types it
        """The first column of the first row of a query, in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(query).scalar()

    @abstractmethod
    def write(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """A transaction that writes; it is committed if the block ends without an error.

        Without `durable`, a power cut may lose the last transactions; a dead process loses none.
        For frequent writes whose loss is detected.
        """

    @abstractmethod
    def exclusive(self, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """A lock for one thread among all processes; a dead process releases it.

        Raises:
            StoreBusyError: another one held it for longer than `timeout_seconds`.

        """

    @abstractmethod
    def now(self, connection: Connection) -> datetime:
        """The time for all processes that share the database."""

    @abstractmethod
    def vacuum(self) -> None:
        """Erase the remains of deleted or changed rows, as far as the database allows."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Create missing tables, or migrate older ones.

        Raises:
            NewerSchemaError: a newer version of this program made them.

        """
        with self.read() as connection:
            if schema_version(connection) == NEWEST:
                return
        with self.exclusive(timeout_seconds=LOCK_TIMEOUT_SECONDS), self.write() as connection:
            # Another process may have been first.
            version = schema_version(connection)
            if version is None:
                create_tables(connection)
            elif version != NEWEST:
                migrate(connection)


class Section:
    """A part of the state: the methods for a few tables that belong together."""

    def __init__(self, database: Database) -> None:
        self._database = database


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn an error of the database into one clear error, without statement and values."""
    try:
        yield
    except DBAPIError as error:
        words = " ".join(str(error.orig).split()).rstrip(".?")
        if any(sign in words.lower() for sign in _BUSY):
            message = (
                f"The state database is busy ({words}): another process has held it for longer"
                f" than {LOCK_TIMEOUT_SECONDS:.0f} s. Try again. If this persists, end that"
                " process."
            )
            raise StoreBusyError(message) from error
        message = (
            f"The state database can't be used: {words}. Check STATE_DATABASE_URL. For a file,"
            " check its permissions and the space left on its disk; for a server, check that it"
            " is running and accepts connections from this machine."
        )
        raise StoreUnavailableError(message) from error
    except SQLAlchemyError as error:
        message = f"The state database can't be used: {error}. Check STATE_DATABASE_URL."
        raise StoreUnavailableError(message) from error


_OURS_ONLY: Final = 0o600
_FOLDER_OURS_ONLY: Final = 0o700
_BEGIN: Final = "swit_provisioning_begin"
_SYNCHRONOUS: Final = "swit_provisioning_synchronous"


class SqliteFile(Database):
    """A SQLite file, readable by its owner only, with a write-ahead log beside it."""

    def __init__(self, url: URL, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Create the file and its folder if they are missing; `clock` gives aware times."""
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            message = (
                "STATE_DATABASE_URL names no file. Name one, such as"
                " sqlite:////var/lib/swit/state.sqlite"
            )
            raise StoreUnavailableError(message)
        self._path = Path(url.database)
        self._clock = clock
        # Waiting processes poll in SQLite; threads of one process wait in a queue instead.
        self._writing = threading.Lock()
        _make_private(self._path)
        engine = create_engine(
            url,
            hide_parameters=True,
            connect_args={"timeout": LOCK_TIMEOUT_SECONDS},
            max_overflow=-1,
        )

        @event.listens_for(engine, "connect")
        def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            # Otherwise the driver begins its own transactions, and too late.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            words = options.get(_BEGIN, "BEGIN")
            if _SYNCHRONOUS in options:
                # Connections are reused, and keep the last value.
                connection.exec_driver_sql(f"PRAGMA synchronous={options[_SYNCHRONOUS]}")
            if words is not None:
                connection.exec_driver_sql(words)

        super().__init__(engine)

    def prepare(self) -> None:
        """As the base class; before that, switch the file to a write-ahead log."""
        with self._outside() as connection:
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                with self.exclusive(timeout_seconds=LOCK_TIMEOUT_SECONDS):
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        super().prepare()

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """As the base class; it is the only writer from its first statement on."""
        options = {_BEGIN: "BEGIN IMMEDIATE", _SYNCHRONOUS: "FULL" if durable else "NORMAL"}
        engine = self._engine.execution_options(**options)
        with self._writing, _translated_errors(), engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def exclusive(self, *, timeout_seconds: float) -> Iterator[None]:
        """As the base class, by a lock on a file beside, so that others may write the state.

        The operating system releases the lock of a process that dies.
        """
        path = self._path.with_name(f"{self._path.name}-lock")
        _make_private(path)
        lock = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None)
        with contextlib.closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                message = (
                    f"Another process has held the lock {path} for {timeout_seconds:.0f} s"
                    f" ({error}). Try again. If this persists, end that process."
                )
                raise StoreBusyError(message) from error
            yield

    def vacuum(self) -> None:
        """Rewrite the file, and empty the write-ahead log."""
        with self._writing, self._outside() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def now(self, connection: Connection) -> datetime:
        """The time of this machine, which alone uses the file."""
        del connection
        return self._clock()

    @contextlib.contextmanager
    def _outside(self) -> Iterator[Connection]:
        """A connection outside a transaction, for statements that SQLite refuses in one."""
        engine = self._engine.execution_options(**{_BEGIN: None})
        with _translated_errors(), engine.connect() as connection:
            yield connection


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=_FOLDER_OURS_ONLY, parents=True, exist_ok=True)
        path.touch(mode=_OURS_ONLY)
        if path.stat().st_mode & 0o077:
            path.chmod(_OURS_ONLY)
    except OSError as error:
        message = (
            f"The state database {path} can't be created or written: {error.strerror}. Give the"
            " account that runs this program write permission, or set STATE_DATABASE_URL."
        )
        raise StoreUnavailableError(message) from error


# An arbitrary number; all processes must use the same one.
_LOCK_NUMBER: Final = 737_469_742

# The driver of Dagster's own PostgreSQL storage; an address may name another one.
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
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """As the base class, always durable; it waits only for a limited time for locked rows."""
        del durable
        with self._waiting_at_most(LOCK_TIMEOUT_SECONDS) as connection:
            yield connection

    @contextlib.contextmanager
    def exclusive(self, *, timeout_seconds: float) -> Iterator[None]:
        """As the base class; the server releases the lock of a lost connection."""
        with self._waiting_at_most(timeout_seconds) as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK_NUMBER)))
            yield

    def vacuum(self) -> None:
        """Free the space of old rows; the write-ahead log follows the rules of the server."""
        outside = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with _translated_errors(), outside.connect() as connection:
            connection.execute(text("VACUUM"))

    def now(self, connection: Connection) -> datetime:
        """The time of the server now, not when the transaction began."""
        clock = func.clock_timestamp(type_=DateTime(timezone=True))
        return connection.execute(select(clock)).scalar_one()

    @contextlib.contextmanager
    def _waiting_at_most(self, seconds: float) -> Iterator[Connection]:
        with _translated_errors(), self._engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = {int(seconds * 1000)}"))
            yield connection


def open_database(url: str, clock: Callable[[], datetime] = utc_now) -> Database:
    """The database of an address; nothing is connected yet.

    Raises:
        StoreUnavailableError: the address can't be used.

    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # What was given may hold a password, so it is not repeated.
        message = (
            "STATE_DATABASE_URL is not a database URL. Use one such as"
            " sqlite:////var/lib/swit/state.sqlite or postgresql://user:password@host/name"
        )
        raise StoreUnavailableError(message) from None
    match parsed.get_backend_name():
        case "sqlite":
            return SqliteFile(parsed, clock=clock)
        case "postgresql":
            return PostgresqlServer(parsed)
        case other:
            message = (
                f"STATE_DATABASE_URL names a database of the kind {other}. Use one such as"
                " sqlite:////var/lib/swit/state.sqlite or postgresql://user:password@host/name"
            )
            raise StoreUnavailableError(message)


def upsert(
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
