"""The wanted layout of the teams: what happens to each team, its name and its parent."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from swit_provisioning.planning.decisions import Decision, Rule
from swit_provisioning.planning.groups import Group
from swit_provisioning.planning.match_teams import UNASSIGNED, TeamMatches
from swit_provisioning.planning.model import Finding
from swit_provisioning.planning.normalize import (
    REMOVED,
    free_name,
    is_pattern,
    matcher,
    name_key,
    number_suffix,
    numbered,
)
from swit_provisioning.planning.policy import Policy

Groups = Mapping[str, Group]
"""The groups in scope by key, in directory order."""


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What happens to every team, without regard to names and parents."""

    deleted: Mapping[str, str]
    """Teams to delete -> why."""
    marked: frozenset[str]
    """Teams to rename to `(removed) ...`."""
    fixed: frozenset[str]
    """Teams whose name, parent and reference do not change (of marked ones only the name does)."""
    in_place: frozenset[str]
    """Groups' teams that keep their parent: no parent of the group has a team, or is readable."""
    created: tuple[str, ...]
    """Keys of the groups that get a team, in directory order."""
    unnamed: frozenset[str]
    """Keys of groups without a possible team name. They get no team; an existing one keeps its."""
    spared: frozenset[str]
    """Teams that would be deleted, but have a team below them that stays."""

    def keeps_parent(self, team_id: str) -> bool:
        """Whether the plan neither moves nor deletes this team."""
        return team_id in self.fixed or team_id in self.in_place


@dataclass(frozen=True, kw_only=True)
class TeamLayout:
    """What happens to every team, what teams are called, and where they belong."""

    fates: Fates
    names: Mapping[str, str]
    """Team id, or `new:team:...`, -> wanted name, of each team whose name may change."""
    parents: Mapping[str, str]
    """Group key -> wanted parent of its team, an id or `new:team:...`; absent if it stays."""
    depth: Mapping[str, int]
    """Group key -> steps below the root, or below a team that keeps its parent."""
    new_teams: frozenset[str]
    """The ids `new:team:...` of the teams that the plan creates."""
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]


def team_layout(groups: Groups, teams: TeamMatches, policy: Policy) -> TeamLayout:
    """Decide what happens to every team, and where it belongs."""
    # A group without a possible name gets no team, which may free other names or take them.
    unnamed = frozenset(key for key, group in groups.items() if not group.names)
    while True:
        fates = _fates(groups, teams, policy, unnamed)
        names, missing = _choose_names(groups, teams, fates, policy)
        if not missing:
            break
        unnamed |= missing
    node = {key: teams.team_of.get(key, group.new_team) for key, group in groups.items()}
    chosen, passed_over = _choose_parents(groups, teams, fates, node)
    parents = {key: teams.root if up is None else node[up] for key, up in chosen.items()}
    return TeamLayout(
        fates=fates,
        names=names,
        parents=parents,
        depth=_depths(chosen),
        new_teams=frozenset(groups[key].new_team for key in fates.created),
        findings=(*_findings(groups, teams, fates, names), *passed_over),
        decisions=(
            *_decisions_of_groups(groups, teams, fates, names, parents, policy),
            *_decisions_of_teams(teams, fates, policy),
        ),
    )


def _fates(groups: Groups, teams: TeamMatches, policy: Policy, unnamed: frozenset[str]) -> Fates:
    deleted: dict[str, str] = {}
    if "team.delete" not in policy.disabled_actions:
        if policy.team_removal == "delete":
            deleted |= {team: teams.why_without_group(team) for team in teams.left}
        if policy.unmanaged_teams == "delete":
            deleted |= {
                team: f"{teams.why_without_group(team)}: UNMANAGED_TEAMS"
                for team in teams.unmanaged
            }
    updates = "team.update" not in policy.disabled_actions
    marked: frozenset[str] = frozenset()
    if policy.team_removal == "mark" and updates:
        marked = frozenset(team for team in teams.left if not teams.teams[team].is_marked)
    fixed = set(teams.teams) - set(deleted) - set(teams.group_of)
    fixed |= teams.kept if updates else teams.kept | set(teams.group_of)
    created: tuple[str, ...] = ()
    if "team.create" not in policy.disabled_actions:
        created = tuple(key for key in groups if key not in teams.team_of and key not in unnamed)
    has_team = teams.team_of.keys() | set(created)
    in_place = {
        team
        for key, team in teams.team_of.items()
        if team not in fixed
        and (
            groups[key].place_unknown
            or (groups[key].parents and has_team.isdisjoint(groups[key].parents))
        )
    }
    spared: set[str] = set()
    for child in fixed | in_place:
        parent = teams.teams[child].parent_id
        while parent is not None and parent in deleted and parent not in spared:
            spared.add(parent)
            parent = teams.teams[parent].parent_id
    return Fates(
        deleted={
            team: deleted[team] for team in teams.teams if team in deleted and team not in spared
        },
        marked=marked,
        fixed=frozenset(fixed | spared),
        in_place=frozenset(in_place),
        created=created,
        unnamed=unnamed,
        spared=frozenset(spared),
    )


