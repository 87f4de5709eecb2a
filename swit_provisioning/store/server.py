"""The state on a database server (PostgreSQL), where several machines share it."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import URL, Connection, DateTime, create_engine, func, select, text

from swit_provisioning.store.database import PATIENCE_SECONDS, Database, explained
from swit_provisioning.store.errors import StoreUnavailableError

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
