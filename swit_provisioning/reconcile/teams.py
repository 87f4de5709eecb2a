"""Whose team is whose: Swit's own, kept ones, a group's, those whose group left, unmanaged ones."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from swit_provisioning.reconcile.columns import column
from swit_provisioning.reconcile.dn import is_below
from swit_provisioning.reconcile.groups import Group, Groups
from swit_provisioning.reconcile.memory import ExemptingEntry, Memory
from swit_provisioning.reconcile.patterns import matcher
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.references import as_dn, reference_key
from swit_provisioning.reconcile.state import DirectoryState, SwitState
from swit_provisioning.reconcile.text import REMOVED, name_key

UNASSIGNED = "Unassigned"
"""Swit's own team for people in no team, directly under the root (swit-api, "Rules")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """One team, as read."""

    team_id: str
    name: str
    parent_id: str | None
    reference: str | None

    @property
    def is_marked(self) -> bool:
        """Whether it was renamed because its group has left."""
        return self.name.startswith(REMOVED)


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Who each team belongs to; `own`, `kept`, `left`, `unmanaged` and groups' share no team.

    But for one thing: a group's team may be `kept`; then it is the group's, and never changed.
    """

    teams: Mapping[str, Team]
    """All teams by id, in the order shown."""
    root: str
    own: frozenset[str]
    kept: frozenset[str]
    kept_by: Mapping[str, frozenset[ExemptingEntry]]
    """Kept team -> the entries of settings that name it or its group, or once did."""
    renamed: frozenset[str]
    """Kept teams that no entry names any longer."""
    team_of: Mapping[str, str]
    """Group key -> id of its team."""
    group_of: Mapping[str, str]
    left: frozenset[str]
    unmanaged: frozenset[str]
    doubles: frozenset[str]
    """Those left or unmanaged that could be a group's, but it has another."""

    def why_nobodys(self, team_id: str) -> str:
        """Why a team that is left or unmanaged is no group's."""
        if team_id in self.doubles:
            return "its group has another team"
        left = team_id in self.left
        return "its group has left the directory" if left else "no group stands behind it"


def read_teams(swit: SwitState) -> dict[str, Team]:
    """All teams by id, in the order shown."""
    names = ("position", "team_id", "name", "parent_id", "reference")
    rows = sorted(zip(*(column(swit.teams, name) for name in names), strict=True))
    return {
        team_id: Team(
            team_id=team_id,
            name=name,
            parent_id=parent,
            reference=reference if reference and reference.strip() else None,
        )
        for _, team_id, name, parent, reference in rows
    }


def find_owners(
    groups: Groups,
    directory: DirectoryState,
    swit: SwitState,
    policy: Policy,
    memory: Memory,
    wanted_members: Callable[[str], Collection[str]],
) -> Owners:
    """Find each group's team and each team's group.

    `wanted_members` gives the accounts that should be in a group's team: of several teams with
    one reference the one with most of them stays.
    """
    teams = read_teams(swit)
    root = next(team.team_id for team in teams.values() if team.parent_id is None)
    own = frozenset(_own(teams, root))
    matching = _Matching(groups, teams, own, policy, memory)
    named, once_named = matching.kept(), memory.still_exempt("team", policy)
    kept = frozenset({*named, *once_named} & teams.keys()) - own
    contested = matching.contested()
    members = _members_of(swit.memberships, contested)
    team_of = matching.match(kept, wanted_members, members)
    rest = set(teams) - own - kept - set(team_of.values())
    remembered = set(memory.groups.values())
    base = directory.facts.search_base
    left = {t for t in rest if t in remembered or _is_below(teams[t].reference, base)}
    unmanaged = rest - left
    if policy.unmanaged_teams == "adopt":
        team_of |= _adopted(groups.in_scope, team_of, unmanaged, teams)
        unmanaged -= set(team_of.values())
    return Owners(
        teams=teams,
        root=root,
        own=own,
        kept=kept,
        kept_by={
            team: frozenset(named.get(team, set()) | once_named.get(team, set())) for team in kept
        },
        renamed=kept - named.keys(),
        team_of={key: team_of[key] for key in groups.in_scope if key in team_of},
        group_of={team: key for key, team in team_of.items()},
        left=frozenset(left),
        unmanaged=frozenset(unmanaged),
        doubles=frozenset(contested & (left | unmanaged)),
    )


def _own(teams: Mapping[str, Team], root: str) -> Iterable[str]:
    for team in teams.values():
        unassigned = (
            team.parent_id == root
            and team.reference is None
            and name_key(team.name) == name_key(UNASSIGNED)
        )
        if team.parent_id is None or unassigned:
            yield team.team_id