_MOST_KEPT_NAMES_PASSED = 20


def _choose_names(
    groups: Groups, teams: TeamMatches, fates: Fates, policy: Policy
) -> tuple[dict[str, str], set[str]]:
    """Wanted names by team id, and keys of the groups for which there is none.

    Teams that have their group's name already come first, then groups in directory order.
    """
    wanted: dict[str, str] = {}
    taken = _never_given_away(teams, fates, policy)
    is_kept = matcher(policy.teams_to_keep, name_key)
    homeless: list[tuple[str, Group]] = []
    missing: set[str] = set()
    for key, group in groups.items():
        team = teams.team_of.get(key)
        fixed = team in fates.fixed if team is not None else key not in fates.created
        if fixed or key in fates.unnamed:
            continue
        kept = _kept_name(teams.teams[team].name, group, taken) if team is not None else None
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
    for team_id in sorted(fates.marked):
        wanted[team_id] = free_name(REMOVED + teams.teams[team_id].name, taken.__contains__)
        taken.add(name_key(wanted[team_id]))
    return wanted, missing


def _never_given_away(teams: TeamMatches, fates: Fates, policy: Policy) -> set[str]:
    """Names of teams that keep theirs, of Swit's own, and all in `SWIT_TEAMS_TO_KEEP`."""
    stays = (fates.fixed | teams.own) - fates.marked
    stays |= {team for key, team in teams.team_of.items() if key in fates.unnamed}
    taken = {name_key(teams.teams[team].name) for team in stays}
    taken |= {name_key(text) for text in policy.teams_to_keep if not is_pattern(text)}
    return taken | {name_key(UNASSIGNED)}


def _kept_name(present: str, group: Group, taken: set[str]) -> str | None:
    """The name of a team that has its group's name already, also with ` (n)`."""
    for name in group.names:
        suffix = number_suffix(present, name)
        if suffix is not None and name_key(present) not in taken:
            return name + suffix
    return None


def _new_name(group: Group, taken: set[str], is_kept: Callable[[str], bool]) -> str | None:
    """The first of the group's names that is free, numbered if necessary; `None`: all are kept."""
    for wanted in group.names:
        free = (name for name in numbered(wanted) if name_key(name) not in taken)
        for name in islice(free, _MOST_KEPT_NAMES_PASSED):
            if not is_kept(name_key(name)):
                return name
    return None


