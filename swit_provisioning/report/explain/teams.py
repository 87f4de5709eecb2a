"""A team explained: its group, its place, and what becomes of it."""

from swit_provisioning.planning.dn import reference_key
from swit_provisioning.planning.match_teams import Group
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import Plan, Policy
from swit_provisioning.planning.planner import Decisions, Read
from swit_provisioning.planning.snapshots import NONE, column
from swit_provisioning.report.explain.lookup import Team
from swit_provisioning.report.explain.model import (
    GroupFacts,
    TeamExplained,
    TeamFacts,
    consequence,
)


def rule_of_team(team: Team, read: Read, decided: Decisions, policy: Policy, memory: Memory) -> str:
    """What decided, by the group, else by the team alone."""
    if team.group is not None and team.group in read.scope.in_scope:
        return _of_group(read.scope.in_scope[team.group], read, decided, policy, memory)
    if team.group is not None:
        return (
            "TEAMS_TO_EXCLUDE names the group, by its name, an earlier one or a part of its DN: it"
            " is out of scope, and its team, if it has one, is left alone."
        )
    assert team.team is not None  # noqa: S101 - one of the two is there
    return _of_team(team.team, decided, policy)


def _of_group(group: Group, read: Read, decided: Decisions, policy: Policy, memory: Memory) -> str:
    owners, standing = decided.owners, decided.standing
    team = owners.team_of.get(group.key)
    if team is None:
        return _without_team(group, read, decided, policy)
    known = _how(group, team, decided, policy, memory)
    if team in owners.kept:
        return f"{known} SWIT_TEAMS_TO_KEEP names it: it is never changed, moved or deleted."
    name = decided.names.get(team)
    if group.key in standing.unnamed:
        known += " The group has no name that a team may have: the team keeps its own."
    elif name is not None and name not in group.names and name != owners.teams[team].name:
        known += f" It is called {name}, as another team has the group's name."
    if team in standing.put:
        known += " It stays where it is: no parent of the group has a team."
    return known


def _without_team(group: Group, read: Read, decided: Decisions, policy: Policy) -> str:
    if group.key in decided.standing.unnamed:
        why = "no usable name" if not group.names else "no name that SWIT_TEAMS_TO_KEEP leaves free"
        return f"The group has {why}, so no team is made for it. Give it another name."
    if "team.create" in policy.disabled_actions:
        return "The group has no team, and DISABLED_ACTIONS keeps one from being made."
    name = decided.names.get(group.new_team, group.names[0])
    above = _name_of(decided.parents.wanted.get(group.key, decided.owners.root), read, decided)
    return f'The group has no team: "{name}" is made, below "{above}".'


def _name_of(team: str, read: Read, decided: Decisions) -> str:
    """What a team is called, one that the plan makes too."""
    if team in decided.owners.teams:
        return decided.names.get(team, decided.owners.teams[team].name)
    made = {group.new_team: group.names for group in read.scope.in_scope.values()}
    return decided.names.get(team) or next(iter(made.get(team, ())), team)


def _how(group: Group, team_id: str, decided: Decisions, policy: Policy, memory: Memory) -> str:
    """How a group's team is known to be its."""
    team = decided.owners.teams[team_id]
    if memory.groups.get(group.directory_id) == team_id:
        return "The team is the group's: a plan that was applied before left it so."
    if reference_key(team.reference) in group.references:
        return "The team is the group's: its reference is a key of the group."
    return (
        "The team is called as the group, which has no other, and becomes its team"
        f" (UNMANAGED_TEAMS={policy.unmanaged_teams})."
    )


def _of_team(team_id: str, decided: Decisions, policy: Policy) -> str:
    owners = decided.owners
    if team_id in owners.own:
        return "The team is Swit's own (the organisation itself, or Unassigned): never touched."
    if team_id in owners.kept:
        return (
            "SWIT_TEAMS_TO_KEEP names the team, or TEAMS_TO_EXCLUDE its group: it is never changed,"
            " moved, deleted or given other members."
        )
    return _of_nobodys(team_id, decided, policy)


def _of_nobodys(team_id: str, decided: Decisions, policy: Policy) -> str:
    """A team that is left or unmanaged."""
    is_left = team_id in decided.owners.left
    told = decided.owners.why_nobodys(team_id).capitalize()
    value = policy.team_removal if is_left else policy.unmanaged_teams
    setting = f"({'TEAM_REMOVAL' if is_left else 'UNMANAGED_TEAMS'}={value})."
    if team_id in decided.standing.goes:
        return f"{told}: it is deleted {setting}"
    if team_id in decided.standing.marked:
        return f"{told}: it is renamed as removed {setting}"
    if value == "delete" and "team.delete" in policy.disabled_actions:
        return f"{told}, but DISABLED_ACTIONS keeps it from being deleted {setting}"
    if value == "delete":
        return f"{told}, but a team that stays is below it, so it stays too {setting}"
    return f"{told}: it is left as it is {setting}"


def explain_team(
    team: Team, read: Read, decided: Decisions, policy: Policy, memory: Memory, plan: Plan
) -> TeamExplained:
    """All that can be said."""
    group = _found(team, read)
    facts = _group(group, read) if group else None
    seen = _team(team.team, read, decided) if team.team is not None else None
    ids = {team.team} if team.team is not None else set[str]()
    ids |= {group.new_team} if group else set()
    subjects = [*((seen.name,) if seen else ()), *((group.dn,) if group else ())]
    rule = rule_of_team(team, read, decided, policy, memory)
    title = seen.name if seen else (facts.names or (facts.dn,))[0] if facts else ""
    return TeamExplained(
        title=title, group=facts, team=seen, consequence=consequence(rule, plan, ids, subjects)
    )


def _found(team: Team, read: Read) -> Group | None:
    if team.group is not None and team.group in read.scope.in_scope:
        return read.scope.in_scope[team.group]
    return next((group for group in read.scope.excluded if group.key == team.group), None)


def _group(group: Group, read: Read) -> GroupFacts:
    rows = read.directory.groups
    row = column(rows, "key").index(group.key)
    mine = read.links.group == row
    people = mine & (read.entries.place_of_row[read.links.user] != NONE)
    groups = mine & (read.links.nested != NONE)
    scope = read.scope.in_scope
    return GroupFacts(
        dn=group.dn,
        base=column(rows.iloc[row : row + 1], "base")[0],
        names=tuple(column(rows.iloc[row : row + 1], "names")[0] or ()),
        parents=tuple((scope[key].names or (scope[key].dn,))[0] for key in group.parents),
        people=int(people.sum()),
        groups=int(groups.sum()),
        unknown=int((mine & ~people & ~groups).sum()),
    )


def _team(team_id: str, read: Read, decided: Decisions) -> TeamFacts:
    teams = decided.owners.teams
    team = teams[team_id]
    above: list[str] = []
    parent = team.parent_id
    # A complete read has a parent for each team but one, and no ring.
    while parent is not None:
        above.insert(0, teams[parent].name)
        parent = teams[parent].parent_id
    return TeamFacts(
        team_id=team_id,
        name=team.name,
        above=tuple(above),
        reference=team.reference,
        members=int((read.swit.memberships["team_id"] == team_id).sum()),
    )
