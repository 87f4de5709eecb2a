"""Match the groups in scope with the teams of Swit.

Every team is Swit's own, kept, a group's, left (its group has left the directory) or unmanaged.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from swit_provisioning.planning.decisions import Decision, Rule
from swit_provisioning.planning.groups import Group, Groups, WantedMemberships
from swit_provisioning.planning.model import (
    KINDS,
    ExemptingEntry,
    Exemption,
    Finding,
    Memory,
    Policy,
)
from swit_provisioning.planning.normalize import REMOVED, matcher, name_key
from swit_provisioning.planning.snapshots import (
    DirectoryScope,
    DirectorySnapshot,
    OrganizationSnapshot,
    column,
)

UNASSIGNED = "Unassigned"
"""Swit's own team for people in no team, directly under the root (swit-api, "Rules")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """A team in Swit."""

    team_id: str
    name: str
    parent_id: str | None
    reference: str | None
    reference_key: str = ""
    """The reference in the form in which it is compared; `""` for none."""

    @property
    def is_marked(self) -> bool:
        """Whether the team was renamed because its group has left."""
        return self.name.startswith(REMOVED)


@dataclass(frozen=True, kw_only=True)
class TeamMatches:
    """Which team belongs to what; `own`, `kept`, `left`, `unmanaged` and groups' share no team.

    There is one exception: a group's team may be `kept`. It stays the group's and never changes.
    """

    teams: Mapping[str, Team]
    """All teams by id, in the order shown."""
    root: str
    own: frozenset[str]
    kept: frozenset[str]
    kept_by: Mapping[str, frozenset[ExemptingEntry]]
    """Kept team -> the entries of settings that name it or its group, now or before a rename."""
    team_of: Mapping[str, str]
    """Group key -> id of its team."""
    group_of: Mapping[str, str]
    """Team id -> key of its group."""
    left: frozenset[str]
    unmanaged: frozenset[str]
    doubles: frozenset[str]
    """Those left or unmanaged that match a group which has another team."""
    exempt: tuple[Exemption, ...]
    """What the settings exempt, to be remembered by id."""
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]

    def why_without_group(self, team_id: str) -> str:
        """Why a team that is left or unmanaged has no group."""
        if team_id in self.doubles:
            return "its group has another team"
        left = team_id in self.left
        return "its group has left the directory" if left else "no group stands behind it"


def read_teams(organization: OrganizationSnapshot, scope: DirectoryScope) -> dict[str, Team]:
    """All teams by id, in the order shown."""
    names = ("position", "team_id", "name", "parent_id", "reference")
    rows = sorted(zip(*(column(organization.teams, name) for name in names), strict=True))
    return {
        team_id: Team(
            team_id=team_id,
            name=name,
            parent_id=parent,
            reference=reference if reference and reference.strip() else None,
            reference_key=scope.key(reference),
        )
        for _, team_id, name, parent, reference in rows
    }