class _Forest:
    """Teams joined below one another; `top` shortens the paths that it follows."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def join(self, team: str, parent: str) -> None:
        self._up[team] = parent

    def top(self, team: str) -> str:
        path = []
        while team in self._up:
            path.append(team)
            team = self._up[team]
        for passed in path:
            self._up[passed] = team
        return team


def _choose_parents(
    groups: Groups, teams: TeamMatches, fates: Fates, node: Mapping[str, str]
) -> tuple[dict[str, str | None], list[Finding]]:
    """Group key -> key of the parent group, `None` for the root; and parents passed over.

    In directory order; Swit's present parent if it is among the group's, else the first possible.
    `node` has the id of each group's team.
    """
    forest = _Forest()
    for team_id, team in teams.teams.items():
        is_groups = team_id in teams.group_of
        if (not is_groups or fates.keeps_parent(team_id)) and team.parent_id is not None:
            forest.join(team_id, team.parent_id)
    has_team = teams.team_of.keys() | set(fates.created)
    chosen: dict[str, str | None] = {}
    findings: list[Finding] = []
    for key, group in groups.items():
        if key not in has_team or fates.keeps_parent(node[key]):
            continue
        above = teams.teams[node[key]].parent_id if key in teams.team_of else None
        chosen[key] = None
        for parent in sorted(group.parents, key=lambda parent: node[parent] != above):
            if parent not in has_team:
                continue
            if forest.top(node[parent]) != node[key]:
                chosen[key] = parent
                break
            findings.append(
                Finding(
                    kind="parent ignored",
                    subject=group.dn,
                    side="swit",
                    message=f"The group's team cannot be below the team of {groups[parent].dn},"
                    " because that team is below it. This parent is ignored. Move the teams in"
                    " Swit, or remove the circular membership in the directory.",
                )
            )
        up = chosen[key]
        forest.join(node[key], teams.root if up is None else node[up])
    return chosen, findings


def _depths(chosen: Mapping[str, str | None]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for start in chosen:
        path = []
        key: str | None = start
        while key is not None and key in chosen and key not in depth:
            path.append(key)
            key = chosen[key]
        above = depth.get(key, 0) if key is not None else 0
        for passed in reversed(path):
            above += 1
            depth[passed] = above
    return depth


def _findings(
    groups: Groups, teams: TeamMatches, fates: Fates, names: Mapping[str, str]
) -> Iterator[Finding]:
    """Teams that stay for a team below them, and groups whose names are taken."""
    for team in fates.spared:
        yield Finding(
            kind="team not deleted",
            subject=teams.teams[team].name,
            side="swit",
            message="The team is not deleted, because a team below it is not deleted. Move or"
            " delete the team below it in Swit.",
        )
    for key, group in groups.items():
        if key in fates.unnamed and group.names:
            yield Finding(
                kind="reserved team name",
                subject=group.dn,
                message=f"The group's name {group.names[0]} matches a pattern in"
                " SWIT_TEAMS_TO_KEEP. No team is created for the group, and an existing team keeps"
                " its name. Give the group another name.",
            )
        name = names.get(teams.team_of.get(key, group.new_team))
        if name is not None and name_key(name) not in map(name_key, group.names):
            yield Finding(
                kind="team name conflict",
                subject=group.dn,
                side="swit",
                message=f"The group's team is called {name}, because another team or"
                " SWIT_TEAMS_TO_KEEP has the group's name. Rename that team in Swit, or rename"
                " the group.",
            )


def _decisions_of_groups(
    groups: Groups,
    teams: TeamMatches,
    fates: Fates,
    names: Mapping[str, str],
    parents: Mapping[str, str],
    policy: Policy,
) -> Iterator[Decision]:
    shown = {team.team_id: team.name for team in teams.teams.values()} | dict(names)
    for key, group in groups.items():
        team = teams.team_of.get(key)
        if team is None and key in fates.unnamed:
            rule = Rule.NO_TEAM_NO_FREE_NAME if group.names else Rule.NO_TEAM_NO_NAME
            yield Decision("group", key, rule)
        elif team is None and "team.create" in policy.disabled_actions:
            yield Decision("group", key, Rule.NO_TEAM_DISABLED)
        elif team is None:
            values = {"name": names[group.new_team], "parent": shown[parents[key]]}
            yield Decision("group", key, Rule.TEAM_CREATED, values)
        elif team not in teams.kept:
            name = names.get(team)
            if key in fates.unnamed:
                yield Decision("group", key, Rule.NO_FREE_NAME)
            elif name not in {None, teams.teams[team].name, *group.names}:
                yield Decision("group", key, Rule.NUMBERED, {"name": str(name)})
            if team in fates.in_place:
                yield Decision("group", key, Rule.STAYS_IN_PLACE)


def _decisions_of_teams(teams: TeamMatches, fates: Fates, policy: Policy) -> Iterator[Decision]:
    for team in sorted(teams.left | teams.unmanaged):
        is_left = team in teams.left
        removal = policy.team_removal if is_left else policy.unmanaged_teams
        values = {
            "why": teams.why_without_group(team).capitalize(),
            "setting": f"{'TEAM_REMOVAL' if is_left else 'UNMANAGED_TEAMS'}={removal}",
        }
        if team in fates.deleted:
            yield Decision("team", team, Rule.TEAM_DELETED, values)
        elif team in fates.marked:
            yield Decision("team", team, Rule.TEAM_MARKED, values)
        elif removal != "delete":
            yield Decision("team", team, Rule.TEAM_LEFT_AS_IT_IS, values)
        elif "team.delete" in policy.disabled_actions:
            yield Decision("team", team, Rule.TEAM_DELETION_DISABLED, values)
        else:
            yield Decision("team", team, Rule.TEAM_BELOW_STAYS, values)
