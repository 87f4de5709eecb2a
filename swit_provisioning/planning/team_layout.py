"""What becomes of each team: it goes, is marked, may change, or stays put; which are made."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from swit_provisioning.planning.match_teams import UNASSIGNED, Group, Owners, Team
from swit_provisioning.planning.model import Finding, Policy
from swit_provisioning.planning.normalize import (
    REMOVED,
    free_name,
    is_pattern,
    matcher,
    name_key,
    number_suffix,
    numbered,
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The fate of every team."""

    goes: Mapping[str, str]
    """Teams to delete -> why."""
    marked: frozenset[str]
    """Teams to rename to `(removed) ...`."""
    fixed: frozenset[str]
    """Teams whose name, place and reference don't change (those to be marked: but the name)."""
    put: frozenset[str]
    """Groups' teams that stay where they are: no parent has a team, or none can be read."""
    created: tuple[str, ...]
    """Keys of the groups that get a team, in directory order."""
    unnamed: frozenset[str]
    """Keys of groups without a name that a team could have: none is made, one there keeps its."""
    findings: tuple[Finding, ...]

    def stays_put(self, team_id: str) -> bool:
        """Whether nothing here moves or deletes this team."""
        return team_id in self.fixed or team_id in self.put


def settle(
    groups: Mapping[str, Group], owners: Owners, policy: Policy, unnamed: frozenset[str]
) -> Standing:
    """Decide the fate of every team."""
    goes = _going(owners, policy)
    updates = "team.update" not in policy.disabled_actions
    marked = _marked(owners) if policy.team_removal == "mark" and updates else frozenset[str]()
    fixed = set(owners.teams) - set(goes) - set(owners.group_of)
    fixed |= owners.kept if updates else owners.kept | set(owners.group_of)
    created = _created(groups, owners, policy, unnamed)
    has_team = owners.team_of.keys() | set(created)
    put = {
        team
        for key, team in owners.team_of.items()
        if team not in fixed and _goes_nowhere(groups[key], has_team)
    }
    spared = set(_spared(goes, fixed | put, owners.teams))
    return Standing(
        goes={team: why for team, why in goes.items() if team not in spared},
        marked=marked,
        fixed=frozenset(fixed | spared),
        put=frozenset(put),
        created=created,
        unnamed=unnamed,
        findings=tuple(_findings(spared, owners.teams)),
    )


def _goes_nowhere(group: Group, has_team: set[str]) -> bool:
    """Whether the group has parents, but none whose team is there to be moved to."""
    return group.place_unknown or bool(group.parents and has_team.isdisjoint(group.parents))


def _going(owners: Owners, policy: Policy) -> dict[str, str]:
    if "team.delete" in policy.disabled_actions:
        return {}
    goes: dict[str, str] = {}
    if policy.team_removal == "delete":
        goes |= {team: owners.why_nobodys(team) for team in owners.left}
    if policy.unmanaged_teams == "delete":
        goes |= {team: f"{owners.why_nobodys(team)}: UNMANAGED_TEAMS" for team in owners.unmanaged}
    return {team: goes[team] for team in owners.teams if team in goes}


def _marked(owners: Owners) -> frozenset[str]:
    return frozenset(team for team in owners.left if not owners.teams[team].is_marked)


def _created(
    groups: Mapping[str, Group], owners: Owners, policy: Policy, unnamed: frozenset[str]
) -> tuple[str, ...]:
    if "team.create" in policy.disabled_actions:
        return ()
    return tuple(key for key in groups if key not in owners.team_of and key not in unnamed)


def _spared(
    goes: Mapping[str, str], standing: set[str], teams: Mapping[str, Team]
) -> Iterator[str]:
    """Teams that would go, but have a child that stays put; and so upwards."""
    spared: set[str] = set()
    for child in teams:
        if child not in standing:
            continue
        parent = teams[child].parent_id
        while parent is not None and parent in goes and parent not in spared:
            spared.add(parent)
            yield parent
            parent = teams[parent].parent_id


