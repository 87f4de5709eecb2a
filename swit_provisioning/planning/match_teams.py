"""Match the groups in scope with the teams of Swit.

Every team is Swit's own, kept, a group's, left (its group has left the directory) or unmanaged.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd

from swit_provisioning.planning.decisions import Decision, Rule
from swit_provisioning.planning.groups import Group, Groups, WantedMemberships, keys_by_name
from swit_provisioning.planning.model import Finding
from swit_provisioning.planning.normalize import REMOVED, matcher, name_key
from swit_provisioning.planning.policy import (
    KINDS,
    ExemptingEntry,
    Exemption,
    ExemptKind,
    Memory,
    Policy,
)
from swit_provisioning.planning.snapshots import (
    DirectoryScope,
    DirectorySnapshot,
    OrganizationSnapshot,
    column,
)
from swit_provisioning.planning.whereabouts import Whereabouts, of_swit_ids, under_other_ids

UNASSIGNED = "Unassigned"
"""Swit's own team for people in no team, directly under the root (swit-api, "Rules")."""


class Team(NamedTuple):
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
    uncertain: frozenset[str]
    """Those kept only because it is not certain that their group has left."""
    team_of: Mapping[str, str]
    """Group key -> id of its team."""
    group_of: Mapping[str, str]
    """Team id -> key of its group."""
    left: frozenset[str]
    unmanaged: frozenset[str]
    whereabouts: Mapping[str, Whereabouts]
    """Team id -> where the remembered group is, of teams whose group was not read."""
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
        if team_id not in self.left:
            return "it belongs to no group"
        place = self.whereabouts.get(team_id)
        return "its group has left the directory" + (f": {place.detail}" if place else "")

    def why_kept(self, team_id: str) -> str:
        """Why a team is kept as it is."""
        if team_id in self.uncertain:
            return f"its group may still exist ({self.whereabouts[team_id].detail})"
        return "SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE"


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
    teams = _read_teams(organization, directory.scope)
    root = next(team.team_id for team in teams.values() if team.parent_id is None)
    own = frozenset(team.team_id for team in teams.values() if _is_own(team, root))
    found = directory.facts.whereabouts
    remembered = _remembered(groups, teams.keys() - own, memory, found)
    candidates = _candidates(groups, teams, own, remembered)
    named = _kept_by(groups, teams, candidates, policy)
    once_named = memory.still_exempt("team", policy)
    whereabouts = of_swit_ids(found, memory.groups)
    may_be_there = whereabouts.keys() - {*named, *once_named, *remembered.values()}
    uncertain = frozenset(
        team for team in may_be_there & teams.keys() if not whereabouts[team].has_left
    )
    kept = (frozenset({*named, *once_named} & teams.keys()) | uncertain) - own
    kept_by = {
        team: frozenset(named.get(team, set()) | once_named.get(team, set())) for team in kept
    }
    contested = {
        team for key in groups.in_scope if len(candidates[key]) > 1 for team in candidates[key]
    }
    members = members_of(organization.memberships, contested)
    team_of: dict[str, str] = {}
    used: set[str] = set()
    for key, group in groups.in_scope.items():
        free = [team for team in candidates[key] if team not in used]
        if len(free) > 1:
            users = set(wanted.in_group(group))
            common = {team: len(users & members.get(team, set())) for team in free}
            free.sort(key=_preference(group, teams, kept, remembered.get(key), common))
        if free:
            team_of[key] = free[0]
            used.add(free[0])
    rest = set(teams) - own - kept - used
    once_matched = set(memory.groups.values())
    left = {t for t in rest if t in once_matched or directory.scope.owns(teams[t].reference)}
    unmanaged = rest - left
    adopted: dict[str, str] = {}
    if policy.unmanaged_teams == "adopt":
        adopted = _adopted(groups.in_scope, team_of, unmanaged, teams)
        team_of |= adopted
        unmanaged -= set(adopted.values())
    group_of = {team: key for key, team in team_of.items()}
    decisions = [Decision("group", group.key, Rule.GROUP_EXCLUDED) for group in groups.excluded]
    for key, team in team_of.items():
        rule = Rule.ADOPTED if key in adopted else Rule.REFERENCE
        rule = Rule.REMEMBERED if remembered.get(key) == team else rule
        decisions.append(Decision("group", key, rule))
        if team in kept:
            decisions.append(Decision("group", key, Rule.TEAM_KEPT_BY_NAME))
    decisions += (Decision("team", team, Rule.SWITS_OWN) for team in own)
    for team in kept - group_of.keys():
        if team in uncertain:
            values = {"detail": whereabouts[team].detail}
            decisions.append(Decision("team", team, Rule.GROUP_UNCERTAIN, values))
        else:
            decisions.append(Decision("team", team, Rule.TEAM_KEPT))
    return TeamMatches(
        teams=teams,
        root=root,
        own=own,
        kept=kept,
        uncertain=uncertain,
        team_of={key: team_of[key] for key in groups.in_scope if key in team_of},
        group_of=group_of,
        left=frozenset(left),
        unmanaged=frozenset(unmanaged),
        whereabouts=whereabouts,
        doubles=frozenset(contested & (left | unmanaged)),
        exempt=_exemptions(groups, kept_by, policy, memory),
        findings=(
            *_exempt_by_earlier_name(groups, teams, kept_by, kept - named.keys(), policy),
            *(_group_uncertain(teams[team], whereabouts[team]) for team in sorted(uncertain)),
        ),
        decisions=tuple(decisions),
    )


