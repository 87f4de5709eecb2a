"""A view of the journal for people: changes of one user or one team, since a time."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self, TypeVar

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from swit_provisioning.planning.actions import MEMBERSHIPS, STEPS, users_of
from swit_provisioning.planning.model import PlanHash, only_users
from swit_provisioning.planning.normalize import address_key, name_key
from swit_provisioning.planning.references import reference_key
from swit_provisioning.state.database import Database
from swit_provisioning.state.decisions import APPROVALS, Approval, approval_of
from swit_provisioning.state.journal import JOURNAL, JournalEntry, entry_of

_WITH_MEMBERS: Final = (*sorted(MEMBERSHIPS), "team.delete")
# Databases fold the case of ASCII only, and JSON escapes some characters; ss may be a sharp s.
_NOT_PLAIN: Final = re.compile(r"(?:[^a-z0-9]|ss)+")

PlanId = tuple[str, str]
"""Application and id: ids that begin with `new:` are unique within one application only."""


@dataclass(frozen=True, kw_only=True)
class UserSubject:
    """One user."""

    address: str
    """The address in the form in which it is compared."""
    ids: frozenset[str]
    """The Swit ids, and the text that was asked for."""
    new_ids: frozenset[PlanId] = frozenset()

    @classmethod
    def named(cls, asked: str) -> Self:
        """The user with this address or id."""
        return cls(address=address_key(asked), ids=frozenset({asked}))

    def with_ids_of(self, entries: Iterable[JournalEntry]) -> Self:
        """The same subject with all ids in the entries about it."""
        ids, new_ids = set(self.ids), set(self.new_ids)
        for entry in entries:
            for user, address in _users(entry):
                if not self._is(entry, user, address):
                    continue
                if user.startswith("new:"):
                    new_ids.add((entry.application_id, user))
                else:
                    ids.add(user)
                if entry.action == "user.create" and entry.made_id:
                    ids.add(entry.made_id)
        return replace(self, ids=frozenset(ids), new_ids=frozenset(new_ids))

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition for the database; it may match more entries."""
        names = {self.address, *self.ids, *(user for _, user in self.new_ids)}
        within = [_holds(JOURNAL.c[name], text) for text in names for name in ("before", "after")]
        return or_(
            JOURNAL.c.object_id.in_(names),
            JOURNAL.c.made_id.in_(self.ids),
            _holds(JOURNAL.c.target, self.address),
            and_(JOURNAL.c.action.in_(_WITH_MEMBERS), or_(false(), *within)),
        )

    def part(self, entry: JournalEntry) -> JournalEntry | None:
        """The part of an entry that is about this user."""
        mine = [user for user, address in _users(entry) if self._is(entry, user, address)]
        if not mine:
            return None
        return _of_one(entry, frozenset(mine)) if entry.action in MEMBERSHIPS else entry

    def _is(self, entry: JournalEntry, user: str, address: str) -> bool:
        return (
            user in self.ids
            or (entry.application_id, user) in self.new_ids
            or (bool(self.address) and address_key(address) == self.address)
            or (entry.action == "user.create" and entry.made_id in self.ids)
        )


