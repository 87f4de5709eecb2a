"""Baselines: the counts of which percentage limits are taken."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from swit_provisioning.planning.groups import Groups, read_groups
from swit_provisioning.planning.match_teams import TeamMatches
from swit_provisioning.planning.match_users import UserMatches, excludes
from swit_provisioning.planning.model import Baselines, Change, removals_by_team
from swit_provisioning.planning.normalize import clean_name
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import (
    DirectorySnapshot,
    OrganizationSnapshot,
    People,
    column,
    read_people,
)

_ADMINS = (10, 20)


def count_reads(
    directory: DirectorySnapshot,
    organization: OrganizationSnapshot,
    people: People,
    groups: Groups,
    policy: Policy,
) -> Baselines:
    """The counts of two reads, complete or not."""
    return Baselines(
        read=_read(directory, people, groups, policy),
        users=len(organization.users),
        teams=len(organization.teams),
        memberships=len(organization.memberships),
        directory=_by_base(directory, people),
        presence=directory.facts.presence,
        swit=_completeness(organization),
    )


def count_changeable(
    reads: Baselines,
    organization: OrganizationSnapshot,
    users: UserMatches,
    teams: TeamMatches,
    changes: Iterable[Change],
    policy: Policy,
    memory: Memory,
) -> Baselines:
    """The counts of two complete reads, with what the plan may and may not change."""
    lost = removals_by_team(changes)
    memberships = organization.memberships["team_id"]
    members = memberships.value_counts()
    kept = {team: teams.why_kept(team) for team in teams.kept}
    return replace(
        reads,
        active_users_that_may_go=_active_users_that_may_go(users, policy, memory),
        teams_that_may_go=_teams_that_may_go(teams, policy),
        memberships=len(memberships) - sum(int(members.get(team, 0)) for team in teams.own),
        members_by_team={team: int(members.get(team, 0)) for team in sorted(lost)},
        membership_removals_by_team=lost,
        protected={**users.left_alone, **dict.fromkeys(teams.own, "Swit's own team"), **kept},
        never_deactivated=users.never_deactivated,
    )


def directory_counts(
    directory: DirectorySnapshot, policy: Policy, memory: Memory
) -> dict[str, dict[str, int]]:
    """How many users and groups were read, by whether they are usable: `Baselines.read`."""
    groups = read_groups(directory, policy, memory)
    return _read(directory, read_people(directory.users), groups, policy)


def is_complete(baselines: Baselines) -> bool:
    """Whether both reads are complete, so that a plan may be made of them."""
    swit = baselines.swit
    return bool(
        any(base["users"] for base in baselines.directory.values())
        and swit["total_rows"] == swit["distinct_users"]
        and swit["roots"] == 1
        and swit["orphans"] == 0
        and swit["authorised_user"]
        and swit["authorised_active"]
        and swit["authorised_admin"]
    )


def _active_users_that_may_go(users: UserMatches, policy: Policy, memory: Memory) -> int:
    """Active users that a plan with these settings could deactivate or remove."""
    known = {*memory.users.values(), *users.person_of}
    return sum(
        user.active
        and user.user_id not in users.never_deactivated
        and user.user_id not in users.left_alone
        and (policy.unmanaged_users == "deactivate" or user.user_id in known)
        for user in users.users
    )


def _teams_that_may_go(teams: TeamMatches, policy: Policy) -> int:
    """Groups' teams, and the teams without a group that the settings delete or mark."""
    may_go = set(teams.group_of) - teams.kept
    if policy.team_removal != "keep":
        marks = policy.team_removal == "mark"
        may_go |= {t for t in teams.left if not (marks and teams.teams[t].is_marked)}
    if policy.unmanaged_teams == "delete":
        may_go |= teams.unmanaged
    return len(may_go)


def _by_base(directory: DirectorySnapshot, people: People) -> dict[str, dict[str, int]]:
    """Search base -> enabled people with a usable address, and groups with a name."""
    users = Counter(person.base for person in people.enabled if person.addresses)
    named = zip(*(column(directory.groups, c) for c in ("base", "names")), strict=True)
    groups = Counter(base for base, names in named if any(map(clean_name, names or ())))
    bases = sorted(read.base for read in directory.facts.bases)
    return {base: {"users": users[base], "groups": groups[base]} for base in bases}


def _read(
    directory: DirectorySnapshot, people: People, groups: Groups, policy: Policy
) -> dict[str, dict[str, int]]:
    is_out = excludes(policy)
    excluded = sum(
        bool(person.addresses) and all(map(is_out, person.addresses))
        for person in (people.enabled if policy.users_to_exclude else ())
    )
    without_address = sum(not person.addresses for person in people.enabled)
    without_name = sum(not group.names for group in groups.in_scope.values())
    left_out = directory.facts.left_out
    return {
        "users": {
            "usable": len(people.enabled) - excluded - without_address,
            "disabled": len(people.disabled),
            "excluded": excluded,
            "without an address": without_address,
            **dict(sorted(left_out.get("users", {}).items())),
        },
        "groups": {
            "usable": len(groups.in_scope) - without_name,
            "excluded": len(groups.excluded),
            "without a name": without_name,
            **dict(sorted(left_out.get("groups", {}).items())),
        },
    }


def _completeness(organization: OrganizationSnapshot) -> dict[str, Any]:
    parents, teams = (
        column(organization.teams, "parent_id"),
        set(column(organization.teams, "team_id")),
    )
    me = organization.users[organization.users["user_id"] == organization.facts.authorised_user_id]
    return {
        "total_rows": organization.facts.total_rows,
        "distinct_users": len(set(column(organization.users, "user_id"))),
        "roots": parents.count(None),
        "orphans": sum(parent is not None and parent not in teams for parent in parents),
        "authorised_user": len(me) == 1,
        "authorised_active": bool(me["active"].all()),
        "authorised_admin": bool(me["role"].isin(_ADMINS).all()),
    }
