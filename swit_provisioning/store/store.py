"""The state database, opened: one group of methods for each noun."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.store.acceptances import Acceptances
from swit_provisioning.store.alarms import Alarms
from swit_provisioning.store.approvals import Approvals
from swit_provisioning.store.database import Database, utc_now
from swit_provisioning.store.encryption import Cipher, cipher_of
from swit_provisioning.store.errors import StoreUnavailableError
from swit_provisioning.store.forgetting import Forgetting
from swit_provisioning.store.history import History
from swit_provisioning.store.identities import Identities
from swit_provisioning.store.journal import Journal
from swit_provisioning.store.lease import Lease
from swit_provisioning.store.organization import BoundOrganization
from swit_provisioning.store.outbox import Outbox
from swit_provisioning.store.pauses import Pauses
from swit_provisioning.store.plans import Plans
from swit_provisioning.store.reads import Reads
from swit_provisioning.store.recollection import Recollection
from swit_provisioning.store.rejections import Rejections
from swit_provisioning.store.repeats import Repeats
from swit_provisioning.store.restorations import Restorations
from swit_provisioning.store.retention import Retention
from swit_provisioning.store.server import PostgresqlServer
from swit_provisioning.store.sqlite_file import SqliteFile
from swit_provisioning.store.tokens import Tokens


class Store:
    """Everything that is remembered from run to run. May be shared by threads."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        """Take an open database; `Store.open` makes one of an address."""
        self._database = database
        self.tokens = Tokens(database, cipher)
        self.plans = Plans(database)
        self.approvals = Approvals(database)
        self.rejections = Rejections(database)
        self.acceptances = Acceptances(database)
        self.identities = Identities(database)
        self.reads = Reads(database)
        self.recollection = Recollection(database)
        self.repeats = Repeats(database)
        self.journal = Journal(database)
        self.history = History(database)
        self.lease = Lease(database)
        self.pauses = Pauses(database)
        self.restorations = Restorations(database)
        self.retention = Retention(database)
        self.forgetting = Forgetting(database, cipher)
        self.organization = BoundOrganization(database)
        self.outbox = Outbox(database)
        self.alarms = Alarms(database)

    def now(self) -> datetime:
        """The time that all who share the database agree on."""
        with self._database.read() as connection:
            return self._database.now(connection)

    def memory(self) -> Memory:
        """All that a plan needs to know of the plans before it."""
        applied, seen = self.recollection.applied_since(self.repeats.seen())
        return replace(
            self.identities.memory(),
            kept=self.recollection.kept(),
            repeats=self.repeats.known(),
            applied=applied,
            seen=seen,
        )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        encryption_key: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Open `sqlite:////path/state.sqlite` or `postgresql://user:password@host/name`.

        A SQLite file and its folder are made where they are missing, and its tables too. `clock`
        gives the time (aware) where the database is a file; a server has its own.

        Raises:
            ValueError: `encryption_key` is no Fernet key; the message says how to make one.
            StoreUnavailableError: it can't be opened.
            NewerSchemaError: a newer version of this program wrote it.

        """
        cipher = cipher_of(encryption_key)
        database = _database(url, clock)
        try:
            database.prepare()
        except BaseException:
            database.close()
            raise
        return cls(database, cipher)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        """Use it as a context: it is closed at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self.close()


def _database(url: str, clock: Callable[[], datetime]) -> Database:
    parsed = _parsed(url)
    match parsed.get_backend_name():
        case "sqlite":
            return SqliteFile(parsed, clock=clock)
        case "postgresql":
            return PostgresqlServer(parsed)
        case other:
            message = (
                f"STATE_DATABASE_URL names a database of the kind {other}; it can be"
                " sqlite:////var/lib/swit/state.sqlite or postgresql://user:password@host/name"
            )
            raise StoreUnavailableError(message)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        # What was given may hold a password, so it is not repeated.
        message = (
            "STATE_DATABASE_URL is no address of a database; give one such as"
            " sqlite:////var/lib/swit/state.sqlite or postgresql://user:password@host/name"
        )
        raise StoreUnavailableError(message) from None
