"""A company before and after a night with every kind of change: 150 calls, one at a time."""

from typing import Any

from swit_provisioning_tests.directories import Directory

AWAY = (30, 31, 33)
"""Whose accounts are inactive before, though the directory has them."""
JOINERS = 52
_MEMBERS_OF_A_UNIT = 3


def address(number: int) -> str:
    return f"p{number:02d}@example.org"


def _user(number: int, name: str | None = None, phone: str | None = None) -> dict[str, Any]:
    return {
        "distinguishedName": f"CN=P{number:02d},OU=Staff,DC=example,DC=org",
        "mail": address(number),
        "displayName": name or f"Person {number:02d}",
        "mobile": phone or f"+49176000{number:04d}",
    }


def _dn(group: str) -> str:
    return f"CN={group},OU=Units,DC=example,DC=org"


def _group(
    key: str, name: str, people: list[int], *, below: str | None, lists: list[str]
) -> dict[str, Any]:
    return {
        "distinguishedName": _dn(key),
        "displayName": name,
        "member": [_user(number)["distinguishedName"] for number in people]
        + [_dn(child) for child in lists],
        "memberOf": [_dn(below)] if below else [],
    }


def _company(
    users: list[dict[str, Any]], tree: dict[str, tuple[str, str | None, list[int]]]
) -> Directory:
    groups = [
        _group(
            key, name, people, below=below, lists=[k for k, (_, up, _) in tree.items() if up == key]
        )
        for key, (name, below, people) in tree.items()
    ]
    return {"users": users, "groups": groups}


def before() -> Directory:
    """46 people, 4 departments with 3 units each."""
    tree: dict[str, tuple[str, str | None, list[int]]] = {}
    for d in range(4):
        tree[f"D{d}"] = (f"Department {d}", None, [])
        for u in range(3):
            first = (3 * d + u) * _MEMBERS_OF_A_UNIT
            tree[f"D{d}U{u}"] = (f"Unit {d}{u}", f"D{d}", [first, first + 1, first + 2])
    # Two in several units; the first one of each is the primary team.
    tree["D1U0"][2].extend([0, 1, 2])
    tree["D2U0"][2].extend([0, 1, 2])
    return _company([_user(number) for number in range(46)], tree)


def after() -> Directory:
    """52 more people and 10 less, names and numbers changed; units come, go, move, swap names."""
    users = [
        _user(
            number,
            name=f"Renamed {number:02d}" if number in range(2, 20) else None,
            phone=f"+49176111{number:04d}" if number in range(14, 36) else None,
        )
        for number in range(36)
    ]
    users += [_user(number) for number in range(46, 46 + JOINERS)]
    for user in users[:3]:
        # Swit makes another one the primary team when they leave Unit 00.
        user["primaryGroup"] = _dn("D2U0")
    tree: dict[str, tuple[str, str | None, list[int]]] = {
        "D0": ("Department 0", None, []),
        "D3": ("Department 3", None, []),
        "D1": ("Department 1, renamed", None, []),
        "D0U0": ("Unit 01", "D0", [50, 51]),
        "D0U1": ("Unit 00", "D0", [3, 4, 52]),
        "D0U2": ("Unit 02", "D1", [6, 7, 8, 53]),
        "D1U1": ("Unit 11", "D1", [12, 13, 54, 55]),
        "D1U0": ("Unit 10", "D1", [9, 10, 11, 0, 1, 2]),
        "D1U2": ("Unit 12, old", "D0", [15, 16]),
        "D3U2": ("Unit 32", "D3", [33, 34, 56]),
        "D3U1": ("Unit 31", "D3", [30, 31, 57, 58]),
        "D3U0": ("Unit 30", "D3", [27, 28, 29]),
        "D2U0": ("Unit 20", "D3", [18, 19, 0, 1, 2, 59]),
    }
    tree |= {"D4": ("Department 4", None, [])}
    for u in range(6):
        tree[f"D4U{u}"] = (f"Unit 4{u}", "D4", [60 + 2 * u, 61 + 2 * u, 20 + u])
    tree |= {"D4U0A": ("Unit 22", "D4U0", [76, 77]), "D4U0B": ("Unit 12", "D4U0", [78, 79])}
    return _company(users, tree)