def _findings(spared: set[str], teams: Mapping[str, Team]) -> Iterator[Finding]:
    for team in sorted(spared):
        yield Finding(
            kind="team kept",
            subject=teams[team].name,
            side="swit",
            message="The team would be deleted, but one that stays is below it. Move or delete"
            " the team below it in Swit.",
        )


_MOST_KEPT_NAMES_PASSED = 20


@dataclass(frozen=True, kw_only=True)
class Names:
    """What teams are to be called."""

    wanted: Mapping[str, str]
    """Team id, or `new:team:...`, -> name, for each team that could get another one."""
    missing: frozenset[str]
    """Keys of groups for which no name is to be had."""


def settle_with_names(
    groups: Mapping[str, Group], owners: Owners, policy: Policy
) -> tuple[Standing, Mapping[str, str]]:
    """Decide the fate of every team, and what it is called.

    A group for which no name is to be had gets no team, and that may free or take other names.
    """
    unnamed = frozenset(key for key, group in groups.items() if not group.names)
    while True:
        standing = settle(groups, owners, policy, unnamed)
        names = choose_names(groups, owners, standing, policy)
        if not names.missing:
            return standing, names.wanted
        unnamed |= names.missing


def choose_names(
    groups: Mapping[str, Group], owners: Owners, standing: Standing, policy: Policy
) -> Names:
    """Those called as their group already come first, then groups in directory order."""
    wanted: dict[str, str] = {}
    taken = _never_given_away(owners, standing, policy)
    is_kept = matcher(policy.teams_to_keep, name_key)
    homeless: list[tuple[str, Group]] = []
    missing: set[str] = set()
    for key, group in groups.items():
        team = owners.team_of.get(key)
        fixed = team in standing.fixed if team is not None else key not in standing.created
        if fixed or key in standing.unnamed:
            continue
        kept = _kept_name(owners.teams[team].name, group, taken) if team is not None else None
        if team is not None and kept is not None:
            wanted[team] = kept
            taken.add(name_key(kept))
        else:
            homeless.append((team or group.new_team, group))
    for team_id, group in homeless:
        name = _new_name(group, taken, is_kept)
        if name is None:
            missing.add(group.key)
        else:
            wanted[team_id] = name
            taken.add(name_key(name))
    for team_id in sorted(standing.marked):
        wanted[team_id] = free_name(REMOVED + owners.teams[team_id].name, taken.__contains__)
        taken.add(name_key(wanted[team_id]))
    return Names(wanted=wanted, missing=frozenset(missing))


def without_a_name(groups: Mapping[str, Group], standing: Standing) -> Iterator[Finding]:
    """Groups that have names, but none that a team may have."""
    for key in sorted(standing.unnamed):
        if groups[key].names:
            yield Finding(
                kind="name is kept",
                subject=groups[key].dn,
                message=f"Its name {groups[key].names[0]} is kept by a pattern in"
                " SWIT_TEAMS_TO_KEEP; no team is made for it, and a team that it has keeps its"
                " name. Give the group another name.",
            )


def numbered_names(
    groups: Mapping[str, Group], owners: Owners, names: Mapping[str, str]
) -> Iterator[Finding]:
    """Groups whose team is not called as they are, because another team is."""
    for key, group in groups.items():
        name = names.get(owners.team_of.get(key, group.new_team))
        if name is not None and name_key(name) not in map(name_key, group.names):
            yield Finding(
                kind="name taken",
                subject=group.dn,
                side="swit",
                message=f"Its team is called {name}: another team, or SWIT_TEAMS_TO_KEEP, has the"
                " name already. Rename that team in Swit, or the group.",
            )


def _never_given_away(owners: Owners, standing: Standing, policy: Policy) -> set[str]:
    """Names of teams that keep theirs, of Swit's own, and all in `SWIT_TEAMS_TO_KEEP`."""
    stays = (standing.fixed | owners.own) - standing.marked
    stays |= {team for key, team in owners.team_of.items() if key in standing.unnamed}
    taken = {name_key(owners.teams[team].name) for team in stays}
    taken |= {name_key(text) for text in policy.teams_to_keep if not is_pattern(text)}
    return taken | {name_key(UNASSIGNED)}


