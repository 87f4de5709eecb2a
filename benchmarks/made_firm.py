"""A made-up firm that has nothing in Swit yet."""

from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    IDP_GROUPS,
    IDP_MEMBERSHIPS,
    IDP_USERS,
)
from swit_provisioning.planning.snapshots import BaseCount, DirectoryFacts, DirectorySnapshot
from swit_provisioning.sources.ldap.dn import DnScope

_BASE = "dc=example,dc=com"
_DEPARTMENTS = 10
_ONE_OF = 10
"""Of so many people one is in two teams."""


def made_firm(users: int, teams: int) -> DirectorySnapshot:
    """So many users and teams: ten departments at the top, the other teams below them in turn.

    Everybody is in one team, every tenth in a second one that is to be the primary team.
    """
    people = [f"uid=u{number},ou=people,{_BASE}" for number in range(users)]
    groups = [f"cn=g{number},ou=groups,{_BASE}" for number in range(teams)]
    return DirectorySnapshot(
        users=IDP_USERS.frame(
            {
                "key": dn,
                "dn": dn,
                "directory_id": f"user-{number}",
                "emails": [f"user{number}@example.com"],
                "names": [f"User {number}"],
                "phone_numbers": [f"+82 10 {number:08d}"],
                "primary_group": _second(groups, number),
                "enabled": True,
                "base": _BASE,
                "position": number,
            }
            for number, dn in enumerate(people)
        ),
        groups=IDP_GROUPS.frame(
            {
                "key": dn,
                "dn": dn,
                "directory_id": f"group-{number}",
                "names": [f"Group {number:04d}"],
                "parents": [groups[number % _DEPARTMENTS]] if number >= _DEPARTMENTS else [],
                "base": _BASE,
                "position": number,
            }
            for number, dn in enumerate(groups)
        ),
        memberships=IDP_MEMBERSHIPS.frame(
            {"group": group, "member": dn, "member_dn": dn}
            for number, dn in enumerate(people)
            for group in (groups[number % teams], _second(groups, number))
            if group is not None
        ),
        findings=IDP_FINDINGS.empty(),
        scope=DnScope(_BASE),
        facts=DirectoryFacts(
            source="made up",
            kind="ldap",
            search_base=_BASE,
            bases=(BaseCount(base=_BASE, users=users, groups=teams),),
        ),
    )


def _second(groups: list[str], number: int) -> str | None:
    return None if number % _ONE_OF else groups[(number + 1) % len(groups)]
