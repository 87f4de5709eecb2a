"""The planner: from two complete reads to the plan after which Swit follows the directory.

Planning is a line of pure stages; each returns one value that later stages read:
`match_users -> user_changes -> match_teams -> team_layout -> team_changes -> membership_changes`.
The same input gives the same plan, in whatever order its rows come.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from swit_provisioning.planning.actions import STEPS
from swit_provisioning.planning.baselines import count_changeable, count_reads, is_complete
from swit_provisioning.planning.convergence import hold_back
from swit_provisioning.planning.decisions import Decision
from swit_provisioning.planning.findings import (
    bad_records,
    departures_not_looked_up,
    in_order,
    organisation_findings,
    unmanaged_teams,
)
from swit_provisioning.planning.groups import Groups, read_groups, unread, wanted_memberships
from swit_provisioning.planning.match_teams import Team, TeamMatches, match_teams
from swit_provisioning.planning.match_users import UserMatches, match_users
from swit_provisioning.planning.membership_changes import membership_changes
from swit_provisioning.planning.model import Binding, Change, Plan, TeamBefore
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import (
    DirectorySnapshot,
    OrganizationSnapshot,
    People,
    read_people,
    read_users,
)
from swit_provisioning.planning.team_changes import team_changes
from swit_provisioning.planning.team_layout import TeamLayout, team_layout
from swit_provisioning.planning.user_changes import UserChanges, user_changes


def make_plan(
    directory: DirectorySnapshot,
    organization: OrganizationSnapshot,
    policy: Policy,
    memory: Memory,
) -> Plan:
    """The plan after which Swit follows the directory, and the next plan is empty.

    A plan of an incomplete read has no changes; the guards then say why.
    """
    return explained_plan(directory, organization, policy, memory).plan


@dataclass(frozen=True, kw_only=True, eq=False)
class Stages:
    """The results of the stages that `explain` shows; a plan of incomplete reads has none."""

    users: UserMatches
    user_changes: UserChanges
    teams: TeamMatches
    layout: TeamLayout
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainedPlan:
    """A plan with what it was made of, and each decision with its reason."""

    plan: Plan
    directory: DirectorySnapshot
    organization: OrganizationSnapshot
    memory: Memory
    people: People
    groups: Groups
    stages: Stages | None


def explained_plan(
    directory: DirectorySnapshot,
    organization: OrganizationSnapshot,
    policy: Policy,
    memory: Memory,
) -> ExplainedPlan:
    """The same plan as `make_plan`, with the results of its stages."""
    made = ExplainedPlan(
        plan=Plan(
            changes=(),
            policy=policy.document(),
            organization_id=organization.facts.organization_id,
            organization_name=organization.facts.organization_name,
            directory=directory.facts.source,
            directory_identity=directory.facts.search_base or directory.facts.source,
        ),
        directory=directory,
        organization=organization,
        memory=memory,
        people=read_people(directory.users),
        groups=read_groups(directory, policy, memory),
        stages=None,
    )
    baselines = count_reads(directory, organization, made.people, made.groups, policy)
    bad = bad_records(directory, made.people, made.groups, policy)
    findings = in_order((*bad, *organisation_findings(organization)), directory.facts)
    made = replace(made, plan=replace(made.plan, baselines=baselines, findings=findings))
    if not is_complete(baselines):
        return made
    disabled: tuple[Change, ...] = ()
    if policy.disabled_actions:
        free = replace(policy, disabled_actions=frozenset())
        everything = _planned(made, free).plan.changes
        disabled = tuple(c for c in everything if c.action in policy.disabled_actions)
    made = _planned(made, policy)
    return replace(made, plan=replace(made.plan, disabled=disabled))


def _planned(read: ExplainedPlan, policy: Policy) -> ExplainedPlan:
    """Run the stages, one after the other, and put their results together."""
    directory, organization, memory = read.directory, read.organization, read.memory
    scope = read.groups.in_scope
    users = match_users(
        read.people,
        read_users(organization.users),
        policy,
        memory,
        organization.facts.authorised_user_id,
        directory.facts.whereabouts,
    )
    accounts = user_changes(users, policy, memory, unread(directory, "phone_number"))
    wanted = wanted_memberships(directory, read.groups, users.users, accounts)
    teams = match_teams(read.groups, directory, organization, policy, memory, wanted)
    layout = team_layout(scope, teams, policy)
    structure = team_changes(scope, teams, layout, organization, policy)
    memberships = membership_changes(
        wanted, scope, organization, users, accounts, teams, structure.tree, policy
    )
    place = {step: number for number, step in enumerate(STEPS)}
    changes = sorted(
        (*accounts.changes, *structure.changes, *memberships),
        key=lambda change: place[change.step],
    )
    sorted_teams = teams.group_of.keys() | layout.new_teams
    converging = hold_back(changes, memory, of_groups=sorted_teams)
    plan = read.plan
    findings = (
        *plan.findings,
        *users.findings,
        *accounts.findings,
        *teams.findings,
        *layout.findings,
        *departures_not_looked_up(directory.facts, changes),
        *unmanaged_teams(scope, teams, wanted, organization, policy),
        *converging.findings,
    )
    plan = replace(
        plan,
        changes=converging.changes,
        held=converging.held,
        findings=in_order(findings, directory.facts),
        bindings=_bindings(read, accounts, teams, layout),
        exempt=teams.exempt,
        teams=teams_around(changes, teams.teams),
        baselines=count_changeable(
            plan.baselines, organization, users, teams, converging.changes, policy, memory
        ),
    )
    stages = Stages(
        users=users,
        user_changes=accounts,
        teams=teams,
        layout=layout,
        decisions=(
            *users.decisions,
            *accounts.decisions,
            *teams.decisions,
            *layout.decisions,
        ),
    )
    return replace(read, plan=plan, stages=stages)


def _bindings(
    read: ExplainedPlan, changes: UserChanges, teams: TeamMatches, layout: TeamLayout
) -> tuple[Binding, ...]:
    """The matches once the plan is applied, of all people and groups, created ones too."""
    users = [
        (person.directory_id, changes.user_of[person.key])
        for person in read.people.enabled
        if person.key in changes.user_of
    ]
    groups = read.groups.in_scope
    matched = [(groups[key].directory_id, team) for key, team in teams.team_of.items()]
    created = [(groups[key].directory_id, groups[key].new_team) for key in layout.fates.created]
    return (
        *(Binding(kind="user", directory_id=d, object_id=o) for d, o in sorted(users)),
        *(
            Binding(kind="group", directory_id=d, object_id=o)
            for d, o in sorted((*matched, *created))
        ),
    )


def teams_around(changes: Iterable[Change], teams: Mapping[str, Team]) -> tuple[TeamBefore, ...]:
    """The teams that change, as read, and all teams above them before and after the plan."""
    near: set[str] = set()
    of_teams = [change for change in changes if change.action.startswith("team.")]
    waiting = [change.object_id for change in of_teams]
    waiting += (change.after["parent_id"] for change in of_teams if "parent_id" in change.after)
    for team_id in waiting:
        here: str | None = team_id
        while here is not None and here in teams and here not in near:
            near.add(here)
            here = teams[here].parent_id
    if not near:
        return ()
    left_out = Counter(
        team.parent_id for team in teams.values() if team.team_id not in near and team.parent_id
    )
    return tuple(
        TeamBefore(
            team_id=team.team_id,
            name=team.name,
            parent_id=team.parent_id,
            others=left_out[team.team_id],
        )
        for team in teams.values()
        if team.team_id in near
    )
