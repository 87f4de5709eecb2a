"""Find the people and teams of both sides by an address, a name, a DN or an id."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import pandas as pd

from swit_provisioning.planning.model import NEW_USER
from swit_provisioning.planning.normalize import (
    address_key,
    clean_team_name,
    name_key,
    reference_key,
)
from swit_provisioning.planning.planner import ExplainedPlan, Stages
from swit_provisioning.planning.snapshots import column
from swit_provisioning.report.safe_text import for_a_terminal, shortened

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
class PersonIds:
    """How a plan names a person."""

    label: str
    """The user's address; without a user, the person's; without one, the DN."""
    unique_name: str
    """The DN; for a user without a person, the address."""
    users: frozenset[str]
    """Ids of the users, also of the one that the plan creates."""
    findings: frozenset[str]
    """The subjects of findings about the person."""


class NotOnePersonError(Exception):
    """A text names no person, or several; the message says which."""


def find_person(text: str, planned: ExplainedPlan, stages: Stages) -> PersonIds:
    """Find the one person with this address, DN, id or name.

    Raises:
        NotOnePersonError: no person has this name, or several do.

    """
    subjects = Subjects(planned, stages)

    def people(name: str) -> list[PersonIds]:
        named = (each for each in subjects.named(name) if isinstance(each, PersonSubject))
        return [person_ids(each, planned, stages) for each in named]

    found, shown = people(text), for_a_terminal(shortened(text))
    if len(found) == 1:
        return found[0]
    if found:
        few = "; ".join(for_a_terminal(ids.unique_name) for ids in found[:_MOST_SIMILAR])
        more = "; ..." if len(found) > _MOST_SIMILAR else ""
        message = f"{len(found)} people are called {shown}: {few}{more}. Name one by DN or id."
        raise NotOnePersonError(message)
    near = dict.fromkeys(ids.label for name in subjects.similar(text) for ids in people(name))
    meant = f" Did you mean: {', '.join(map(for_a_terminal, near))}?" if near else ""
    message = f"{shown} is no address, name, DN or id of a person in the directory or in Swit"
    message = f"{message}.{meant}"
    raise NotOnePersonError(message)


def person_ids(subject: PersonSubject, planned: ExplainedPlan, stages: Stages) -> PersonIds:
    """The names that the plan, and its findings, have for a person."""
    users = [user for user in stages.users.users if user.user_id in subject.users]
    ids, labels = set(subject.users), [user.email for user in users]
    findings = {user.email for user in users}
    findings |= {f"{user.name} ({user.user_id})" for user in users}
    if subject.row is not None:
        row = planned.directory.users.iloc[subject.row]
        addresses = [m.address for m in stages.users.matches if m.person.key == row["key"]]
        ids |= {NEW_USER + address for address in addresses}
        labels += [*addresses, row["dn"]]
        findings.add(row["dn"])
    named = [label for label in labels if label]
    return PersonIds(
        label=named[0],
        unique_name=named[-1] if subject.row is not None else named[0],
        users=frozenset(ids),
        findings=frozenset(findings),
    )


class _Names:
    """What a person, user, group or team can be found by."""

    def __init__(self, *, ids: Iterable[str], names: Iterable[str], more: Iterable[str]) -> None:
        names = tuple(names)
        self.ids = frozenset(ids) - {""}
        self.names = frozenset(map(name_key, names)) - {""}
        self.suggestions = (*names, *more)


class Subjects:
    """All people and teams of two reads, found by address, name, DN or id."""

    def __init__(self, planned: ExplainedPlan, stages: Stages) -> None:
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
