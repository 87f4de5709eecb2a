"""The planner: from the directory and the organisation as read, to the plan that joins them.

Pure functions, one module a noun; rules are told where they are applied. The same input gives
the same plan, in whatever order its rows come.
"""

from collections.abc import Mapping
from dataclasses import replace

from swit_provisioning.reconcile import bases as counted
from swit_provisioning.reconcile.adoption import unmanaged_teams
from swit_provisioning.reconcile.changes import removals_by_team
from swit_provisioning.reconcile.decisions import Read, decide
from swit_provisioning.reconcile.exemptions import exemptions_after, named_earlier
from swit_provisioning.reconcile.findings import bad_records, in_order
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.members import Members
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.order import plan_sorts
from swit_provisioning.reconcile.organisation_records import organisation_findings
from swit_provisioning.reconcile.plan import STEPS, Binding, Plan
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.standing import Standing
from swit_provisioning.reconcile.state import DirectoryState, SwitState
from swit_provisioning.reconcile.sticking import sift
from swit_provisioning.reconcile.surroundings import teams_around
from swit_provisioning.reconcile.team_names import (
    numbered_names,
    without_a_name,
)
from swit_provisioning.reconcile.team_steps import plan_team_calls
from swit_provisioning.reconcile.teams import Owners


def reconcile(directory: DirectoryState, swit: SwitState, policy: Policy, memory: Memory) -> Plan:
    """Make the plan after which Swit follows the directory, and the next plan is empty.

    A read that can't be complete plans nothing; the guards then say why.
    """
    read = Read.of(directory, swit, policy, memory)
    bases = counted.count_reads(directory, swit, read.entries, read.scope, policy)
    plan = Plan(
        changes=(),
        bases=bases,
        policy=policy.document(),
        findings=in_order(
            (
                *bad_records(directory, read.entries, read.links, read.scope, policy),
                *organisation_findings(swit),
            ),
            directory.facts,
        ),
        organization_id=swit.facts.organization_id,
        organization_name=swit.facts.organization_name,
        directory=directory.facts.source,
        directory_identity=directory.facts.search_base or directory.facts.source,
    )
    if not counted.is_complete(bases):
        return plan
    plan = _planned(plan, read, policy, memory)
    if not policy.disabled_actions:
        return plan
    free = replace(policy, disabled_actions=frozenset())
    without_limits = _planned(plan, read, free, memory).changes
    disabled = tuple(c for c in without_limits if c.action in policy.disabled_actions)
    return replace(plan, disabled=disabled)


def _planned(plan: Plan, read: Read, policy: Policy, memory: Memory) -> Plan:
    """The plan with all that is decided: one part after the other, each on what came before."""
    directory, swit, accounts = read.directory, read.swit, read.accounts
    decided = decide(read, policy, memory)
    people, users, owners = decided.people, decided.users, decided.owners
    standing, names, parents = decided.standing, decided.names, decided.parents
    groups = read.scope.in_scope
    teams = plan_team_calls(
        groups, owners, standing, parents, names, _who_goes_with(swit, standing.goes)
    )
    sorts = plan_sorts(groups, owners, teams.tree)
    changes = [
        *users.changes,
        *teams.changes,
        *(sorts if "team.sort" not in policy.disabled_actions else ()),
        *decided.members.plan(owners, standing, teams.tree, policy),
    ]
    place = {step: number for number, step in enumerate(STEPS)}
    changes.sort(key=lambda change: place[change.step])
    made = {groups[key].new_team for key in standing.created}
    sifted = sift(changes, memory, of_groups=owners.group_of.keys() | made)
    findings = (
        *plan.findings,
        *people.findings,
        *users.findings,
        *standing.findings,
        *without_a_name(groups, standing),
        *numbered_names(groups, owners, names),
        *parents.findings,
        *named_earlier(read.scope, owners, policy),
        *unmanaged_teams(groups, owners, decided.members, swit, policy),
        *sifted.findings,
    )
    lost = removals_by_team(sifted.changes)
    never = counted.never_deactivated(accounts, swit.facts.authorised_user_id, policy)
    return replace(
        plan,
        changes=sifted.changes,
        held=sifted.held,
        findings=in_order(findings, directory.facts),
        bindings=_bindings(decided.members, owners, standing, groups),
        exempt=exemptions_after(read.scope, owners, policy, memory),
        teams=teams_around(changes, owners.teams),
        bases=replace(
            plan.bases,
            active_users_that_may_go=counted.active_users_that_may_go(
                people, never, policy, memory
            ),
            teams_that_may_go=counted.teams_that_may_go(owners, policy),
            memberships=counted.memberships_that_count(swit, owners),
            members_by_team=counted.members_by_team(swit, lost),
            membership_removals_by_team=lost,
            protected=counted.protected_objects(people.left_alone, owners),
            never_deactivated=never,
        ),
    )


def _who_goes_with(swit: SwitState, goes: Mapping[str, str]) -> dict[str, list[str]]:
    """Team id -> ids of its members, of the teams that go."""
    members: dict[str, list[str]] = {team: [] for team in goes}
    rows = swit.memberships[swit.memberships["team_id"].isin(list(goes))]
    for team, user in sorted(zip(rows["team_id"], rows["user_id"], strict=True)):
        members[team].append(user)
    return members


def _bindings(
    members: Members, owners: Owners, standing: Standing, groups: Mapping[str, Group]
) -> tuple[Binding, ...]:
    """Who stands for whom once the plan is applied: all entries and groups, new ones too."""
    teams = [(groups[key].directory_id, team) for key, team in owners.team_of.items()]
    teams += [(groups[key].directory_id, groups[key].new_team) for key in standing.created]
    return (
        *(Binding(kind="user", directory_id=d, object_id=o) for d, o in sorted(members.bindings())),
        *(Binding(kind="group", directory_id=d, object_id=o) for d, o in sorted(teams)),
    )
