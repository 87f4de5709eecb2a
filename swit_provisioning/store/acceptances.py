"""Which plan a run may send, and under which application its journal is kept.

An application is one carrying out of one plan: it may take several runs, if the first ones break.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ForeignKey, Integer, RowMapping, String, Table, Text, select, update

from swit_provisioning.reconcile.plan import PlanHash, shown_id
from swit_provisioning.store.approvals import APPROVALS
from swit_provisioning.store.database import Database
from swit_provisioning.store.plans import newest_making
from swit_provisioning.store.tables import METADATA, UtcDateTime, put

ACCEPTANCES: Final = Table(
    "acceptance",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("plan_hash", String(64), nullable=False, index=True),
    Column("application_id", String(64), nullable=False, index=True),
    Column("approval_id", ForeignKey(APPROVALS.c.id)),
    Column("making", Integer),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("who", Text),
)


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """This (root) run may send this plan."""

    run_id: str
    plan_hash: PlanHash
    application_id: str
    """The run that accepted the plan first: the journal of all that go on with it is one."""
    approval_id: int | None
    """The approval that lifted a limit for it, if one did."""
    accepted_at: datetime
    finished_at: datetime | None
    who: str | None = None
    """User and host that started the run; `None`: not recorded."""

    @property
    def plan_id(self) -> str:
        """The plan's name for people."""
        return shown_id(self.plan_hash)


class Acceptances:
    """Every plan that passed the gate."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def accept(
        self,
        run_id: str,
        *,
        plan_hash: PlanHash,
        application_id: str,
        approval_id: int | None = None,
        who: str | None = None,
    ) -> None:
        """Let `run_id` send this plan; what it accepted before, it may not send any longer."""
        with self._database.write() as connection:
            values = {
                "plan_hash": plan_hash,
                "application_id": application_id,
                "approval_id": approval_id,
                "making": newest_making(connection, plan_hash),
                "accepted_at": self._database.now(connection),
                "finished_at": None,
                "who": who,
            }
            put(connection, ACCEPTANCES, key={"run_id": run_id}, values=values)

    def of(self, run_id: str) -> Acceptance | None:
        """The plan that this run may send."""
        with self._database.read() as connection:
            accepted = select(ACCEPTANCES).where(ACCEPTANCES.c.run_id == run_id)
            row = connection.execute(accepted).mappings().one_or_none()
        return None if row is None else _acceptance(row)

    def newest(self) -> Acceptance | None:
        """The last of all: whatever was accepted before it is out of date."""
        newest = select(ACCEPTANCES).order_by(ACCEPTANCES.c.accepted_at.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).mappings().one_or_none()
        return None if row is None else _acceptance(row)

    def unfinished(self, plan_hash: PlanHash) -> Acceptance | None:
        """The last application of this plan as it was made last, if it is not through."""
        newest = self.newest_of(plan_hash)
        return newest if newest is not None and newest.finished_at is None else None

    def newest_of(self, plan_hash: PlanHash) -> Acceptance | None:
        """The last application of this plan as it was made last.

        One that began before the plan was last made doesn't count: when a plan is made again,
        all of its changes are to be done again.
        """
        newest = (
            select(ACCEPTANCES)
            .where(ACCEPTANCES.c.plan_hash == plan_hash)
            .order_by(ACCEPTANCES.c.accepted_at.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(newest).mappings().one_or_none()
            if row is None or row["making"] != newest_making(connection, plan_hash):
                return None
        return _acceptance(row)

    def finish(self, application_id: str) -> None:
        """The plan is through."""
        with self._database.write() as connection:
            connection.execute(
                update(ACCEPTANCES)
                .where(ACCEPTANCES.c.application_id == application_id)
                .values(finished_at=self._database.now(connection))
            )


def _acceptance(row: RowMapping) -> Acceptance:
    return Acceptance(
        run_id=row["run_id"],
        plan_hash=row["plan_hash"],
        application_id=row["application_id"],
        approval_id=row["approval_id"],
        accepted_at=row["accepted_at"],
        finished_at=row["finished_at"],
        who=row["who"],
    )
