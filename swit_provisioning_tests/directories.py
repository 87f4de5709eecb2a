"""A made-up directory in the reference program's JSON shape: 20 users, 12 groups, four levels."""

from typing import Any

Directory = dict[str, list[dict[str, Any]]]

PEOPLE = (
    "Amelie Roux", "Bence Varga", "Chiara Conti", "Dae Jung", "Elif Demir",
    "Farid Nasser", "Greta Holm", "Hugo Prado", "Ines Faria", "Jonas Keller",
    "Kaori Mori", "Lars Berg", "Mina Seo", "Nils Aune", "Olga Petrova",
    "Pavel Novak", "Quinn Daly", "Rosa Lima", "Soren Dahl", "Tariq Aziz",
)  # fmt: skip

# Group: its parent, its members by their first names. A parent lists its groups as members, too.
GROUPS: dict[str, tuple[str | None, str]] = {
    "Builders": ("Works", "Amelie Bence Elif Greta Kaori"),
    "Leads": ("Office", "Chiara Dae Farid Hugo Lars"),
    "Works": ("Product", ""),
    "Probes": ("Works", "Mina Nils Olga"),
    "Planners": ("Works", "Pavel Quinn"),
    "Product": ("House", ""),
    "Roadmap": ("Product", "Rosa Soren"),
    "People": ("Back Office", "Ines Jonas Tariq"),
    "Back Office": ("House", ""),
    "Money": ("Back Office", "Hugo Lars"),
    "Office": ("House", ""),
    "House": (None, ""),
}
TREE = {
    "House": None,
    "Product": "House",
    "Office": "House",
    "Works": "Product",
    "Roadmap": "Product",
    "Builders": "Works",
    "Probes": "Works",
    "Planners": "Works",
    "Leads": "Office",
    "People": None,
    "Money": None,
}
"""Team: its parent, once "Back Office" is excluded. The order among siblings is the file's."""


def user_dn(name: str) -> str:
    return f"CN={name},OU=Staff,DC=example,DC=org"


def group_dn(name: str) -> str:
    return f"CN={name},OU=Units,DC=example,DC=org"


def address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.org"


def members(group: str) -> list[str]:
    """Full names of a group's direct members."""
    return [next(p for p in PEOPLE if p.startswith(first)) for first in GROUPS[group][1].split()]


def twenty_people() -> Directory:
    """The whole directory; change the copy at will."""
    users = [
        {
            "distinguishedName": user_dn(name),
            "mail": address(name),
            "displayName": name,
            "mobile": None if number % 4 == 0 else f"+4917600000{number:02d}",
        }
        for number, name in enumerate(PEOPLE)
    ]
    groups = [
        {
            "distinguishedName": group_dn(name),
            "displayName": name,
            "member": [user_dn(person) for person in members(name)]
            + [group_dn(child) for child, (parent, _) in GROUPS.items() if parent == name],
            "memberOf": [group_dn(above)] if above else [],
        }
        for name, (above, _) in GROUPS.items()
    ]
    return {"users": users, "groups": groups}
