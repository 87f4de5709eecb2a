"""Under which team each group's team belongs: a choice for each group that closes no ring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.standing import Standing
from swit_provisioning.reconcile.teams import Owners


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