def _kept_name(present: str, group: Group, taken: set[str]) -> str | None:
    """The name of a team that is called as its group already, or so with ` (n)`."""
    for name in group.names:
        suffix = number_suffix(present, name)
        if suffix is not None and name_key(present) not in taken:
            return name + suffix
    return None


def _new_name(group: Group, taken: set[str], is_kept: Callable[[str], bool]) -> str | None:
    """The first of the group's names that is free, numbered if need be; `None`: all are kept."""
    for wanted in group.names:
        free = (name for name in numbered(wanted) if name_key(name) not in taken)
        for name in islice(free, _MOST_KEPT_NAMES_PASSED):
            if not is_kept(name_key(name)):
                return name
    return None


@dataclass(frozen=True, kw_only=True)
class Parents:
    """Where groups' teams belong."""

    wanted: Mapping[str, str]
    """Group key -> its team's parent, as a team id or `new:team:...`; those that stay put lack."""
    depth: Mapping[str, int]
    """Group key -> steps below the root, or below a team that stays put, in the wanted tree."""
    findings: tuple[Finding, ...]


class _Forest:
    """Teams joined below one another; `top` is found fast by shortening the way as it is gone."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def join(self, team: str, parent: str) -> None:
        self._up[team] = parent

    def top(self, team: str) -> str:
        way = []
        while team in self._up:
            way.append(team)
            team = self._up[team]
        for passed in way:
            self._up[passed] = team
        return team


def choose_parents(groups: Mapping[str, Group], owners: Owners, standing: Standing) -> Parents:
    """In directory order: Swit's present parent if a group says so, else the first that can be."""
    forest = _Forest()
    for team_id, team in owners.teams.items():
        is_groups = team_id in owners.group_of
        if (not is_groups or standing.stays_put(team_id)) and team.parent_id is not None:
            forest.join(team_id, team.parent_id)
    node = {key: owners.team_of.get(key, group.new_team) for key, group in groups.items()}
    has_team = owners.team_of.keys() | set(standing.created)
    chosen: dict[str, str | None] = {}
    findings: list[Finding] = []
    for key, group in groups.items():
        if key not in has_team or standing.stays_put(node[key]):
            continue
        chosen[key] = None
        for parent in _in_preference(group, owners, has_team):
            if forest.top(node[parent]) != node[key]:
                chosen[key] = parent
                break
            findings.append(_ring(group, groups[parent]))
        above = chosen[key]
        forest.join(node[key], owners.root if above is None else node[above])
    wanted = {k: owners.root if up is None else node[up] for k, up in chosen.items()}
    return Parents(wanted=wanted, depth=_depths(chosen), findings=tuple(findings))


def _in_preference(group: Group, owners: Owners, has_team: set[str]) -> Iterator[str]:
    team = owners.team_of.get(group.key)
    above = owners.teams[team].parent_id if team is not None else None
    present = owners.group_of.get(above) if above is not None else None
    near = [parent for parent in group.parents if parent in has_team]
    yield from (parent for parent in near if parent == present)
    yield from (parent for parent in near if parent != present)


def _depths(chosen: Mapping[str, str | None]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for start in chosen:
        way = []
        key: str | None = start
        while key is not None and key in chosen and key not in depth:
            way.append(key)
            key = chosen[key]
        above = depth.get(key, 0) if key is not None else 0
        for passed in reversed(way):
            above += 1
            depth[passed] = above
    return depth


def _ring(group: Group, parent: Group) -> Finding:
    return Finding(
        kind="parent passed over",
        subject=group.dn,
        side="swit",
        message=f"Its team can't be below that of {parent.dn}, which is below its own; that"
        " parent is passed over. Move the teams in Swit, or mend the ring in the directory.",
    )
