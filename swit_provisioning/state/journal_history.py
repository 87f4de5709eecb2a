"""A view of the journal for people: changes of one user or one team, since a time."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import ColumnElement, and_, func, or_, select

from swit_provisioning.planning.actions import MEMBERSHIPS, STEPS, users_of
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, PlanHash, only_users
from swit_provisioning.planning.normalize import address_key, name_key, reference_key
from swit_provisioning.state.database import Section
from swit_provisioning.state.journal import JOURNAL, JournalEntry, entries_where
from swit_provisioning.state.plan_approvals import APPROVALS, Approval, approval_of

_WITH_MEMBERS: Final = (*sorted(MEMBERSHIPS), "team.delete")
# Databases fold the case of ASCII only, and JSON escapes some characters; ss may be a sharp s.
_NOT_PLAIN: Final = re.compile(r"(?:[^a-z0-9]|ss)+")


@dataclass(frozen=True, kw_only=True)
class _Subject(ABC):
    """One user or team, with every id that it has had."""

    asked: str
    ids: frozenset[tuple[str, str]]
    """Application and id. Swit ids have no application; `new:` ids are unique within one only."""

    @classmethod
    def named(cls, asked: str) -> Self:
        """The user with this address or id, or the team with this name, id or reference."""
        return cls(asked=asked, ids=frozenset({("", asked)}))

    @property
    @abstractmethod
    def condition(self) -> ColumnElement[bool]:
        """The condition for the database; it may match more entries."""

    @abstractmethod
    def part(self, entry: JournalEntry) -> JournalEntry | None:
        """The part of an entry that is about this subject."""

    @abstractmethod
    def _ids_in(self, entry: JournalEntry) -> Iterator[str | None]:
        """The ids of this subject in an entry."""

    def with_ids_of(self, entries: Iterable[JournalEntry]) -> Self:
        """The same subject with all its ids in these entries."""
        found = {_scoped(entry, name) for entry in entries for name in self._ids_in(entry) if name}
        return replace(self, ids=self.ids | found)

    def _has(self, entry: JournalEntry, name: str | None) -> bool:
        return name is not None and _scoped(entry, name) in self.ids

    @property
    def _names(self) -> set[str]:
        return {name for _, name in self.ids}


def _scoped(entry: JournalEntry, name: str) -> tuple[str, str]:
    return (entry.application_id if name.startswith((NEW_USER, NEW_TEAM)) else "", name)


class _UserSubject(_Subject):
    @property
    def condition(self) -> ColumnElement[bool]:
        address = address_key(self.asked)
        names = {address, *self._names}
        within = [_holds(JOURNAL.c[name], text) for text in names for name in ("before", "after")]
        return or_(
            JOURNAL.c.object_id.in_(names),
            JOURNAL.c.made_id.in_(self._names),
            _holds(JOURNAL.c.target, address),
            and_(JOURNAL.c.action.in_(_WITH_MEMBERS), or_(*within)),
        )

    def part(self, entry: JournalEntry) -> JournalEntry | None:
        mine = frozenset(self._users(entry))
        if not mine:
            return None
        return _of_some(entry, mine) if entry.action in MEMBERSHIPS else entry

    def _ids_in(self, entry: JournalEntry) -> Iterator[str | None]:
        for user in self._users(entry):
            yield user
            if entry.action == "user.create":
                yield entry.made_id

    def _users(self, entry: JournalEntry) -> Iterator[str]:
        """The ids (as in the plan) under which an entry is about this user."""
        known = address_key(self.asked)
        is_creation = entry.action == "user.create" and self._has(entry, entry.made_id)
        for user, address in users_of(
            entry.action, entry.object_id, entry.target, entry.before, entry.after
        ):
            same_address = bool(known) and address_key(address) == known
            if is_creation or same_address or self._has(entry, user):
                yield user


class _TeamSubject(_Subject):
    @property
    def condition(self) -> ColumnElement[bool]:
        columns = (JOURNAL.c.target, JOURNAL.c.before, JOURNAL.c.after)
        return and_(
            or_(JOURNAL.c.action.like("team.%"), JOURNAL.c.action.in_(MEMBERSHIPS)),
            or_(
                JOURNAL.c.object_id.in_(self._names),
                JOURNAL.c.made_id.in_(self._names),
                *(_holds(column, self.asked) for column in columns),
            ),
        )

    def part(self, entry: JournalEntry) -> JournalEntry | None:
        if self._has(entry, entry.object_id) or self._has(entry, entry.made_id):
            return entry
        values = (entry.before, entry.after) if entry.action.startswith("team.") else ()
        names = {entry.target, *(str(side.get("name") or "") for side in values)} - {""}
        keys = {reference_key(side.get("reference")) for side in values} - {""}
        is_mine = name_key(self.asked) in map(name_key, names) or reference_key(self.asked) in keys
        return entry if is_mine else None

    def _ids_in(self, entry: JournalEntry) -> Iterator[str | None]:
        if self.part(entry) is not None:
            yield from (entry.object_id, entry.made_id)


def _of_some(entry: JournalEntry, users: frozenset[str]) -> JournalEntry:
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


class History(Section):
    """Reads the journal; an object is also found by its earlier names and ids."""

    def find(
        self, *, user: str | None = None, team: str | None = None, since: datetime | None = None
    ) -> list[HistoryEntry]:
        """Entries, oldest first; with a user and a team, entries about both.

        `user` is an address or a Swit id, `team` a name, an id or a reference. Of a batch of
        memberships, the entry for a user holds that user alone, with the outcome for that user.
        """
        subjects = [
            self._known(kind.named(asked.strip()))
            for kind, asked in ((_UserSubject, user), (_TeamSubject, team))
            if asked is not None
        ]
        conditions = [subject.condition for subject in subjects]
        if since is not None:
            conditions.append(JOURNAL.c.at >= since)
        found = entries_where(self._database, *conditions)
        for subject in subjects:
            found = [part for entry in found if (part := subject.part(entry)) is not None]
        return self._with_approvals(found)

    def of_application(self, application_id: str, *, plan_hash: PlanHash) -> list[HistoryEntry]:
        """Entries of one application of one plan, oldest first."""
        c = JOURNAL.c
        mine = (c.application_id == application_id, c.plan_hash == plan_hash)
        return self._with_approvals(entries_where(self._database, *mine))

    def effort(self, run_id: str, steps: Iterable[str]) -> Effort:
        """The calls and the time of one run for these steps."""
        c = JOURNAL.c
        mine = select(c.at, c.seconds, c.calls).where(
            c.run_id == run_id, c.step.in_(list(steps)), c.calls > 0
        )
        rows = self._database.rows(mine)
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
        run_id = self._database.scalar(sent)
        effort = self.effort(run_id, STEPS) if run_id is not None else None
        if effort is None or effort.calls < _ENOUGH_CALLS or effort.seconds <= 0:
            return None
        return effort.calls / effort.seconds

    def _known(self, subject: _Subject) -> _Subject:
        """The subject with every id that it ever had: one may lead to the next."""
        while True:
            more = subject.with_ids_of(entries_where(self._database, subject.condition))
            if more == subject:
                return subject
            subject = more

    def _with_approvals(self, entries: list[JournalEntry]) -> list[HistoryEntry]:
        wanted = {entry.approval_id for entry in entries if entry.approval_id is not None}
        rows = self._database.rows(select(APPROVALS).where(APPROVALS.c.id.in_(wanted)))
        known = {row.id: approval_of(row) for row in rows}
        return [
            HistoryEntry(entry=entry, approval=known.get(entry.approval_id or 0))
            for entry in entries
        ]