@dataclass(frozen=True, kw_only=True)
class TeamSubject:
    """One team."""

    asked: str
    ids: frozenset[str]
    new_ids: frozenset[PlanId] = frozenset()

    @classmethod
    def named(cls, asked: str) -> Self:
        """The team with this name, id or reference."""
        return cls(asked=asked, ids=frozenset({asked}))

    def with_ids_of(self, entries: Iterable[JournalEntry]) -> Self:
        """The same subject with all ids in the entries about it."""
        ids, new_ids = set(self.ids), set(self.new_ids)
        for entry in filter(self._is, entries):
            if entry.object_id.startswith("new:"):
                new_ids.add((entry.application_id, entry.object_id))
            else:
                ids.add(entry.object_id)
            if entry.made_id:
                ids.add(entry.made_id)
        return replace(self, ids=frozenset(ids), new_ids=frozenset(new_ids))

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition for the database; it may match more entries."""
        columns = (JOURNAL.c.target, JOURNAL.c.before, JOURNAL.c.after)
        return and_(
            or_(JOURNAL.c.action.like("team.%"), JOURNAL.c.action.in_(MEMBERSHIPS)),
            or_(
                JOURNAL.c.object_id.in_({*self.ids, *(team for _, team in self.new_ids)}),
                JOURNAL.c.made_id.in_(self.ids),
                *(_holds(column, self.asked) for column in columns),
            ),
        )

    def part(self, entry: JournalEntry) -> JournalEntry | None:
        """The entry, if it is about this team."""
        return entry if self._is(entry) else None

    def _is(self, entry: JournalEntry) -> bool:
        if entry.object_id in self.ids or entry.made_id in self.ids:
            return True
        if (entry.application_id, entry.object_id) in self.new_ids:
            return True
        values = (entry.before, entry.after) if entry.action.startswith("team.") else ()
        names = {entry.target, *(str(side.get("name") or "") for side in values)}
        keys = {reference_key(side.get("reference")) for side in values} - {""}
        return (
            name_key(self.asked) in {name_key(name) for name in names if name}
            or reference_key(self.asked) in keys
        )


def _users(entry: JournalEntry) -> Iterator[tuple[str, str]]:
    """Ids (as in the plan) and addresses of the users that an entry is about."""
    return users_of(entry.action, entry.object_id, entry.target, entry.before, entry.after)


def _of_one(entry: JournalEntry, users: frozenset[str]) -> JournalEntry:
    """The part of a batch that is about some of its users."""
    before, after = (only_users(side, users) for side in (entry.before, entry.after))
    mine = replace(entry, before=before, after=after)
    left_out = tuple(user for user in entry.left_out if user in users)
    if left_out:
        refused = "rejected" if entry.outcome == "rejected" else "skipped"
        return replace(mine, left_out=left_out, outcome=refused)
    if not entry.left_out:
        return mine
    outcome = "applied" if entry.outcome == "rejected" else entry.outcome
    return replace(mine, left_out=(), outcome=outcome, message=None, http_status=None)


def _holds(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a column may contain a text, regardless of case and of JSON escapes."""
    return func.lower(column).like(f"%{_NOT_PLAIN.sub('%', name_key(text))}%")


_ENOUGH_CALLS: Final = 20
"""The fewest calls from which a pace is measured."""

_Subject = TypeVar("_Subject", UserSubject, TeamSubject)


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One entry of the journal, and the approval that lifted a limit of its plan, if any."""

    entry: JournalEntry
    approval: Approval | None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The calls and the time that sending took."""

    calls: int
    seconds: float
    """From the first call to the last answer."""


class History:
    """Reads the journal; an object is also found by its earlier names and ids."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def find(
        self, *, user: str | None = None, team: str | None = None, since: datetime | None = None
    ) -> list[HistoryEntry]:
        """Entries, oldest first; with a user and a team, entries about both.

        `user` is an address or a Swit id, `team` a name, an id or a reference. Of a batch of
        memberships, the entry for a user holds that user alone, with the outcome for that user.
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

    def of_application(self, application_id: str, *, plan_hash: PlanHash) -> list[HistoryEntry]:
        """Entries of one application of one plan, oldest first."""
        c = JOURNAL.c
        mine = [c.application_id == application_id, c.plan_hash == plan_hash]
        return self._with_approvals(self._entries(mine))

    def effort(self, run_id: str, steps: Iterable[str]) -> Effort:
        """The calls and the time of one run for these steps."""
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
        """Calls a second of the last run that sent something, if it sent enough calls."""
        c = JOURNAL.c
        sent = select(c.run_id).where(c.calls > 0).order_by(c.id.desc()).limit(1)
        with self._database.read() as connection:
            run_id = connection.execute(sent).scalar()
        effort = self.effort(run_id, STEPS) if run_id is not None else None
        if effort is None or effort.calls < _ENOUGH_CALLS or effort.seconds <= 0:
            return None
        return effort.calls / effort.seconds

    def _known(self, subject: _Subject) -> _Subject:
        """The subject with every id that it ever had: one may lead to the next."""
        while True:
            more = subject.with_ids_of(self._entries([subject.condition]))
            if more == subject:
                return subject
            subject = more

    def _entries(self, conditions: Iterable[ColumnElement[bool]]) -> list[JournalEntry]:
        query = select(JOURNAL).where(*conditions).order_by(JOURNAL.c.id)
        with self._database.read() as connection:
            return [entry_of(row) for row in connection.execute(query).mappings()]

    def _with_approvals(self, entries: list[JournalEntry]) -> list[HistoryEntry]:
        wanted = {entry.approval_id for entry in entries if entry.approval_id is not None}
        with self._database.read() as connection:
            rows = connection.execute(select(APPROVALS).where(APPROVALS.c.id.in_(wanted)))
            known = {row.id: approval_of(row) for row in rows}
        return [
            HistoryEntry(entry=entry, approval=known.get(entry.approval_id or 0))
            for entry in entries
        ]
