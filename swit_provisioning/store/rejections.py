"""Rejections: plans that must not be applied, by whom and why, until somebody approves them.

Tables before the form 0006 had the first 12 digits of the hash. A rejection whose plan is no longer
stored still has them, and forbids every plan that begins with them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, Integer, String, Table, Text, insert, select, update

from swit_provisioning.reconcile.plan import PlanHash, shown_id
from swit_provisioning.reconcile.text import clock
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

REJECTIONS: Final = Table(
    "rejection",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("plan_hash", String(64), nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("lifted_at", UtcDateTime),
    Column("lifted_by", Text),
)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One plan must not be applied, also if a later read makes the very same one again."""

    plan_hash: PlanHash
    who: str
    why: str
    at: datetime

    @property
    def words(self) -> str:
        """`Rejected by ann on 2026-03-01 02:30 UTC: wrong filter.`: who, when and why."""
        reason = f": {self.why.rstrip('.')}" if self.why else ""
        return f"Rejected by {self.who} on {clock(self.at)}{reason}."

    @property
    def sentence(self) -> str:
        """What to tell whoever wants to apply it."""
        plan_id = shown_id(self.plan_hash)
        return (
            f"Plan {plan_id} was r{self.words[1:]} If it is meant after all:"
            f' swit-provisioning approve {plan_id} --reason "reason"'
        )


class Rejections:
    """All rejections; lifted ones stay on record and count no longer."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def add(self, plan_hash: PlanHash, *, who: str, why: str) -> None:
        """Record that `who` rejects this plan."""
        with self._database.write() as connection:
            row = {"plan_hash": plan_hash, "who": who, "why": why}
            now = self._database.now(connection)
            connection.execute(insert(REJECTIONS).values(**row, at=now))

    def of(self, plan_hash: PlanHash) -> Rejection | None:
        """The last rejection of this plan, if none has lifted it."""
        standing = select(REJECTIONS).where(_is_of(plan_hash), REJECTIONS.c.lifted_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(standing.order_by(REJECTIONS.c.id.desc()).limit(1)).first()
        if row is None:
            return None
        return Rejection(plan_hash=plan_hash, who=row.who, why=row.why, at=row.at)

    def lift(self, plan_hash: PlanHash, *, who: str) -> None:
        """Let this plan be applied again, as far as rejections go."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(
                update(REJECTIONS)
                .where(_is_of(plan_hash), REJECTIONS.c.lifted_at.is_(None))
                .values(lifted_at=now, lifted_by=who)
            )


def _is_of(plan_hash: PlanHash) -> ColumnElement[bool]:
    return REJECTIONS.c.plan_hash.in_([plan_hash, shown_id(plan_hash)])
