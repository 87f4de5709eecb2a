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


class _Names:
    """What a person, user, group or team can be found by."""

    def __init__(self, *, ids: Iterable[str], names: Iterable[str], more: Iterable[str]) -> None:
        """Take ids in normal form, names, and more texts to suggest."""
        names = tuple(names)
        self.ids = frozenset(ids) - {""}
        self.names = frozenset(map(name_key, names)) - {""}
        self.suggestions = (*names, *more)


class Subjects:
    """All people and teams of two reads, found by address, name, DN or id."""

    def __init__(self, planned: ExplainedPlan, stages: Stages) -> None:
        """Index both reads."""
        directory = planned.directory
        self._scope, self._remembered = directory.scope, planned.memory.users
        self._person_of, self._teams = stages.users.person_of, stages.teams
        self._user_of = {person.key: user for user, person in self._person_of.items()}
        self._keys: list[str] = column(directory.users, "key")
        self._directory_ids: list[str] = column(directory.users, "directory_id")
        self._row_of = {key: row for row, key in enumerate(self._keys)}
        self._people = []
        columns = ("key", "dn", "directory_id", "emails", "other_emails", "names")
        for key, dn, directory_id, emails, other_emails, names in _rows(directory.users, *columns):
            addresses = [*(emails or ()), *(other_emails or ())]
            ids = (key, reference_key(directory_id), *map(address_key, addresses))
            self._people.append(_Names(ids=ids, names=names or (), more=(dn, *addresses)))
        self._users = {
            user.user_id: _Names(
                ids=(user.address, reference_key(user.user_id)),
                names=(user.name,),
                more=(user.email,),
            )
            for user in stages.users.users
        }
        self._groups: dict[str, _Names] = {}
        for key, dn, directory_id, names in _rows(
            directory.groups, "key", "dn", "directory_id", "names"
        ):
            ids = (key, reference_key(directory_id))
            all_names = (*(names or ()), *map(clean_team_name, names or ()))
            self._groups[key] = _Names(ids=ids, names=all_names, more=(dn,))
        self._named_teams = {
            team.team_id: _Names(
                ids=(reference_key(team.team_id), team.reference_key), names=(team.name,), more=()
            )
            for team in stages.teams.teams.values()
        }

    def named(self, text: str) -> list[Subject]:
        """Everyone with this address, DN or id; if there is none, everyone of this name."""
        ids = frozenset({address_key(text), reference_key(text), self._scope.key(text)}) - {""}
        found = dict.fromkeys(self._found(lambda names: bool(names.ids & ids)))
        key = name_key(text)
        return list(found or dict.fromkeys(self._found(lambda names: key in names.names)))

    def similar(self, text: str) -> list[str]:
        """Addresses and names that resemble it."""
        others = (self._users, self._groups, self._named_teams)
        everything = [*self._people, *(names for side in others for names in side.values())]
        written = {text.casefold(): text for names in everything for text in names.suggestions}
        asked = text.strip().casefold()
        containing = [key for key in written if len(asked) >= _SHORTEST_PART and asked in key]
        close = get_close_matches(asked, written, n=_MOST_SIMILAR, cutoff=0.8)
        found = dict.fromkeys([*close, *sorted(containing)])
        return [written[key] for key in found][:_MOST_SIMILAR]

    def _found(self, fits: Callable[[_Names], bool]) -> Iterator[Subject]:
        for row, names in enumerate(self._people):
            if fits(names):
                yield PersonSubject(row=row, users=self._users_of(row))
        for user, names in self._users.items():
            if fits(names):
                yield from self._people_of(user)
        for key, names in self._groups.items():
            if fits(names):
                yield TeamSubject(group=key, team=self._teams.team_of.get(key))
        for team_id, names in self._named_teams.items():
            if fits(names):
                yield TeamSubject(group=self._teams.group_of.get(team_id), team=team_id)

    def _users_of(self, row: int) -> tuple[str, ...]:
        """The matched user; else the unmatched users that the person claims."""
        if self._keys[row] in self._user_of:
            return (self._user_of[self._keys[row]],)
        free = (user for user in self._users if user not in self._person_of)
        return tuple(user for user in free if self._claims(row, user))

    def _people_of(self, user: str) -> Iterator[PersonSubject]:
        """The matched person, else the people who claim the user, else the user alone."""
        if user in self._person_of:
            rows = [self._row_of[self._person_of[user].key]]
        else:
            rows = [row for row in range(len(self._people)) if self._claims(row, user)]
        for row in rows:
            yield PersonSubject(row=row, users=self._users_of(row))
        if not rows:
            yield PersonSubject(row=None, users=(user,))

    def _claims(self, row: int, user: str) -> bool:
        """Whether a person has the address of a user, or was matched with it before."""
        has_address = bool(self._people[row].ids & self._users[user].ids)
        return has_address or self._remembered.get(self._directory_ids[row]) == user


def _rows(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(column(frame, name) for name in names), strict=True)