def match_teams(
    groups: Groups,
    directory: DirectorySnapshot,
    organization: OrganizationSnapshot,
    policy: Policy,
    memory: Memory,
    wanted: WantedMemberships,
) -> TeamMatches:
    """Find each group's team, and what every other team is.

    Of several teams that match one group the one with most of the `wanted` members stays.
    """
    teams = read_teams(organization, directory.scope)
    root = next(team.team_id for team in teams.values() if team.parent_id is None)
    own = frozenset(_own(teams, root))
    matching = _Matching(groups, teams, own, policy, memory)
    named, once_named = matching.kept(), memory.still_exempt("team", policy)
    kept = frozenset({*named, *once_named} & teams.keys()) - own
    kept_by = {
        team: frozenset(named.get(team, set()) | once_named.get(team, set())) for team in kept
    }
    contested = matching.contested()
    members = members_of(organization.memberships, contested)
    team_of = matching.match(kept, wanted, members)
    rest = set(teams) - own - kept - set(team_of.values())
    remembered = set(memory.groups.values())
    owns = directory.scope.owns
    left = {t for t in rest if t in remembered or owns(teams[t].reference)}
    unmanaged = rest - left
    adopted: dict[str, str] = {}
    if policy.unmanaged_teams == "adopt":
        adopted = _adopted(groups.in_scope, team_of, unmanaged, teams)
        team_of |= adopted
        unmanaged -= set(adopted.values())
    group_of = {team: key for key, team in team_of.items()}
    decisions = [Decision("group", group.key, "group excluded") for group in groups.excluded]
    for key, team in team_of.items():
        decisions.append(Decision("group", key, matching.how(key, team, adopted)))
        if team in kept:
            decisions.append(Decision("group", key, "team kept by name"))
    decisions += (Decision("team", team, "Swit's own") for team in sorted(own))
    decisions += (Decision("team", team, "team kept") for team in sorted(kept - group_of.keys()))
    return TeamMatches(
        teams=teams,
        root=root,
        own=own,
        kept=kept,
        kept_by=kept_by,
        team_of={key: team_of[key] for key in groups.in_scope if key in team_of},
        group_of=group_of,
        left=frozenset(left),
        unmanaged=frozenset(unmanaged),
        doubles=frozenset(contested & (left | unmanaged)),
        exempt=_exemptions(groups, kept_by, policy, memory),
        findings=tuple(
            _exempt_by_earlier_name(groups, teams, kept_by, kept - named.keys(), policy)
        ),
        decisions=tuple(decisions),
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
    """Finds the candidate teams of groups: the remembered one, and those with a reference."""

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
                self._by_reference.setdefault(team.reference_key, []).append(team.team_id)
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
        """Ids of the teams that could be this group's; no team that is remembered for another."""
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
        """Team id -> entries, of teams in `SWIT_TEAMS_TO_KEEP` and teams of excluded groups."""
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
        """Ids of the candidate teams of groups with several candidates."""
        several = (self.candidates(group) for group in self._groups.in_scope.values())
        return {team for found in several if len(found) > 1 for team in found}

    def match(
        self,
        kept: frozenset[str],
        wanted: WantedMemberships,
        members: Mapping[str, set[str]],
    ) -> dict[str, str]:
        """Group key -> team id, groups in directory order, each team once."""
        team_of: dict[str, str] = {}
        used: set[str] = set()
        for group in self._groups.in_scope.values():
            free = [team for team in self.candidates(group) if team not in used]
            if len(free) > 1:
                users = set(wanted.in_group(group))
                free.sort(key=lambda team: self._preference(team, group, kept, users, members))
            if free:
                team_of[group.key] = free[0]
                used.add(free[0])
        return team_of

    def how(self, key: str, team_id: str, adopted: Mapping[str, str]) -> Rule:
        """By which rule a team is a group's."""
        if self._home.get(key) == team_id:
            return "remembered"
        return "adopted" if adopted.get(key) == team_id else "reference"

    def _preference(
        self,
        team_id: str,
        group: Group,
        kept: frozenset[str],
        wanted: set[str],
        members: Mapping[str, set[str]],
    ) -> tuple[bool, bool, bool, int, int, str]:
        """Sort key: remembered, kept, unmarked, by the configured key, most wanted members."""
        team = self._teams[team_id]
        key = team.reference_key
        return (
            self._home.get(group.key) != team_id,
            team_id not in kept,
            team.is_marked,
            group.references.index(key) if key in group.references else len(group.references),
            -len(wanted & members.get(team_id, set())),
            team_id,
        )


def members_of(memberships: pd.DataFrame, teams: Collection[str]) -> dict[str, set[str]]:
    """Team id -> ids of its members now, of these teams; a team without members is absent."""
    rows = memberships[memberships["team_id"].isin(list(teams))]
    members: dict[str, set[str]] = {}
    for team_id, user_id in zip(rows["team_id"], rows["user_id"], strict=True):
        members.setdefault(team_id, set()).add(user_id)
    return members


def _adopted(
    groups: Mapping[str, Group],
    team_of: Mapping[str, str],
    unmanaged: Collection[str],
    teams: Mapping[str, Team],
) -> dict[str, str]:
    """Group key -> unmanaged team with the name of exactly this group, which has no team."""
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


_HOW_TO_END: Final = (
    "Add the new name to the setting. To end this instead, take the old name out of the setting and"
    " make a plan (swit-provisioning plan); then you can put it back for others."
)


def _exemptions(
    groups: Groups,
    kept_by: Mapping[str, frozenset[ExemptingEntry]],
    policy: Policy,
    memory: Memory,
) -> tuple[Exemption, ...]:
    """All exemptions to remember: those of now, and earlier ones that a setting still has."""
    found = {
        Exemption(
            kind="group", object_id=group.directory_id, setting="TEAMS_TO_EXCLUDE", entry=entry
        )
        for group in groups.excluded
        for entry in groups.excluded_by[group.key]
    }
    found |= {
        Exemption(kind="team", object_id=team, setting=setting, entry=entry)
        for team, named in kept_by.items()
        for setting, entry in named
    }
    found |= {
        Exemption(kind=kind, object_id=object_id, setting=setting, entry=entry)
        for kind in KINDS
        for object_id, named in memory.still_exempt(kind, policy).items()
        for setting, entry in named
    }
    return tuple(sorted(found))


def _exempt_by_earlier_name(
    groups: Groups,
    teams: Mapping[str, Team],
    kept_by: Mapping[str, frozenset[ExemptingEntry]],
    renamed: frozenset[str],
    policy: Policy,
) -> Iterator[Finding]:
    """A finding for each group and team that is exempt only because of an earlier name.

    The team of an excluded group has no finding of its own.
    """
    of_groups: set[ExemptingEntry] = set()
    for group in groups.excluded:
        entries: set[ExemptingEntry] = {
            ("TEAMS_TO_EXCLUDE", entry) for entry in groups.excluded_by[group.key]
        }
        of_groups |= entries
        if group.key in groups.renamed:
            yield Finding(
                kind="excluded by an earlier name",
                subject=group.dn,
                message=f"It was renamed and stays out of scope, because {_named(entries, policy)}."
                f" {_HOW_TO_END}",
                side="swit",
            )
    for team in sorted(renamed):
        if kept_by[team] - of_groups:
            yield Finding(
                kind="kept by an earlier name",
                subject=teams[team].name,
                message=f"The team stays as it is, because {_named(kept_by[team], policy)}."
                f" {_HOW_TO_END}",
                side="swit",
            )


def _named(entries: Iterable[ExemptingEntry], policy: Policy) -> str:
    """The entries as the settings have them, in a sentence."""
    written = policy.exempting_entries()
    said = [f"{setting} ({written[setting][entry]})" for setting, entry in sorted(entries)]
    return f"{' and '.join(said)} named it before"
