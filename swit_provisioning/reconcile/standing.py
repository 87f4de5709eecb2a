"""What becomes of each team: it goes, is marked, may change, or stays put; which are made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.teams import Owners, Team


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
