"""Directories and organisations written by hand, in few words; Ann is in both."""

from collections.abc import Sequence
from typing import Any

from swit_provisioning_tests.planning.made_up import USER_DNS
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    Entry,
    GroupEntry,
)
from swit_provisioning_tests.planning.specification.organisation import (
    Organisation,
    WhenParentIsDeleted,
)

DN = [f"CN=g{number},OU=G,DC=x" for number in range(10)]
Team = tuple[str, str, str, str, Sequence[str]]


def person(number: int, *emails: str, name: str = "", **more: Any) -> Entry:  # noqa: ANN401
    """The entry `u0`, `u1`... called as its first address begins; `more`: fields of `Entry`."""
    called = name or (emails[0].split("@")[0].capitalize() if emails else "Nameless")
    return Entry(dn=USER_DNS[number], emails=emails, names=(called,), **more)


ANN = person(0, "ann@x")


def group(
    number: int, name: str, *, below: Sequence[int] = (), members: Sequence[Entry | GroupEntry] = ()
) -> GroupEntry:
    """The group `g0`, `g1`... below others, by their numbers."""
    return GroupEntry(
        dn=DN[number],
        names=(name,),
        parents=tuple(DN[parent] for parent in below) or None,
        members=tuple(member.dn for member in members),
    )


def directory(*groups: GroupEntry, users: Sequence[Entry] = (ANN,)) -> Directory:
    return Directory(users=tuple(users), groups=groups)


def team(
    team_id: str,
    name: str,
    *,
    of: int | None = None,
    below: str = "T0",
    users: Sequence[str] = (),
) -> Team:
    """A team with the reference of group `of`, or one made by hand."""
    return team_id, name, below, "" if of is None else DN[of], users


def organisation(
    *teams: Team,
    users: Sequence[str] = ("ann",),
    inactive: Sequence[str] = (),
    delete: WhenParentIsDeleted = "cascade",
    unassigned: str | None = "Unassigned",
) -> Organisation:
    """Accounts by first names, which are their ids too."""
    made = Organisation(delete=delete, unassigned=unassigned)
    for user in (*users, *inactive):
        made.add_user(user, f"{user}@x", user.capitalize(), active=user not in inactive)
    for each in teams:
        made.add_team(*each)
    made.check()
    return made
