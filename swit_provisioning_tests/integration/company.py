"""A made-up company of 200 people in 30 nested groups: as LDIF, as groups, as a JSON directory.

The same every time. Names come from many scripts; some hold commas, quotes, letters outside the
basic plane, or read from right to left. The JSON lists people and groups in the order in which a
server's answers are put (by name, then DN), so that both must end in the same teams.
"""

import base64
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning_tests.integration.slapd import SUFFIX

PEOPLE_COUNT = 200
GROUP_COUNT = 30
EMPLOYEES = f"ou=Employees,{SUFFIX}"
PARTNERS = f"ou=Partners,{SUFFIX}"
GROUPS = f"ou=Groups,{SUFFIX}"

_GIVEN = (
    "Aiko", "Björn", "Chloé", "Dénes", "Elif", "Fatou", "Günther", "Håkon", "Inés", "Jiří",
    "Kateřina", "Łucja", "Mária", "Νίκος", "Olha", "Þóra", "Søren", "Tuğba", "Юлия", "Zoë",
)  # fmt: skip
_FAMILY = (
    "Ångström", "Brânză", "Castañeda", "O'Donnell", "Ерёмин", "Fähnrich", "García Márquez",
    "Hébert-Roy", "Ivanović", "Østergård",
)  # fmt: skip
# In place of the first of the generated names: what has broken programs elsewhere.
_SPECIAL = (
    "Müller, Jürgen", 'Anna "Ann" Król', "נועה לוי", "محمد الأمين", "𠮷田 花子", "Lee #1 + Sons",
    "Back\\Slash", "İpek Çelik", "Ñandú; Peña", "Đặng Thị Hương",
)  # fmt: skip

_DIVISIONS = {
    "Engineering": ("Platform", "Products", "Quality"),
    "Sales, EMEA": ("North", "South"),
    "Finanças": ("Controlling", "Treasury"),
    "人事部": ("Hiring", "Learning"),
}
_TEAMS_OF = {"Platform": 3, "Products": 4, "North": 3, "South": 2, "Hiring": 2, "Controlling": 2}


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person; `uid` is also the address's first part."""

    uid: str
    name: str
    base: str
    phone: str | None
    language: str | None

    @property
    def dn(self) -> str:
        """Every fifth entry is named by its common name, which then has to be escaped."""
        number = int(self.uid.removeprefix("p"))
        first = f"cn={escaped(self.name)}" if number % 5 == 0 else f"uid={self.uid}"
        return f"{first},{self.base}"

    @property
    def email(self) -> str:
        return f"{self.uid}@example.test"


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group with the DNs of its members, people and groups."""

    name: str
    parents: tuple[str, ...]
    members: list[str] = field(default_factory=list)

    @property
    def dn(self) -> str:
        return f"cn={escaped(self.name)},{GROUPS}"


def escaped(value: str) -> str:
    """A value as it stands in a DN (RFC 4514)."""
    return "".join(f"\\{c}" if c in '\\,+"<>;=#' else c for c in value)


def people() -> list[Person]:
    """The 200, in directory order."""
    names = [f"{given} {family}" for family, given in itertools.product(_FAMILY, _GIVEN)]
    for place, name in enumerate(_SPECIAL):
        names[place * 20] = name
    made = [
        Person(
            uid=f"p{number:03d}",
            name=name,
            base=PARTNERS if number % 8 == 3 else EMPLOYEES,
            phone=None
            if number % 7 == 2
            else f"+49 30 {number:03d} {(number * 7919) % 10_000:04d}",
            language=("en", "de", "ko", None)[number % 4],
        )
        for number, name in enumerate(names)
    ]
    return sorted(made, key=lambda person: (person.name.casefold(), dn_key(person.dn)))


def groups() -> list[Group]:
    """The 30, in directory order: a company, divisions, departments, teams, one in two places."""
    made = {group.name: group for group in _tree()}
    for group in made.values():
        for parent in group.parents:
            made[parent].members.append(group.dn)
    teams = [group for group in made.values() if not group.members]
    for number, person in enumerate(people()):
        teams[number % len(teams)].members.append(person.dn)
        if number % 10 == 0:
            made[tuple(_DIVISIONS)[number // 10 % 4]].members.append(person.dn)
    return sorted(made.values(), key=lambda group: (group.name.casefold(), dn_key(group.dn)))


def _tree() -> Iterator[Group]:
    yield Group(name="Example Ltd", parents=())
    for division, departments in _DIVISIONS.items():
        yield Group(name=division, parents=("Example Ltd",))
        for department in departments:
            yield Group(name=department, parents=(division,))
            for number in range(1, _TEAMS_OF.get(department, 0) + 1):
                # One team belongs to two departments.
                both = ("Quality",) if (department, number) == ("Products", 4) else ()
                yield Group(name=f"{department} {number}", parents=(department, *both))


def people_ldif() -> str:
    """The OUs and the people, for `slapadd`; entryUUIDs are left to the server."""
    units = [
        {"dn": dn, "objectClass": ["organizationalUnit"]} for dn in (EMPLOYEES, PARTNERS, GROUPS)
    ]
    entries = [
        {
            "dn": person.dn,
            "objectClass": ["inetOrgPerson"],
            "uid": [person.uid],
            "cn": [person.name],
            "sn": [person.name.split()[-1]],
            "displayName": [person.name],
            "mail": [person.email],
            "mobile": [person.phone] if person.phone else [],
            "preferredLanguage": [person.language] if person.language else [],
        }
        for person in people()
    ]
    return "\n".join(_record(entry) for entry in [*units, *entries])


def group_members() -> dict[str, list[str]]:
    """Member DNs by the group's DN; a group that is a member comes before its parents."""
    found: dict[str, list[str]] = {}
    waiting = groups()
    while waiting:
        unmade = {group.dn for group in waiting}
        ready = [group for group in waiting if not unmade & set(group.members)]
        found.update((group.dn, group.members) for group in ready)
        waiting = [group for group in waiting if group not in ready]
    return found


def directory_json() -> dict[str, list[dict[str, Any]]]:
    """The same company in the reference program's JSON shape."""
    made = groups()
    dns = {group.name: group.dn for group in made}
    return {
        "users": [
            {
                "distinguishedName": person.dn,
                "mail": person.email,
                "displayName": person.name,
                "mobile": person.phone,
                "preferredLanguage": person.language,
            }
            for person in people()
        ],
        "groups": [
            {
                "distinguishedName": group.dn,
                "displayName": group.name,
                "member": group.members,
                # A server has no `memberOf` at all on a group that nothing lists.
                **(
                    {"memberOf": [dns[parent] for parent in group.parents]} if group.parents else {}
                ),
            }
            for group in made
        ],
    }


def _record(entry: dict[str, Any]) -> str:
    lines = [_line("dn", entry["dn"])]
    for name, values in entry.items():
        lines.extend(_line(name, value) for value in _listed(values) if name != "dn")
    return "\n".join(lines) + "\n"


def _listed(values: str | Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


def _line(name: str, value: str) -> str:
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"