class _Matching:
    """Finds the teams that groups may have: the remembered one, and those by reference."""

    def __init__(
        self,
        groups: Groups,
        teams: Mapping[str, Team],
        own: frozenset[str],
        policy: Policy,
        memory: Memory,
    ) -> None:
        self._groups, self._teams, self._policy = groups, teams, policy
        self._by_reference: dict[str, list[str]] = {}
        for team in teams.values():
            if team.reference is not None and team.team_id not in own:
                key = reference_key(team.reference)
                self._by_reference.setdefault(key, []).append(team.team_id)
        self._home: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        everyone = [*groups.in_scope.values(), *groups.excluded]
        counted = Counter(group.directory_id for group in everyone)
        by_id = {g.directory_id: g.key for g in everyone if counted[g.directory_id] == 1}
        for directory_id, team_id in sorted(memory.groups.items()):
            known = directory_id in by_id and team_id in teams and team_id not in own
            if known and team_id not in self._bound:
                self._home[by_id[directory_id]] = team_id
                self._bound[team_id] = by_id[directory_id]

    def candidates(self, group: Group) -> list[str]:
        """Teams that could be this group's: not those remembered to be another one's."""
        found = dict.fromkeys(
            team
            for key in group.references
            for team in self._by_reference.get(key, ())
            if self._bound.get(team, group.key) == group.key
        )
        if group.key in self._home:
            found[self._home[group.key]] = None
        return list(found)

    def kept(self) -> dict[str, set[ExemptingEntry]]:
        """Teams that `SWIT_TEAMS_TO_KEEP` names or describes, and those of excluded groups.

        By the entries that name them.
        """
        kept: dict[str, set[ExemptingEntry]] = {}
        patterns = [
            (name_key(text), text.strip().casefold(), matcher([text], name_key))
            for text in self._policy.teams_to_keep
        ]
        for team in self._teams.values() if patterns else ():
            name, team_id = name_key(team.name), team.team_id.casefold()
            for entry, kept_id, fits in patterns:
                if team_id == kept_id or fits(name):
                    kept.setdefault(team.team_id, set()).add(("SWIT_TEAMS_TO_KEEP", entry))
        for group in self._groups.excluded:
            for team_id in self.candidates(group):
                kept.setdefault(team_id, set()).update(
                    ("TEAMS_TO_EXCLUDE", entry) for entry in self._groups.excluded_by[group.key]
                )
        return kept

    def contested(self) -> set[str]:
        """Teams of groups that have several."""
        several = (self.candidates(group) for group in self._groups.in_scope.values())
        return {team for found in several if len(found) > 1 for team in found}

    def match(
        self,
        kept: frozenset[str],
        wanted_members: Callable[[str], Collection[str]],
        members: Mapping[str, set[str]],
    ) -> dict[str, str]:
        """Group key -> team, groups in directory order, each team once."""
        team_of: dict[str, str] = {}
        used: set[str] = set()
        for group in self._groups.in_scope.values():
            free = [team for team in self.candidates(group) if team not in used]
            if len(free) > 1:
                wanted = set(wanted_members(group.key))
                free.sort(key=lambda team: self._preference(team, group, kept, wanted, members))
            if free:
                team_of[group.key] = free[0]
                used.add(free[0])
        return team_of

    def _preference(
        self,
        team_id: str,
        group: Group,
        kept: frozenset[str],
        wanted: set[str],
        members: Mapping[str, set[str]],
    ) -> tuple[bool, bool, bool, int, int, str]:
        """The remembered, a kept, an unmarked, by the configured key, with most of its members."""
        team = self._teams[team_id]
        key = reference_key(team.reference)
        return (
            self._home.get(group.key) != team_id,
            team_id not in kept,
            team.is_marked,
            group.references.index(key) if key in group.references else len(group.references),
            -len(wanted & members.get(team_id, set())),
            team_id,
        )


def _members_of(memberships: pd.DataFrame, teams: set[str]) -> dict[str, set[str]]:
    rows = memberships[memberships["team_id"].isin(list(teams))]
    members: dict[str, set[str]] = {}
    for team_id, user_id in zip(rows["team_id"], rows["user_id"], strict=True):
        members.setdefault(team_id, set()).add(user_id)
    return members


def _is_below(reference: str | None, base: str | None) -> bool:
    """Whether a reference is a DN of this directory; in a file any DN is."""
    key = as_dn(reference) if reference is not None else None
    return key is not None and (base is None or is_below(key, base))


def _adopted(
    groups: Mapping[str, Group],
    team_of: Mapping[str, str],
    unmanaged: Collection[str],
    teams: Mapping[str, Team],
) -> dict[str, str]:
    """Unmanaged teams that are called as exactly one group, which has no team."""
    called: dict[str, set[str]] = {}
    for group in groups.values():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(group.key)
    adopted: dict[str, str] = {}
    for team in sorted(unmanaged):
        keys = called.get(name_key(teams[team].name), set())
        if len(keys) == 1 and not keys & (team_of.keys() | adopted.keys()):
            adopted[next(iter(keys))] = team
    return adopted
