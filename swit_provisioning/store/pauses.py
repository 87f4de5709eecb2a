"""Pauses: while one lasts, no scheduled run writes. Who, when, why and until when is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Integer, Row, String, Table, Text, insert, select, update

from swit_provisioning.reconcile.text import clock
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

PAUSES: Final = Table(
    "pause",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(255)),
)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """No scheduled run writes."""

    who: str
    why: str
    at: datetime
    until: datetime | None
    """When it ends by itself; `None`: only when somebody ends it."""

    @property
    def sentence(self) -> str:
        """What to tell whoever is kept from writing, or may want to know."""
        until = "until somebody resumes" if self.until is None else f"until {clock(self.until)}"
        return f"paused {until}, by {self.who} on {clock(self.at)}: {self.why}"


class Pauses:
    """All pauses; at most one of them lasts."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def begin(self, *, who: str, why: str, until: datetime | None) -> None:
        """Pause from now on, in place of a pause that lasts."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            _end(connection, by=who, at=now)
            row = {"who": who, "why": why, "at": now, "until": until}
            connection.execute(insert(PAUSES).values(**row))

    def now(self) -> Pause | None:
        """The pause that lasts, if one does."""
        with self._database.read() as connection:
            return self._lasting(connection)

    def end(self, *, who: str) -> Pause | None:
        """End the pause that lasts; which one that was."""
        with self._database.write() as connection:
            lasting = self._lasting(connection)
            _end(connection, by=who, at=self._database.now(connection))
        return lasting

    def _lasting(self, connection: Connection) -> Pause | None:
        newest = select(PAUSES).where(PAUSES.c.ended_at.is_(None)).order_by(PAUSES.c.id.desc())
        row = connection.execute(newest.limit(1)).first()
        if row is None or (row.until is not None and row.until <= self._database.now(connection)):
            return None
        return _pause(row)


def _pause(row: Row[tuple[object, ...]]) -> Pause:
    return Pause(who=row.who, why=row.why, at=row.at, until=row.until)


def _end(connection: Connection, *, by: str, at: datetime) -> None:
    lasting = update(PAUSES).where(PAUSES.c.ended_at.is_(None))
    connection.execute(lasting.values(ended_at=at, ended_by=by))
