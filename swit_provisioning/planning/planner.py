"""The planner: from the directory and the organisation as read, to the plan that joins them.

Pure functions, one module a noun; rules are told where they are applied. The same input gives
the same plan, in whatever order its rows come.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from swit_provisioning.planning import baselines as counted
from swit_provisioning.planning.actions import STEPS
from swit_provisioning.planning.convergence import sift
from swit_provisioning.planning.exemptions import exemptions_after, named_earlier
from swit_provisioning.planning.findings import (
    bad_records,
    in_order,
    organisation_findings,
    unmanaged_teams,
    unread,
)
from swit_provisioning.planning.match_teams import (
    Group,
    Groups,
    Owners,
    Team,
    find_owners,
    read_groups,
)
from swit_provisioning.planning.match_users import People, match_people
from swit_provisioning.planning.membership_changes import Members
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import (
    Binding,
    Change,
    Plan,
    Policy,
    TeamBefore,
    removals_by_team,
)
from swit_provisioning.planning.snapshots import (
    Accounts,
    DirectorySnapshot,
    Entries,
    Links,
    OrganizationSnapshot,
    read_accounts,
    read_entries,
    read_links,
)
from swit_provisioning.planning.team_changes import plan_sorts, plan_team_calls
from swit_provisioning.planning.team_layout import (
    Parents,
    Standing,
    choose_parents,
    numbered_names,
    settle_with_names,
    without_a_name,
)
from swit_provisioning.planning.user_changes import UserPlan, plan_users


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """Both sides, and what is taken out of their frames once."""

    directory: DirectorySnapshot
    swit: OrganizationSnapshot
    entries: Entries
    accounts: Accounts
    links: Links
    scope: Groups

    @classmethod
    def of(
        cls,
        directory: DirectorySnapshot,
        swit: OrganizationSnapshot,
        policy: Policy,
        memory: Memory,
    ) -> Self:
        """Take the frames apart."""
        links = read_links(directory)
        return cls(
            directory=directory,
            swit=swit,
            entries=read_entries(directory.users),
            accounts=read_accounts(swit.users),
            links=links,
            scope=read_groups(directory, links, policy, memory),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The parts, each of which rests on those before it."""

    people: People
    users: UserPlan
    members: Members
    owners: Owners
    standing: Standing
    names: Mapping[str, str]
    """What teams are to be called, as `Names.wanted` has it."""
    parents: Parents


def decide(read: Read, policy: Policy, memory: Memory) -> Decisions:
    """Decide all of it; both reads must be complete (`baselines.is_complete`)."""
    directory, swit, scope = read.directory, read.swit, read.scope
    me = swit.facts.authorised_user_id
    people = match_people(read.entries, read.accounts, policy, memory, me)
    users = plan_users(people, policy, memory, unread(directory, "phone_number"))
    members = Members(read.links, swit, people, users, scope)
    owners = find_owners(scope, directory, swit, policy, memory, members.wanted_in)
    standing, names = settle_with_names(scope.in_scope, owners, policy)
    return Decisions(
        people=people,
        users=users,
        members=members,
        owners=owners,
        standing=standing,
        names=names,
        parents=choose_parents(scope.in_scope, owners, standing),
    )


def teams_around(changes: Iterable[Change], teams: Mapping[str, Team]) -> tuple[TeamBefore, ...]:
    """The teams that change, as read, and all above them, before and after; none if none does."""
    near: set[str] = set()
    for team_id in _touched(changes):
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


def _touched(changes: Iterable[Change]) -> Iterator[str]:
    """Ids of teams that are made, changed, deleted, sorted, or come to be above such a team."""
    for change in changes:
        if change.action.startswith("team."):
            yield change.object_id
            if parent := change.after.get("parent_id"):
                yield parent


def make_plan(
    directory: DirectorySnapshot, swit: OrganizationSnapshot, policy: Policy, memory: Memory
) -> Plan:
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


def _who_goes_with(swit: OrganizationSnapshot, goes: Mapping[str, str]) -> dict[str, list[str]]:
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
