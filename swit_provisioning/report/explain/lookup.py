"""Find the people and teams of both sides by an address, a name, a DN or an id."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import pandas as pd

from swit_provisioning.planning.normalize import (
    address_key,
    clean_team_name,
    name_key,
    reference_key,
)
from swit_provisioning.planning.planner import ExplainedPlan, Stages
from swit_provisioning.planning.snapshots import column

_MOST_SIMILAR: Final = 5
_SHORTEST_PART: Final = 3
"""Characters of a part of a name that make the name similar."""


@dataclass(frozen=True, kw_only=True)
class PersonSubject:
    """The row of a person in `idp_users`, and the ids of the users the person has or claims."""

    row: int | None
    users: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TeamSubject:
    """The key of a group, and the id of its team; at least one of them."""

    group: str | None
    team: str | None


Subject = PersonSubject | TeamSubject


@dataclass(frozen=True, kw_only=True)
class _Called:
    """What a person or team can be found by."""

    ids: frozenset[str]
    names: frozenset[str]
    shown: tuple[str, ...]
    """As written, for suggestions."""


_Fits = Callable[[_Called], bool]


class Subjects:
    """All people and teams of two reads, found by address, name, DN or id."""

    def __init__(self, planned: ExplainedPlan, stages: Stages) -> None:
        """Index both reads."""
        self._matches, self._teams = stages.users, stages.teams
        self._remembered = planned.memory.users
        directory = planned.directory
        self._scope = directory.scope
        self._keys: list[str] = column(directory.users, "key")
        self._directory_ids: list[str] = column(directory.users, "directory_id")
        self._row_of = {key: row for row, key in enumerate(self._keys)}
        self._user_of = {person.key: user for user, person in stages.users.person_of.items()}
        self._people = [_person(*values) for values in _columns(directory.users, _OF_PEOPLE)]
        self._users = {
            user.user_id: _called(
                ids=(user.address, reference_key(user.user_id)),
                names=(user.name,),
                more=(user.email,),
            )
            for user in stages.users.users
        }
        self._groups = {
            str(values[0]): _group(*values) for values in _columns(directory.groups, _OF_GROUPS)
        }
        self._named_teams = {
            team.team_id: _called(
                ids=(reference_key(team.team_id), team.reference_key), names=(team.name,)
            )
            for team in stages.teams.teams.values()
        }

    def named(self, who: str) -> list[Subject]:
        """Everyone with this address, DN or id; if there is none, everyone of this name."""
        ids = frozenset({address_key(who), reference_key(who), self._scope.key(who)}) - {""}
        found = dict.fromkeys(self._found(lambda called: bool(called.ids & ids)))
        key = name_key(who)
        return list(found or dict.fromkeys(self._found(lambda called: key in called.names)))

    def similar(self, who: str) -> list[str]:
        """Addresses and names that resemble it."""
        everything = (
            *self._people,
            *self._users.values(),
            *self._groups.values(),
            *self._named_teams.values(),
        )
        written = {text.casefold(): text for called in everything for text in called.shown}
        asked = who.strip().casefold()
        holding = [key for key in written if len(asked) >= _SHORTEST_PART and asked in key]
        close = get_close_matches(asked, written, n=_MOST_SIMILAR, cutoff=0.8)
        found = dict.fromkeys([*close, *sorted(holding)])
        return [written[key] for key in found][:_MOST_SIMILAR]

    def _found(self, fits: _Fits) -> Iterator[Subject]:
        for row, called in enumerate(self._people):
            if fits(called):
                yield PersonSubject(row=row, users=self._users_of(row))
        for user, called in self._users.items():
            if fits(called):
                yield from self._people_of(user)
        for key, called in self._groups.items():
            if fits(called):
                yield TeamSubject(group=key, team=self._teams.team_of.get(key))
        for team_id, called in self._named_teams.items():
            if fits(called):
                yield TeamSubject(group=self._teams.group_of.get(team_id), team=team_id)

    def _users_of(self, row: int) -> tuple[str, ...]:
        """The matched user; else the unmatched users that the person claims."""
        if self._keys[row] in self._user_of:
            return (self._user_of[self._keys[row]],)
        last = self._remembered.get(self._directory_ids[row])
        return tuple(
            user
            for user, called in self._users.items()
            if user not in self._matches.person_of
            and (called.ids & self._people[row].ids or user == last)
        )

    def _people_of(self, user: str) -> Iterator[PersonSubject]:
        """The matched person, else the people who claim the user, else the user alone."""
        if user in self._matches.person_of:
            yield PersonSubject(row=self._row_of[self._matches.person_of[user].key], users=(user,))
            return
        rows = [
            row
            for row, called in enumerate(self._people)
            if called.ids & self._users[user].ids
            or self._remembered.get(self._directory_ids[row]) == user
        ]
        for row in rows:
            yield PersonSubject(row=row, users=self._users_of(row))
        if not rows:
            yield PersonSubject(row=None, users=(user,))


_OF_PEOPLE: Final = ("key", "dn", "directory_id", "emails", "other_emails", "names")
_OF_GROUPS: Final = ("key", "dn", "directory_id", "names")


def _columns(frame: pd.DataFrame, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(column(frame, name) for name in names), strict=True)


def _person(
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
