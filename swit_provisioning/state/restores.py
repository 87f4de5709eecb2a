"""Whether this state is the newest there was: a count of runs, and what came back from a backup.

The count is also left outside the database. Where that is ahead, an older database was put back.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.planning.normalize import clock
from swit_provisioning.state.database import METADATA, Database, UtcDateTime, put
from swit_provisioning.state.plans import APPROVALS, Approval, approval_of

_MARK: Final = Table(
    "state_mark",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(32), nullable=False),
    Column("runs", Integer, nullable=False),
)
_RESTORATIONS: Final = Table(
    "restoration",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("noticed_at", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False),
    Column("planned_by", String(64)),
)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Which state this is, and how many runs have used it."""

    name: str
    count: int

    def __str__(self) -> str:
        """As it is left outside: `<name>:<count>`."""
        return f"{self.name}:{self.count}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """The mark that a text is; `None` if it is none."""
        name, _, count = text.strip().rpartition(":")
        return cls(name=name, count=int(count)) if name and count.isdecimal() else None


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """The state came back from a backup, as far as anybody knows."""

    noticed_at: datetime
    why: str
    """How that was noticed, or who said so."""
    planned_by: str | None
    """The (root) run that planned first since then."""

    @property
    def sentence(self) -> str:
        """What to tell whoever is kept from sending."""
        return f"The state came back from a backup ({self.why}; {clock(self.noticed_at)})"


class Restorations:
    """What must not be taken for granted after a restore: approvals, plans, what was begun."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def mark(self) -> Mark:
        """As it stands now."""
        with self._database.read() as connection:
            row = connection.execute(select(_MARK)).one_or_none()
        if row is not None:
            return Mark(name=row.name, count=row.runs)
        with self._database.write() as connection:
            return _mark(connection)

    def advance(self) -> Mark:
        """Count one run more."""
        with self._database.write() as connection:
            mark = _mark(connection)
            return _put(connection, Mark(name=mark.name, count=mark.count + 1))

    def begin(self, why: str, *, beyond: int = 0) -> Restoration:
        """Note that the state came back: every approval is void from now on.

        The count goes on from `beyond`, if that is higher than its own.
        """
        with self._database.write() as connection:
            now = self._database.now(connection)
            mark = _mark(connection)
            _put(connection, Mark(name=mark.name, count=max(mark.count, beyond)))
            row = {"noticed_at": now, "why": why, "planned_by": None}
            connection.execute(insert(_RESTORATIONS).values(**row))
            standing = update(APPROVALS).where(APPROVALS.c.spent_at.is_(None))
            connection.execute(standing.values(spent_at=now))
        return Restoration(noticed_at=now, why=why, planned_by=None)

    def latest(self) -> Restoration | None:
        """The last one, if there was one."""
        newest = select(_RESTORATIONS).order_by(_RESTORATIONS.c.id.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
        if row is None:
            return None
        return Restoration(noticed_at=row.noticed_at, why=row.why, planned_by=row.planned_by)

    def planned(self, run_id: str) -> None:
        """This run has planned; if it is the first since the state came back, it may not send."""
        first = update(_RESTORATIONS).where(_RESTORATIONS.c.planned_by.is_(None))
        with self._database.write() as connection:
            connection.execute(first.values(planned_by=run_id))

    def void_approval(self, plan_hash: PlanHash) -> Approval | None:
        """The approval of this plan that the last restore made void, if it did."""
        latest = self.latest()
        if latest is None:
            return None
        void = select(APPROVALS).where(
            APPROVALS.c.plan_hash == plan_hash, APPROVALS.c.spent_at == latest.noticed_at
        )
        with self._database.read() as connection:
            row = connection.execute(void.order_by(APPROVALS.c.id.desc()).limit(1)).first()
        return None if row is None else approval_of(row)


def _mark(connection: Connection) -> Mark:
    row = connection.execute(select(_MARK)).one_or_none()
    if row is None:
        return _put(connection, Mark(name=secrets.token_hex(8), count=0))
    return Mark(name=row.name, count=row.runs)


def _put(connection: Connection, mark: Mark) -> Mark:
    put(connection, _MARK, key={"id": 1}, values={"name": mark.name, "runs": mark.count})
    return mark
