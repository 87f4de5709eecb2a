"""The planner: from the directory and the organisation as read, to the plan that joins them.

Pure functions, one module a noun; rules are told where they are applied. The same input gives
the same plan, in whatever order its rows come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from swit_provisioning.reconcile import bases as counted
from swit_provisioning.reconcile.changes import removals_by_team
from swit_provisioning.reconcile.columns import Accounts, Entries, read_accounts, read_entries
from swit_provisioning.reconcile.findings import bad_records, in_order, unread
from swit_provisioning.reconcile.groups import Group, Groups, read_groups
from swit_provisioning.reconcile.links import Links, read_links
from swit_provisioning.reconcile.members import Members
from swit_provisioning.reconcile.order import plan_sorts
from swit_provisioning.reconcile.organisation_records import organisation_findings
from swit_provisioning.reconcile.parents import choose_parents
from swit_provisioning.reconcile.people import match_people
from swit_provisioning.reconcile.plan import STEPS, Binding, Plan
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.standing import Standing
from swit_provisioning.reconcile.state import DirectoryState, Memory, SwitState
from swit_provisioning.reconcile.sticking import sift
from swit_provisioning.reconcile.surroundings import teams_around
from swit_provisioning.reconcile.team_names import (
    numbered_names,
    settle_with_names,
    without_a_name,
)
from swit_provisioning.reconcile.team_steps import plan_team_calls
from swit_provisioning.reconcile.teams import Owners, find_owners
from swit_provisioning.reconcile.users import plan_users


def reconcile(directory: DirectoryState, swit: SwitState, policy: Policy, memory: Memory) -> Plan:
    """Make the plan after which Swit follows the directory, and the next plan is empty.

    A read that can't be complete plans nothing; the guards then say why.
    """
    read = _Read.of(directory, swit, policy)
    bases = counted.count_reads(directory, swit, read.entries)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """Both sides, and what is taken out of their frames once."""

    directory: DirectoryState
    swit: SwitState
    entries: Entries
    accounts: Accounts
    links: Links
    scope: Groups

    @classmethod
    def of(cls, directory: DirectoryState, swit: SwitState, policy: Policy) -> Self:
        links = read_links(directory)
        return cls(
            directory=directory,
            swit=swit,
            entries=read_entries(directory.users),
            accounts=read_accounts(swit.users),
            links=links,
            scope=read_groups(directory, links, policy),
        )


def _planned(plan: Plan, read: _Read, policy: Policy, memory: Memory) -> Plan:
    """The plan with all that is decided: one part after the other, each on what came before."""
    directory, swit, scope = read.directory, read.swit, read.scope
    entries, accounts = read.entries, read.accounts
    me = swit.facts.authorised_user_id
    people = match_people(entries, accounts, policy, memory, me)
    users = plan_users(people, policy, memory, unread(directory, "phone_number"))
    groups = scope.in_scope
    members = Members(read.links, swit, people, users, scope)
    owners = find_owners(scope, directory, swit, policy, memory, members.wanted_in)
    standing, names = settle_with_names(groups, owners, policy)
    parents = choose_parents(groups, owners, standing)
    teams = plan_team_calls(
        groups, owners, standing, parents, names, _who_goes_with(swit, standing.goes)
    )
    sorts = plan_sorts(groups, owners, teams.tree)
    changes = [
        *users.changes,
        *teams.changes,
        *(sorts if "team.sort" not in policy.disabled_actions else ()),
        *members.plan(owners, standing, teams.tree, policy),
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
        *sifted.findings,
    )
    lost = removals_by_team(sifted.changes)
    never = counted.never_deactivated(accounts, me, policy)
    return replace(
        plan,
        changes=sifted.changes,
        held=sifted.held,
        findings=in_order(findings, directory.facts),
        bindings=_bindings(members, owners, standing, groups),
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