def _group_uncertain(team: Team, place: Whereabouts) -> Finding:
    return Finding(
        kind="uncertain group deletion",
        subject=team.name,
        side="swit",
        message="The group of this team was not read, and it is not certain that the group has left"
        f" ({place.detail}). The team is not changed. {place.remedy}",
    )


def _read_teams(organization: OrganizationSnapshot, scope: DirectoryScope) -> dict[str, Team]:
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


def _is_own(team: Team, root: str) -> bool:
    """Whether the team is the root, or Swit's team for people in no team."""
    is_unassigned = name_key(team.name) == name_key(UNASSIGNED) and team.reference is None
    return team.parent_id is None or (team.parent_id == root and is_unassigned)


def _remembered(
    groups: Groups,
    teams: Collection[str],
    memory: Memory,
    found: Mapping[str, Whereabouts] | None,
) -> dict[str, str]:
    """Group key -> the team of an earlier plan, each team once; none for an id of two groups."""
    everyone = [*groups.in_scope.values(), *groups.excluded]
    counted = Counter(group.directory_id for group in everyone)
    key_of = {g.directory_id: g.key for g in everyone if counted[g.directory_id] == 1}
    remembered: dict[str, str] = {}
    used: set[str] = set()
    for directory_id, team in sorted(memory.groups.items()):
        if directory_id in key_of and team in teams and team not in used:
            remembered[key_of[directory_id]] = team
            used.add(team)
    for key, team in under_other_ids(found, memory.groups).items():
        if key in key_of.values() and key not in remembered and team in teams and team not in used:
            remembered[key] = team
            used.add(team)
    return remembered


def _candidates(
    groups: Groups,
    teams: Mapping[str, Team],
    own: Collection[str],
    remembered: Mapping[str, str],
) -> dict[str, list[str]]:
    """Group key -> teams that could be its: those with a reference of it, then the remembered one.

    A team that is remembered for another group is no candidate.
    """
    group_of = {team: key for key, team in remembered.items()}
    by_reference: dict[str, list[str]] = {}
    for team in teams.values():
        if team.reference is not None and team.team_id not in own:
            by_reference.setdefault(team.reference_key, []).append(team.team_id)
    candidates = {}
    for group in (*groups.in_scope.values(), *groups.excluded):
        found = dict.fromkeys(
            team
            for reference in group.references
            for team in by_reference.get(reference, ())
            if group_of.get(team, group.key) == group.key
        )
        if group.key in remembered:
            found[remembered[group.key]] = None
        candidates[group.key] = list(found)
    return candidates


