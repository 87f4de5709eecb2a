"""Whom an entry of the journal is about: a user or a team, by every name and id it went by."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, and_, false, func, or_

from swit_provisioning.reconcile.references import reference_key
from swit_provisioning.reconcile.text import address_key, name_key
from swit_provisioning.store.journal import JOURNAL, JournalEntry

_BATCHES: Final = ("membership.add", "membership.remove")
_WITH_MEMBERS: Final = (*_BATCHES, "team.delete")
# Databases fold the case of ASCII only, and JSON writes some signs otherwise; ss may be a sharp s.
_NOT_PLAIN: Final = re.compile(r"(?:[^a-z0-9]|ss)+")

PlanId = tuple[str, str]
"""Application and id: ids that begin with `new:` mean something within one application only."""


@dataclass(frozen=True, kw_only=True)
class UserSubject:
    """One account."""

    address: str
    """As it is compared."""
    ids: frozenset[str]
    """Swit's ids, and what was asked for."""
    new_ids: frozenset[PlanId] = frozenset()

    @classmethod
    def named(cls, asked: str) -> Self:
        """By an address or an id."""
        return cls(address=address_key(asked), ids=frozenset({asked}))

    def with_ids_of(self, entries: Iterable[JournalEntry]) -> Self:
        """The same by all ids that entries about it hold."""
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
        """What the database looks for; it may find more than is meant."""
        names = {self.address, *self.ids, *(user for _, user in self.new_ids)}
        within = [_holds(JOURNAL.c[name], text) for text in names for name in ("before", "after")]
        return or_(
            JOURNAL.c.object_id.in_(names),
            JOURNAL.c.made_id.in_(self.ids),
            _holds(JOURNAL.c.target, self.address),
            and_(JOURNAL.c.action.in_(_WITH_MEMBERS), or_(false(), *within)),
        )

    def part(self, entry: JournalEntry) -> JournalEntry | None:
        """What of an entry is about this user."""
        mine = [user for user, address in _users(entry) if self._is(entry, user, address)]
        if not mine:
            return None
        return _of_one(entry, frozenset(mine)) if entry.action in _BATCHES else entry

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
        """By a name, an id or a reference."""
        return cls(asked=asked, ids=frozenset({asked}))

    def with_ids_of(self, entries: Iterable[JournalEntry]) -> Self:
        """The same by all ids that entries about it hold."""
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
        """What the database looks for; it may find more than is meant."""
        columns = (JOURNAL.c.target, JOURNAL.c.before, JOURNAL.c.after)
        return and_(
            or_(JOURNAL.c.action.like("team.%"), JOURNAL.c.action.in_(_BATCHES)),
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
    if entry.action in _BATCHES:
        values = entry.after if entry.action == "membership.add" else entry.before
        yield from zip(values["user_ids"], values["emails"], strict=True)
    elif entry.action == "team.delete":
        yield from ((user, "") for user in entry.before.get("members", ()))
    elif not entry.action.startswith("team."):
        yield entry.object_id, entry.target


def _of_one(entry: JournalEntry, users: frozenset[str]) -> JournalEntry:
    """A batch as one of its users sees it; what befell the others is left out."""
    before, after = (_only(side, users) for side in (entry.before, entry.after))
    mine = replace(entry, before=before, after=after)
    left_out = tuple(user for user in entry.left_out if user in users)
    if left_out:
        refused = "rejected" if entry.outcome == "rejected" else "skipped"
        return replace(mine, left_out=left_out, outcome=refused)
    if not entry.left_out:
        return mine
    outcome = "applied" if entry.outcome == "rejected" else entry.outcome
    return replace(mine, left_out=(), outcome=outcome, message=None, http_status=None)


def _only(values: Mapping[str, Any], users: frozenset[str]) -> Mapping[str, Any]:
    if "user_ids" not in values:
        return values
    kept = [
        (user, email)
        for user, email in zip(values["user_ids"], values["emails"], strict=True)
        if user in users
    ]
    return {"user_ids": [user for user, _ in kept], "emails": [email for _, email in kept]}


def _holds(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a column may hold a text, whatever its case and however JSON writes it."""
    return func.lower(column).like(f"%{_NOT_PLAIN.sub('%', name_key(text))}%")
