"""The journal as people ask it: what was done to one user, to one team, since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, select

from swit_provisioning.reconcile.plan import STEPS, PlanHash
from swit_provisioning.store.approvals import APPROVALS, Approval, approval_of
from swit_provisioning.store.database import Database
from swit_provisioning.store.journal import JOURNAL, JournalEntry, entry_of
from swit_provisioning.store.subjects import TeamSubject, UserSubject

_ENOUGH_CALLS: Final = 20
"""Fewer say nothing of the pace of many."""

_Subject = TypeVar("_Subject", UserSubject, TeamSubject)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One entry of the journal, and who let its plan past a limit, if somebody did."""

    entry: JournalEntry
    approval: Approval | None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What sending took."""

    calls: int
    seconds: float
    """From the first call to the last answer."""


class History:
    """Reads the journal; an object's earlier names and ids are its own."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def deeds(
        self, *, user: str | None = None, team: str | None = None, since: datetime | None = None
    ) -> list[Deed]:
        """Entries, oldest first; of both, where a user and a team are named.

        `user` is an address or an id of Swit's, `team` a name, an id or a reference. Of a batch of
        memberships a user's entry holds that user alone, and what came of it.
        """
        subjects: list[UserSubject | TeamSubject] = []
        if user is not None:
            subjects.append(self._known(UserSubject.named(user.strip())))
        if team is not None:
            subjects.append(self._known(TeamSubject.named(team.strip())))
        conditions = [subject.condition for subject in subjects]
        if since is not None:
            conditions.append(JOURNAL.c.at >= since)
        found = self._entries(conditions)
        for subject in subjects:
            found = [part for entry in found if (part := subject.part(entry)) is not None]
        return self._with_approvals(found)

    def of_application(self, application_id: str, *, plan_hash: PlanHash) -> list[Deed]:
        """Entries of one carrying out of one plan, oldest first."""
        c = JOURNAL.c
        mine = [c.application_id == application_id, c.plan_hash == plan_hash]
        return self._with_approvals(self._entries(mine))

    def effort(self, run_id: str, steps: Iterable[str]) -> Effort:
        """What one run spent on these steps."""
        c = JOURNAL.c
        mine = select(c.at, c.seconds, c.calls).where(
            c.run_id == run_id, c.step.in_(list(steps)), c.calls > 0
        )
        with self._database.read() as connection:
            rows = connection.execute(mine).all()
        if not rows:
            return Effort(calls=0, seconds=0.0)
        first = min(row.at for row in rows)
        last = max(row.at + timedelta(seconds=row.seconds or 0.0) for row in rows)
        calls = sum(row.calls for row in rows)
        return Effort(calls=calls, seconds=(last - first).total_seconds())

    def pace(self) -> float | None:
        """Calls a second of the run that sent something last, if it was enough to tell."""
        c = JOURNAL.c
        sent = select(c.run_id).where(c.calls > 0).order_by(c.id.desc()).limit(1)
        with self._database.read() as connection:
            run_id = connection.execute(sent).scalar()
        effort = self.effort(run_id, STEPS) if run_id is not None else None
        if effort is None or effort.calls < _ENOUGH_CALLS or effort.seconds <= 0:
            return None
        return effort.calls / effort.seconds

    def _known(self, subject: _Subject) -> _Subject:
        """The same by every id that it ever had: one may lead to the next."""
        while True:
            more = subject.with_ids_of(self._entries([subject.condition]))
            if more == subject:
                return subject
            subject = more

    def _entries(self, conditions: Iterable[ColumnElement[bool]]) -> list[JournalEntry]:
        query = select(JOURNAL).where(*conditions).order_by(JOURNAL.c.id)
        with self._database.read() as connection:
            return [entry_of(row) for row in connection.execute(query).mappings()]

    def _with_approvals(self, entries: list[JournalEntry]) -> list[Deed]:
        wanted = {entry.approval_id for entry in entries if entry.approval_id is not None}
        with self._database.read() as connection:
            rows = connection.execute(select(APPROVALS).where(APPROVALS.c.id.in_(wanted)))
            known = {row.id: approval_of(row) for row in rows}
        return [Deed(entry=entry, approval=known.get(entry.approval_id or 0)) for entry in entries]
