"""What was sent and wanted again at once: how often in a row, kept from plan to plan."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import Column, Integer, String, Table, delete, insert, select

from swit_provisioning.reconcile.repeats import Repeat
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime, put

FORGOTTEN_AFTER: Final = timedelta(days=30)
"""After so long without a try, what did not stick is tried anew: the world may have changed."""

_REPEATS: Final = Table(
    "repeat",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("times", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)
SEEN: Final = Table(
    "journal_seen",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", Integer, nullable=False),
)


class Repeats:
    """The memory of one plan for the next."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def known(self) -> dict[str, Repeat]:
        """Key of a part of a change -> how often it was sent in vain, unless it is long ago."""
        with self._database.read() as connection:
            since = self._database.now(connection) - FORGOTTEN_AFTER
            rows = connection.execute(select(_REPEATS).where(_REPEATS.c.last_at >= since)).all()
        return {row.key: Repeat(times=row.times, last_at=row.last_at) for row in rows}

    def seen(self) -> int:
        """The newest journal entry that the last plan took into account; 0 before the first."""
        with self._database.read() as connection:
            return connection.execute(select(SEEN.c.entry_id)).scalar() or 0

    def remember(self, repeats: Mapping[str, Repeat], *, seen: int) -> None:
        """Keep these, in place of all others, and that the journal was read up to `seen`."""
        rows = [{"key": key, **vars(repeat)} for key, repeat in repeats.items()]
        with self._database.write() as connection:
            connection.execute(delete(_REPEATS))
            if rows:
                connection.execute(insert(_REPEATS), rows)
            put(connection, SEEN, key={"id": 1}, values={"entry_id": seen})
