"""The state database, opened: one group of methods for each noun."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Self

from swit_provisioning.planning.policy import Memory
from swit_provisioning.state.coordination import Lease, Pauses
from swit_provisioning.state.database import Database, open_database, utc_now
from swit_provisioning.state.expired_rows import Retention
from swit_provisioning.state.identities import BoundOrganization, Identities, Reads
from swit_provisioning.state.journal import Journal, JournalMemory
from swit_provisioning.state.journal_history import History
from swit_provisioning.state.personal_data import Erasure
from swit_provisioning.state.plan_approvals import Acceptances, Approvals, Rejections, Restorations
from swit_provisioning.state.stored_plans import Plans
from swit_provisioning.state.token_store import Cipher, Tokens


class Store(AbstractContextManager["Store"]):
    """Everything that is remembered from run to run. Safe for several threads."""

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
        self.journal_memory = JournalMemory(database)
        self.journal = Journal(database)
        self.history = History(database)
        self.lease = Lease(database)
        self.pauses = Pauses(database)
        self.restorations = Restorations(database)
        self.retention = Retention(database)
        self.erasure = Erasure(database, cipher)
        self.organization = BoundOrganization(database)

    def now(self) -> datetime:
        """The time for all processes that share the database."""
        with self._database.read() as connection:
            return self._database.now(connection)

    def memory(self) -> Memory:
        """Everything that the next plan needs to know of earlier plans."""
        applied, seen = self.journal_memory.applied()
        return replace(
            self.identities.memory(),
            stored_values=self.journal_memory.kept(),
            repeats=self.journal_memory.repeats(),
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
        cipher = Cipher(encryption_key)
        database = open_database(url, clock)
        try:
            database.prepare()
        except BaseException:
            database.close()
            raise
        return cls(database, cipher)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()
