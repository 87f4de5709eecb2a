"""The state database as its tables see it: reading, writing, a lock for one, and the time."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from swit_provisioning.store.errors import StoreBusyError, StoreUnavailableError
from swit_provisioning.store.schema import NEWEST, bring_up_to_date, form_of

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
