"""The numbers that guards take their shares of, counted on what was read."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from swit_provisioning.planning.match_teams import Groups, Owners, read_groups
from swit_provisioning.planning.match_users import People, excludes, is_protected, role_name
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import Bases, Policy
from swit_provisioning.planning.normalize import address_key, clean_name
from swit_provisioning.planning.snapshots import (
    Accounts,
    DirectorySnapshot,
    Entries,
    OrganizationSnapshot,
    column,
    index_of,
    places,
    read_entries,
    read_links,
)

_ADMINS = (10, 20)


def count_reads(
    directory: DirectorySnapshot,
    swit: OrganizationSnapshot,
    entries: Entries,
    groups: Groups,
    policy: Policy,
) -> Bases:
    """What can be counted of any read, complete or not."""
    return Bases(
        read=_read(directory, entries, groups, policy),
        users=len(swit.users),
        teams=len(swit.teams),
        memberships=len(swit.memberships),
        directory=_directory(directory, entries),
        swit=_completeness(swit),
    )


def directory_counts(
    directory: DirectorySnapshot, policy: Policy, memory: Memory
) -> dict[str, dict[str, int]]:
    """How many users and groups were read, by whether they are usable: `Bases.read`."""
    groups = read_groups(directory, read_links(directory), policy, memory)
    return _read(directory, read_entries(directory.users), groups, policy)


def is_complete(bases: Bases) -> bool:
    """Whether a plan may be made at all of these reads."""
    swit = bases.swit
    return bool(
        any(base["users"] for base in bases.directory.values())
        and swit["total_rows"] == swit["distinct_users"]
        and swit["roots"] == 1
        and swit["orphans"] == 0
        and swit["authorised_user"]
        and swit["authorised_active"]
        and swit["authorised_admin"]
    )


def never_deactivated(
    accounts: Accounts, authorised_user_id: str, policy: Policy
) -> dict[str, str]:
    """User id -> why: the authorising account, protected roles, `USERS_TO_EXCLUDE`."""
    is_out = excludes(policy)
    protected = {role for role in set(accounts.role) if is_protected(role, policy)}
    why: dict[str, str] = {}
    for user, email, role in zip(accounts.user_id, accounts.email, accounts.role, strict=True):
        if user == authorised_user_id:
            why[user] = "the account that authorised this program"
        elif role in protected:
            why[user] = f"PROTECTED_ROLES ({role_name(role)})"
        elif policy.users_to_exclude and is_out(address_key(email)):
            why[user] = "USERS_TO_EXCLUDE"
    return why


def protected_objects(left_alone: Mapping[str, str], owners: Owners) -> dict[str, str]:
    """Users and teams that nothing may touch -> why."""
    kept = dict.fromkeys(owners.kept, "SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE")
    return {**left_alone, **dict.fromkeys(owners.own, "Swit's own team"), **kept}


def active_users_that_may_go(
    people: People, never: Collection[str], policy: Policy, memory: Memory
) -> int:
    """Active accounts that a plan by these rules could deactivate or remove."""
    known = {*memory.users.values(), *people.present()}
    all_known = policy.unmanaged_users == "deactivate"
    users = zip(people.accounts.user_id, people.accounts.active, strict=True)
    return sum(
        active
        and user not in never
        and user not in people.left_alone
        and (all_known or user in known)
        for user, active in users
    )


def teams_that_may_go(owners: Owners, policy: Policy) -> int:
    """Groups' teams, and those that the settings let go once no group stands behind them."""
    teams = set(owners.group_of) - owners.kept
    if policy.team_removal != "keep":
        marks = policy.team_removal == "mark"
        teams |= {t for t in owners.left if not (marks and owners.teams[t].is_marked)}
    if policy.unmanaged_teams == "delete":
        teams |= owners.unmanaged
    return len(teams)


def memberships_that_count(swit: OrganizationSnapshot, owners: Owners) -> int:
    """All memberships in Swit but for those in its own teams: the root and `Unassigned`."""
    rows = swit.memberships
    return len(rows) - int(rows["team_id"].isin(list(owners.own)).sum())


def members_by_team(swit: OrganizationSnapshot, teams: Collection[str]) -> dict[str, int]:
    """Team id -> members now."""
    counted = sorted(teams)
    found = places(swit.memberships["team_id"], index_of(counted))
    members = np.bincount(found[found >= 0], minlength=len(counted))
    return dict(zip(counted, members.tolist(), strict=True))


def _directory(directory: DirectorySnapshot, entries: Entries) -> dict[str, dict[str, int]]:
    """Search base -> users that are enabled and have a usable address, groups with a name."""
    found = zip(entries.base, entries.addresses, strict=True)
    users = Counter(base for base, addresses in found if addresses)
    named = zip(*(column(directory.groups, c) for c in ("base", "names")), strict=True)
    groups = Counter(base for base, names in named if any(map(clean_name, names or ())))
    bases = sorted(read.base for read in directory.facts.bases)
    return {base: {"users": users[base], "groups": groups[base]} for base in bases}


def _read(
    directory: DirectorySnapshot, entries: Entries, groups: Groups, policy: Policy
) -> dict[str, dict[str, int]]:
    is_out = excludes(policy)
    excluded = (
        sum(bool(own) and all(map(is_out, own)) for own in entries.addresses)
        if policy.users_to_exclude
        else 0
    )
    without_address = sum(not own for own in entries.addresses)
    without_name = sum(not group.names for group in groups.in_scope.values())
    left_out = directory.facts.left_out
    return {
        "users": {
            "usable": len(entries) - excluded - without_address,
            "disabled": len(directory.users) - len(entries),
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


def _completeness(swit: OrganizationSnapshot) -> dict[str, Any]:
    parents, teams = column(swit.teams, "parent_id"), set(column(swit.teams, "team_id"))
    me = swit.users[swit.users["user_id"] == swit.facts.authorised_user_id]
    return {
        "total_rows": swit.facts.total_rows,
        "distinct_users": len(set(column(swit.users, "user_id"))),
        "roots": parents.count(None),
        "orphans": sum(parent is not None and parent not in teams for parent in parents),
        "authorised_user": len(me) == 1,
        "authorised_active": bool(me["active"].all()),
        "authorised_admin": bool(me["role"].isin(_ADMINS).all()),
    }
