"""A team explained: its group, its place, and what becomes of it."""

from swit_provisioning.reconcile.columns import NONE, column
from swit_provisioning.reconcile.decisions import Decisions, Read
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.report.explanation import (
    GroupFacts,
    TeamExplained,
    TeamFacts,
    consequence,
)
from swit_provisioning.report.subjects import Team
from swit_provisioning.report.team_rules import rule_of_team


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
