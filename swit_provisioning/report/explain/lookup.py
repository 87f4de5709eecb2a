"""Who is meant by an address, a name, a DN or an id: people and teams of either side."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import pandas as pd

from swit_provisioning.planning.dn import reference_key
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.normalize import address_key, clean_team_name, name_key
from swit_provisioning.planning.planner import Decisions, Read
from swit_provisioning.planning.snapshots import NONE, column

_MOST_SIMILAR: Final = 5
_SHORTEST_PART: Final = 3
"""Characters that must be given before what holds them counts as similar."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """The row of an entry in `idp_users`, and the places of accounts that it is or stands for."""

    row: int | None
    accounts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Team:
    """The key of a group, and the id of its team; one of them at least."""

    group: str | None
    team: str | None


Subject = Person | Team


@dataclass(frozen=True, kw_only=True)
class _Called:
    """What one thing is known by."""

    ids: frozenset[str]
    names: frozenset[str]
    shown: tuple[str, ...]
    """As people write it: for a suggestion."""


_Fits = Callable[[_Called], bool]


class Subjects:
    """All people and teams of two reads, to be found by what they are called."""

    def __init__(self, read: Read, decided: Decisions, memory: Memory) -> None:
        """Take what was read and decided."""
        self._accounts, self._people, self._owners = read.accounts, decided.people, decided.owners
        self._group_keys: list[str] = column(read.directory.groups, "key")
        self._remembered = memory.users
        self._directory_ids: list[str] = column(read.directory.users, "directory_id")
        self._rows = [_entry(*values) for values in _columns(read.directory.users, _OF_ENTRIES)]
        self._logins = [
            _called(ids=(address_key(email), reference_key(user_id)), names=(name,), more=(email,))
            for user_id, email, name in zip(
                read.accounts.user_id, read.accounts.email, read.accounts.name, strict=True
            )
        ]
        self._groups = [_group(*values) for values in _columns(read.directory.groups, _OF_GROUPS)]
        self._teams = {
            team.team_id: _called(
                ids=(reference_key(team.team_id), reference_key(team.reference)), names=(team.name,)
            )
            for team in decided.owners.teams.values()
        }
        place_of_row = read.entries.place_of_row[:-1].tolist()
        self._place_of_row = place_of_row
        self._row_of_place = {place: row for row, place in enumerate(place_of_row) if place != NONE}
        self._place_of_account = {a: p for p, a in enumerate(self._people.account) if a != NONE}

    def named(self, who: str) -> list[Subject]:
        """Whoever has this address, DN or id; if nobody has, whoever is called so."""
        ids = frozenset({address_key(who), reference_key(who)}) - {""}
        found = dict.fromkeys(self._found(lambda called: bool(called.ids & ids)))
        key = name_key(who)
        return list(found or dict.fromkeys(self._found(lambda called: key in called.names)))

    def similar(self, who: str) -> list[str]:
        """Addresses and names that look like it."""
        everything = (*self._rows, *self._logins, *self._groups, *self._teams.values())
        written = {text.casefold(): text for called in everything for text in called.shown}
        asked = who.strip().casefold()
        holding = [key for key in written if len(asked) >= _SHORTEST_PART and asked in key]
        close = get_close_matches(asked, written, n=_MOST_SIMILAR, cutoff=0.8)
        found = dict.fromkeys([*close, *sorted(holding)])
        return [written[key] for key in found][:_MOST_SIMILAR]

    def _found(self, fits: _Fits) -> Iterator[Subject]:
        for row, called in enumerate(self._rows):
            if fits(called):
                yield Person(row=row, accounts=self._accounts_of(row))
        for account, called in enumerate(self._logins):
            if fits(called):
                yield from self._owners_of(account)
        for key, called in zip(self._group_keys, self._groups, strict=True):
            if fits(called):
                yield Team(group=key, team=self._owners.team_of.get(key))
        for team_id, called in self._teams.items():
            if fits(called):
                yield Team(group=self._owners.group_of.get(team_id), team=team_id)

    def _accounts_of(self, row: int) -> tuple[int, ...]:
        """The entry's account; else those that nobody else is, and that it stands for."""
        place = self._place_of_row[row]
        if place != NONE and self._people.account[place] != NONE:
            return (self._people.account[place],)
        last = self._remembered.get(self._directory_ids[row])
        return tuple(
            account
            for account, called in enumerate(self._logins)
            if account not in self._place_of_account
            and (called.ids & self._rows[row].ids or self._accounts.user_id[account] == last)
        )

    def _owners_of(self, account: int) -> Iterator[Person]:
        """The entry that the account is matched with, else those that stand for it, else none."""
        if account in self._place_of_account:
            row = self._row_of_place[self._place_of_account[account]]
            yield Person(row=row, accounts=(account,))
            return
        user, ids = self._accounts.user_id[account], self._logins[account].ids
        rows = [
            row
            for row, called in enumerate(self._rows)
            if called.ids & ids or self._remembered.get(self._directory_ids[row]) == user
        ]
        for row in rows:
            yield Person(row=row, accounts=self._accounts_of(row))
        if not rows:
            yield Person(row=None, accounts=(account,))


_OF_ENTRIES: Final = ("key", "dn", "directory_id", "emails", "other_emails", "names")
_OF_GROUPS: Final = ("key", "dn", "directory_id", "names")


def _columns(frame: pd.DataFrame, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(column(frame, name) for name in names), strict=True)


def _entry(
    key: str,
    dn: str,
    directory_id: str,
    emails: list[str] | None,
    other_emails: list[str] | None,
    names: list[str] | None,
) -> _Called:
    addresses = [*(emails or ()), *(other_emails or ())]
    ids = (key, reference_key(directory_id), *map(address_key, addresses))
    return _called(ids=ids, names=names or (), more=(dn, *addresses))


def _group(key: str, dn: str, directory_id: str, names: list[str] | None) -> _Called:
    found = names or ()
    cleaned = tuple(map(clean_team_name, found))
    return _called(ids=(key, reference_key(directory_id)), names=(*found, *cleaned), more=(dn,))


def _called(*, ids: Iterable[str], names: Iterable[str], more: Iterable[str] = ()) -> _Called:
    names = tuple(names)
    return _Called(
        ids=frozenset(ids) - {""},
        names=frozenset(map(name_key, names)) - {""},
        shown=(*names, *more),
    )