def _kept_by(
    groups: Groups,
    teams: Mapping[str, Team],
    candidates: Mapping[str, list[str]],
    policy: Policy,
) -> dict[str, set[ExemptingEntry]]:
    """Team id -> entries, of teams in `SWIT_TEAMS_TO_KEEP` and teams of excluded groups."""
    kept: dict[str, set[ExemptingEntry]] = {}
    patterns = [
        (name_key(text), text.strip().casefold(), matcher([text], name_key))
        for text in policy.teams_to_keep
    ]
    for team in teams.values() if patterns else ():
        name, team_id = name_key(team.name), team.team_id.casefold()
        for entry, kept_id, fits in patterns:
            if team_id == kept_id or fits(name):
                kept.setdefault(team.team_id, set()).add(("SWIT_TEAMS_TO_KEEP", entry))
    for group in groups.excluded:
        for candidate in candidates[group.key]:
            kept.setdefault(candidate, set()).update(_entries(groups, group))
    return kept


def _preference(
    group: Group,
    teams: Mapping[str, Team],
    kept: Collection[str],
    remembered: str | None,
    common: Mapping[str, int],
) -> Callable[[str], tuple[bool, bool, bool, int, int, str]]:
    """Sort key: remembered, kept, unmarked, by the configured key, most members in `common`."""

    def key(team_id: str) -> tuple[bool, bool, bool, int, int, str]:
        team, references = teams[team_id], group.references
        reference = team.reference_key
        return (
            team_id != remembered,
            team_id not in kept,
            team.is_marked,
            references.index(reference) if reference in references else len(references),
            -common[team_id],
            team_id,
        )

    return key


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
    called = keys_by_name(groups)
    adopted: dict[str, str] = {}
    for team in sorted(unmanaged):
        keys = called.get(name_key(teams[team].name), set())
        if len(keys) == 1 and not keys & (team_of.keys() | adopted.keys()):
            adopted[next(iter(keys))] = team
    return adopted


def _exemptions(
    groups: Groups,
    kept_by: Mapping[str, frozenset[ExemptingEntry]],
    policy: Policy,
    memory: Memory,
) -> tuple[Exemption, ...]:
    """All exemptions to remember: those of now, and earlier ones that a setting still has."""
    named: list[tuple[ExemptKind, str, Iterable[ExemptingEntry]]] = [
        (kind, object_id, entries)
        for kind in KINDS
        for object_id, entries in memory.still_exempt(kind, policy).items()
    ]
    named += (("team", team, entries) for team, entries in kept_by.items())
    named += (("group", group.directory_id, _entries(groups, group)) for group in groups.excluded)
    return tuple(
        sorted(
            {
                Exemption(kind=kind, object_id=object_id, setting=setting, entry=entry)
                for kind, object_id, entries in named
                for setting, entry in entries
            }
        )
    )


def _entries(groups: Groups, group: Group) -> set[ExemptingEntry]:
    """The entries that exclude a group."""
    return {("TEAMS_TO_EXCLUDE", entry) for entry in groups.excluded_by[group.key]}


_HOW_TO_END: Final = (
    "Add the new name to the setting. To end the exemption, remove the old name from the setting"
    " and make a plan (swit-provisioning plan). After that, you can add the old name again for"
    " other objects."
)


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
        entries = _entries(groups, group)
        of_groups |= entries
        if group.key in groups.renamed:
            yield Finding(
                kind="excluded by former name",
                subject=group.dn,
                message=f"The renamed group stays out of scope, because {_named(entries, policy)}."
                f" {_HOW_TO_END}",
                side="swit",
            )
    for team in sorted(renamed):
        if kept_by[team] - of_groups:
            yield Finding(
                kind="kept by former name",
                subject=teams[team].name,
                message=f"The renamed team is not changed, because {_named(kept_by[team], policy)}."
                f" {_HOW_TO_END}",
                side="swit",
            )


def _named(entries: Iterable[ExemptingEntry], policy: Policy) -> str:
    """The entries as the settings have them, in a sentence."""
    written = policy.exempting_entries()
    said = [f"{setting} ({written[setting][entry]})" for setting, entry in sorted(entries)]
    return f"{' and '.join(said)} matched its former name"
