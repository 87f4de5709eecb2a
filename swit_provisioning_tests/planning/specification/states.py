"""The plain directory and organisation as the frames that the planner reads."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    IDP_GROUPS,
    IDP_MEMBERSHIPS,
    IDP_USERS,
    SWIT_MEMBERSHIPS,
    SWIT_TEAMS,
    SWIT_USERS,
    FrameSchema,
)
from swit_provisioning.planning.snapshots import (
    BaseCount,
    DirectoryFacts,
    DirectorySnapshot,
    OrganizationSnapshot,
    SwitFacts,
)
from swit_provisioning.sources.ldap.dn import DnScope, dn_key, is_dn, rdn_values
from swit_provisioning_tests.planning.specification.directory import Directory, GroupEntry, key_of
from swit_provisioning_tests.planning.specification.organisation import ME, ROOT, Organisation


def directory_state(directory: Directory, shuffle: int | None = None) -> DirectorySnapshot:
    """As a file's reader would give it; `shuffle` seeds another order of rows."""
    search_base = key_of(directory.search_base) if directory.search_base else None
    users = (
        {
            "key": entry.key,
            "dn": entry.dn,
            "directory_id": entry.stable_id,
            "emails": list(entry.emails),
            "other_emails": list(entry.other_emails),
            "names": list(entry.names),
            "phone_numbers": list(entry.phones),
            "primary_group": _key_or_name(entry.primary_group),
            "enabled": entry.enabled,
            "base": "file",
            "position": place,
        }
        for place, entry in enumerate(directory.users)
    )
    groups = (
        {
            "key": group.key,
            "dn": group.dn,
            "directory_id": group.stable_id,
            "references": _references(group, directory.reference_attribute),
            "names": list(group.names),
            "aliases": rdn_values(group.dn, "cn") if is_dn(group.dn) else [],
            "parents": [*map(key_of, filter(is_dn, group.parents))] if group.parents else None,
            "base": "file",
            "position": place,
        }
        for place, group in enumerate(directory.groups)
    )
    members = (
        {"group": group.key, "member": key_of(dn), "member_dn": dn}
        for group in directory.groups
        for dn in filter(is_dn, group.members)
    )
    unreadable = (
        {"kind": "invalid DN", "dn": group.dn, "attribute": "memberOf", "reason": f"{dn} is none."}
        for group in directory.groups
        for dn in group.parents or ()
        if not is_dn(dn)
    )
    return DirectorySnapshot(
        users=_frame(IDP_USERS, users, shuffle),
        groups=_frame(IDP_GROUPS, groups, shuffle),
        memberships=_frame(IDP_MEMBERSHIPS, members, shuffle),
        facts=DirectoryFacts(
            source="file",
            kind="json",
            search_base=search_base,
            bases=(BaseCount(base="file", users=len(directory.users), groups=0),),
            attributes={"parent": "memberOf"},
        ),
        findings=IDP_FINDINGS.frame(unreadable),
        scope=DnScope(search_base),
    )


def _key_or_name(group: str | None) -> str | None:
    return dn_key(group) if group and is_dn(group) else group


def _references(group: GroupEntry, reference_attribute: ReferenceAttribute) -> list[str]:
    by_dn = reference_attribute == "distinguishedName" or not group.directory_id
    both = [group.dn, group.stable_id]
    return both if by_dn else both[::-1]


def swit_state(organisation: Organisation, shuffle: int | None = None) -> OrganizationSnapshot:
    """As the reader would give it."""
    users = (
        {
            "user_id": user.user_id,
            "email": user.email,
            "name": user.name,
            "phone_number": user.phone or None,
            "role": user.role,
            "active": user.active,
            "primary_team": user.primary,
        }
        for user in organisation.users.values()
    )
    in_order = _in_order(organisation, ROOT)
    teams = (
        {
            "team_id": team.team_id,
            "name": team.name,
            "parent_id": team.parent,
            "reference": team.reference or None,
            "position": place,
        }
        for place, team in enumerate(organisation.teams[team_id] for team_id in in_order)
    )
    members = (
        {"team_id": team.team_id, "user_id": user}
        for team in organisation.teams.values()
        for user in team.users
    )
    return OrganizationSnapshot(
        users=_frame(SWIT_USERS, users, shuffle),
        teams=_frame(SWIT_TEAMS, teams, shuffle),
        memberships=_frame(SWIT_MEMBERSHIPS, members, shuffle),
        facts=SwitFacts(
            organization_id="O1",
            organization_name="Org",
            authorised_user_id=ME,
            total_rows=len(organisation.users),
        ),
    )


def _frame(
    schema: FrameSchema, rows: Iterable[dict[str, Any]], shuffle: int | None
) -> pd.DataFrame:
    frame = schema.frame(rows)
    if shuffle is None:
        return frame
    return frame.sample(frac=1, random_state=shuffle).reset_index(drop=True)


def _in_order(organisation: Organisation, team_id: str) -> list[str]:
    """The team and all below it, as a tree is shown."""
    below = (_in_order(organisation, child) for child in organisation.teams[team_id].children)
    return [team_id, *(team for part in below for team in part)]
