"""Rejections: plans that must not be applied, by whom and why, until somebody approves them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Integer, String, Table, Text, insert, select, update

from swit_provisioning.reconcile.text import clock
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

REJECTIONS: Final = Table(
    "rejection",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("plan_id", String(64), nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("lifted_at", UtcDateTime),
    Column("lifted_by", Text),
)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One plan must not be applied, also if a later read makes the very same one again."""

    plan_id: str
    who: str
    why: str
    at: datetime

    @property
    def sentence(self) -> str:
        """What to tell whoever wants to apply it."""
        reason = f": {self.why.rstrip('.')}" if self.why else ""
        return (
            f"Plan {self.plan_id} was rejected by {self.who} on"
            f" {clock(self.at)}{reason}. If it is meant after all:"
            f' swit-provisioning approve {self.plan_id} --reason "reason"'
        )


class Rejections:
    """All rejections; lifted ones stay on record and count no longer."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def add(self, plan_id: str, *, who: str, why: str) -> None:
        """Record that `who` rejects this plan."""
        with self._database.write() as connection:
            row = {"plan_id": plan_id, "who": who, "why": why}
            now = self._database.now(connection)
            connection.execute(insert(REJECTIONS).values(**row, at=now))

    def of(self, plan_id: str) -> Rejection | None:
        """The last rejection of this plan, if none has lifted it."""
        standing = select(REJECTIONS).where(
            REJECTIONS.c.plan_id == plan_id, REJECTIONS.c.lifted_at.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(standing.order_by(REJECTIONS.c.id.desc()).limit(1)).first()
        if row is None:
            return None
        return Rejection(plan_id=row.plan_id, who=row.who, why=row.why, at=row.at)

    def lift(self, plan_id: str, *, who: str) -> None:
        """Let this plan be applied again, as far as rejections go."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(
                update(REJECTIONS)
                .where(REJECTIONS.c.plan_id == plan_id, REJECTIONS.c.lifted_at.is_(None))
                .values(lifted_at=now, lifted_by=who)
            )
