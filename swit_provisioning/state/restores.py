"""What a person said about a restored state: approvals are void, and the first run only plans."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Column,
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
from swit_provisioning.state.database import METADATA, Database, UtcDateTime
from swit_provisioning.state.decisions import APPROVALS, Approval, approval_of

_RESTORATIONS: Final = Table(
    "restoration",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("noticed_at", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False),
    Column("planned_by", String(64)),
)


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """The state came back from a backup."""

    noticed_at: datetime
    reason: str
    """Who said so, and the reason."""
    planned_by: str | None
    """The (root) run that planned first since then."""

    @property
    def sentence(self) -> str:
        """The same as a clause."""
        return f"The state came back from a backup ({self.reason}; {clock(self.noticed_at)})"


class Restorations:
    """All restorations; only the last one counts."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def begin(self, reason: str) -> None:
        """Record that the state came back: every approval is void from now on."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(insert(_RESTORATIONS).values(noticed_at=now, why=reason))
            unspent = update(APPROVALS).where(APPROVALS.c.spent_at.is_(None))
            connection.execute(unspent.values(spent_at=now))

    def latest(self) -> Restoration | None:
        """The last one, if there was one."""
        newest = select(_RESTORATIONS).order_by(_RESTORATIONS.c.id.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
        if row is None:
            return None
        return Restoration(noticed_at=row.noticed_at, reason=row.why, planned_by=row.planned_by)

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
