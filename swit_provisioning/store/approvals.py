"""Approvals: who let one plan past its limits, and why. Each is spent once."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Integer, Row, String, Table, Text, insert, select, update

from swit_provisioning.reconcile.plan import PlanHash
from swit_provisioning.store.database import Database
from swit_provisioning.store.tables import METADATA, UtcDateTime

APPROVALS: Final = Table(
    "approval",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("plan_hash", String(64), nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("guards", Text, nullable=False),
    Column("spent_at", UtcDateTime),
)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One plan may pass these guards."""

    approval_id: int
    plan_hash: PlanHash
    who: str
    why: str
    at: datetime
    guards: tuple[str, ...]
    """Names of the guards that it lifts."""


class Approvals:
    """All approvals; spent ones stay on record and count no longer."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def add(self, plan_hash: PlanHash, *, who: str, why: str, guards: tuple[str, ...]) -> int:
        """Record that `who` lets this plan past `guards`; the approval's id."""
        with self._database.write() as connection:
            made = connection.execute(
                insert(APPROVALS).values(
                    plan_hash=plan_hash,
                    who=who,
                    why=why,
                    at=self._database.now(connection),
                    guards=json.dumps(list(guards)),
                )
            )
            key = made.inserted_primary_key
        return int(key[0]) if key else 0

    def of(self, plan_hash: PlanHash, *, newer_than: timedelta | None = None) -> Approval | None:
        """The last unspent approval of this plan, if one was given in the time `newer_than`."""
        unspent = select(APPROVALS).where(
            APPROVALS.c.plan_hash == plan_hash, APPROVALS.c.spent_at.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(unspent.order_by(APPROVALS.c.id.desc()).limit(1)).first()
            now = self._database.now(connection)
        if row is None or (newer_than is not None and row.at < now - newer_than):
            return None
        return approval_of(row)

    def get(self, approval_id: int) -> Approval | None:
        """One approval, spent or not."""
        with self._database.read() as connection:
            found = select(APPROVALS).where(APPROVALS.c.id == approval_id)
            row = connection.execute(found).one_or_none()
        return None if row is None else approval_of(row)

    def spend(self, plan_hash: PlanHash) -> None:
        """The plan is through: what was approved for it is used up."""
        with self._database.write() as connection:
            connection.execute(
                update(APPROVALS)
                .where(APPROVALS.c.plan_hash == plan_hash, APPROVALS.c.spent_at.is_(None))
                .values(spent_at=self._database.now(connection))
            )


def approval_of(row: Row[Any]) -> Approval:
    """The approval that a row of the table holds."""
    return Approval(
        approval_id=row.id,
        plan_hash=row.plan_hash,
        who=row.who,
        why=row.why,
        at=row.at,
        guards=tuple(json.loads(row.guards)),
    )
