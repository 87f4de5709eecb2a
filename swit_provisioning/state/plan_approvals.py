"""What may be sent: approvals and rejections of plans, the runs that accepted one, and restores."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from swit_provisioning.planning.model import PlanHash, shown_id
from swit_provisioning.planning.normalize import clock
from swit_provisioning.state.database import METADATA, AnyRow, Section, UtcDateTime, upsert
from swit_provisioning.state.stored_plans import newest_making

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
    """The permission for one plan to pass these guards."""

    approval_id: int
    plan_hash: PlanHash
    actor: str
    reason: str
    at: datetime
    guards: tuple[str, ...]
    """Names of the guards that it lifts."""


class Approvals(Section):
    """All approvals; spent ones stay on record and no longer count."""

    def add(self, plan_hash: PlanHash, *, actor: str, reason: str, guards: tuple[str, ...]) -> int:
        """Record that `actor` lets this plan past `guards`; the approval's id."""
        row = {"plan_hash": plan_hash, "who": actor, "why": reason, "guards": json.dumps(guards)}
        with self._database.write() as connection:
            now = self._database.now(connection)
            made = connection.execute(insert(APPROVALS).values(**row, at=now))
            key = made.inserted_primary_key
        return int(key[0]) if key else 0

    def of(self, plan_hash: PlanHash, *, newer_than: timedelta | None = None) -> Approval | None:
        """The last unspent approval of this plan, unless it is older than `newer_than`."""
        unspent = select(APPROVALS).where(
            APPROVALS.c.plan_hash == plan_hash, APPROVALS.c.spent_at.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(unspent.order_by(APPROVALS.c.id.desc())).first()
            now = self._database.now(connection)
        if row is None or (newer_than is not None and row.at < now - newer_than):
            return None
        return approval_of(row)

    def get(self, approval_id: int) -> Approval | None:
        """One approval, spent or not."""
        row = self._database.first(select(APPROVALS).where(APPROVALS.c.id == approval_id))
        return None if row is None else approval_of(row)

    def spend(self, plan_hash: PlanHash) -> None:
        """Spend the approvals of a plan: it was applied, or rejected."""
        unspent = update(APPROVALS).where(
            APPROVALS.c.plan_hash == plan_hash, APPROVALS.c.spent_at.is_(None)
        )
        with self._database.write() as connection:
            connection.execute(unspent.values(spent_at=self._database.now(connection)))


def approval_of(row: AnyRow) -> Approval:
    """The approval that a row of the table holds."""
    return Approval(
        approval_id=row.id,
        plan_hash=row.plan_hash,
        actor=row.who,
        reason=row.why,
        at=row.at,
        guards=tuple(json.loads(row.guards)),
    )


ACCEPTANCES: Final = Table(
    "acceptance",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("plan_hash", String(64), nullable=False, index=True),
    Column("application_id", String(64), nullable=False, index=True),
    Column("approval_id", ForeignKey(APPROVALS.c.id, name="acceptance_approval_id_fkey")),
    Column("making", Integer),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("who", Text),
    Column("first_sync", Boolean, nullable=False),
)
NEWEST_ACCEPTANCE: Final = select(ACCEPTANCES).order_by(ACCEPTANCES.c.accepted_at.desc()).limit(1)


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """The permission for a root run to send a plan."""

    run_id: str
    plan_hash: PlanHash
    application_id: str
    """The run that accepted the plan first; runs that continue it share its journal."""
    approval_id: int | None
    """The approval that lifted a limit for it, if one did."""
    accepted_at: datetime
    finished_at: datetime | None
    actor: str | None = None
    """User and host that started the run; `None`: not recorded."""

    @property
    def plan_id(self) -> str:
        """The plan's name for people."""
        return shown_id(self.plan_hash)


class Acceptances(Section):
    """Every plan that the gate accepted."""

    def accept(
        self,
        run_id: str,
        *,
        plan_hash: PlanHash,
        application_id: str,
        approval_id: int | None = None,
        actor: str | None = None,
        first_sync: bool = False,
    ) -> None:
        """Let `run_id` send this plan; it may no longer send a plan that it accepted before.

        `first_sync`: no plan was applied completely so far.
        """
        with self._database.write() as connection:
            values = {
                "plan_hash": plan_hash,
                "application_id": application_id,
                "approval_id": approval_id,
                "making": newest_making(connection, plan_hash),
                "accepted_at": self._database.now(connection),
                "finished_at": None,
                "who": actor,
                "first_sync": first_sync,
            }
            upsert(connection, ACCEPTANCES, key={"run_id": run_id}, values=values)

    def of(self, run_id: str) -> Acceptance | None:
        """The plan that this run may send."""
        accepted = select(ACCEPTANCES).where(ACCEPTANCES.c.run_id == run_id)
        return _acceptance(self._database.first(accepted))

    def newest(self) -> Acceptance | None:
        """The last acceptance; all plans accepted before are overtaken."""
        return _acceptance(self._database.first(NEWEST_ACCEPTANCE))

    def unfinished(self, plan_hash: PlanHash) -> Acceptance | None:
        """The last application of this plan as it was made last, if it is not finished."""
        newest = self.newest_of(plan_hash)
        return newest if newest is not None and newest.finished_at is None else None

    def newest_of(self, plan_hash: PlanHash) -> Acceptance | None:
        """The last application of this plan as it was made last.

        One that began before the plan was last made doesn't count: when a plan is made again,
        all of its changes are to be done again.
        """
        newest = NEWEST_ACCEPTANCE.where(ACCEPTANCES.c.plan_hash == plan_hash)
        with self._database.read() as connection:
            row = connection.execute(newest).first()
            if row is None or row.making != newest_making(connection, plan_hash):
                return None
        return _acceptance(row)

    def included(self, plan_hash: PlanHash, *, made_at: datetime) -> Acceptance | None:
        """The finished application since `made_at` of a plan that includes this approved one."""
        found = (
            NEWEST_ACCEPTANCE.join_from(ACCEPTANCES, APPROVALS)
            .where(APPROVALS.c.plan_hash == plan_hash, ACCEPTANCES.c.plan_hash != plan_hash)
            .where(ACCEPTANCES.c.accepted_at > made_at, ACCEPTANCES.c.finished_at.is_not(None))
        )
        return _acceptance(self._database.first(found))

    def finish(self, application_id: str) -> None:
        """Record that all changes of the plan have been handled."""
        mine = update(ACCEPTANCES).where(ACCEPTANCES.c.application_id == application_id)
        with self._database.write() as connection:
            connection.execute(mine.values(finished_at=self._database.now(connection)))


def _acceptance(row: AnyRow | None) -> Acceptance | None:
    if row is None:
        return None
    return Acceptance(
        run_id=row.run_id,
        plan_hash=row.plan_hash,
        application_id=row.application_id,
        approval_id=row.approval_id,
        accepted_at=row.accepted_at,
        finished_at=row.finished_at,
        actor=row.who,
    )


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
    """One plan must not be applied, also if a later run makes exactly the same plan."""

    plan_hash: PlanHash
    actor: str
    reason: str
    at: datetime

    @property
    def words(self) -> str:
        """`Rejected by ann on 2026-03-01 02:30 UTC: wrong filter.`: who, when and why."""
        reason = f": {self.reason.rstrip('.')}" if self.reason else ""
        return f"Rejected by {self.actor} on {clock(self.at)}{reason}."

    @property
    def sentence(self) -> str:
        """The rejection in words, with the command that withdraws it."""
        plan_id = shown_id(self.plan_hash)
        return (
            f"Plan {plan_id} was r{self.words[1:]} If it is meant after all:"
            f' swit-provisioning approve {plan_id} --reason "reason"'
        )


class Rejections(Section):
    """All rejections; withdrawn ones stay on record and no longer count."""

    def add(self, plan_hash: PlanHash, *, actor: str, reason: str) -> None:
        """Record that `actor` rejects this plan."""
        with self._database.write() as connection:
            row = {"plan_hash": plan_hash, "who": actor, "why": reason}
            now = self._database.now(connection)
            connection.execute(insert(REJECTIONS).values(**row, at=now))

    def of(self, plan_hash: PlanHash) -> Rejection | None:
        """The last rejection of this plan, unless it was withdrawn."""
        newest = select(REJECTIONS).where(_in_force(plan_hash)).order_by(REJECTIONS.c.id.desc())
        row = self._database.first(newest)
        if row is None:
            return None
        return Rejection(plan_hash=plan_hash, actor=row.who, reason=row.why, at=row.at)

    def lift(self, plan_hash: PlanHash, *, actor: str) -> None:
        """Withdraw the rejections of this plan."""
        lifted = update(REJECTIONS).where(_in_force(plan_hash))
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(lifted.values(lifted_at=now, lifted_by=actor))


def _in_force(plan_hash: PlanHash) -> ColumnElement[bool]:
    """Rejections before schema 0006 name a plan that is no longer stored by its short id."""
    names = (plan_hash, shown_id(plan_hash))
    return REJECTIONS.c.plan_hash.in_(names) & REJECTIONS.c.lifted_at.is_(None)


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
    """The state came back from a backup: approvals are void, and the first run only plans."""

    noticed_at: datetime
    reason: str
    """Who said so, and the reason."""
    planned_by: str | None
    """The (root) run that planned first since then."""

    @property
    def sentence(self) -> str:
        """The restoration as a clause."""
        return f"The state came back from a backup ({self.reason}; {clock(self.noticed_at)})"


class Restorations(Section):
    """All restorations; only the last one counts."""

    def begin(self, reason: str) -> None:
        """Record that the state came back: every approval is void from now on."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(insert(_RESTORATIONS).values(noticed_at=now, why=reason))
            unspent = update(APPROVALS).where(APPROVALS.c.spent_at.is_(None))
            connection.execute(unspent.values(spent_at=now))

    def latest(self) -> Restoration | None:
        """The last one, if there was one."""
        row = self._database.first(select(_RESTORATIONS).order_by(_RESTORATIONS.c.id.desc()))
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
        row = self._database.first(void.order_by(APPROVALS.c.id.desc()))
        return None if row is None else approval_of(row)
