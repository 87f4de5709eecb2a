"""A small made-up directory in which nothing is as it should be, as LDIF.

Attributes of Active Directory, groups in each other, names of many scripts, base64, language tags,
binary values, DNs spelled in several ways, members that don't exist.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_DNS, uuid5

from swit_provisioning_tests.integration.slapd import SUFFIX

PEOPLE = f"ou=Çelik & Söhne,{SUFFIX}"
GROUPS = f"ou=Gruppen,{SUFFIX}"

SCHEMA = "\n".join(
    f"attributetype ( 1.3.6.1.4.1.4203.666.1.{number} NAME '{name}' EQUALITY {rule}"
    f" SYNTAX 1.3.6.1.4.1.1466.115.121.1.{syntax} SINGLE-VALUE )"
    for number, (name, rule, syntax) in enumerate(
        [
            ("sAMAccountName", "caseIgnoreMatch", 15),
            ("userAccountControl", "integerMatch", 27),
            ("accountExpires", "integerMatch", 27),
        ],
        start=901,
    )
)
"""The attributes of Active Directory that OpenLDAP doesn't have."""

NAMES = {
    "hanako": "𠮷田 花子",  # outside the basic plane: a surrogate pair in UTF-16
    "noa": "נועה לוי",
    "amin": "محمد الأمين",
    "mueller": "Müller, Jürgen",
    "dots": "İpek Güneş",
    "oconnor": "Siobhán O'Connor-Ní Bhriain",
    "family": "👩‍👩‍👧 Núñez",  # three people of a surrogate pair each, joined
}
"""Names that must arrive in Swit as they are, by login."""

_Attributes = Mapping[str, Sequence[str | bytes]]


def ldif() -> str:
    """The whole directory but its top, which the server has."""
    units = [(dn, {"objectClass": ["organizationalUnit"]}) for dn in (PEOPLE, GROUPS)]
    entries = [*units, *_people(), *_groups()]
    return "\n".join(_record(dn, attributes) for dn, attributes in entries)


def person_dn(login: str) -> str:
    return f"uid={login},{PEOPLE}"


def _people() -> list[tuple[str, _Attributes]]:
    named = [_person(login, {"displayName": [name]}) for login, name in NAMES.items()]
    return [
        *named,
        _person("tagged", {"displayName;lang-fr": ["Étienne"], "displayName;lang-de": ["Stefan"]}),
        _person("two.addresses", {"mail": ["zz@example.test", "aa@example.test"]}),
        _person("no.address", {"mail": []}),
        _person("photo", {"jpegPhoto": [b"\xff\xd8\x00\xe0 no picture"]}),
        _person("disabled", {"userAccountControl": ["514"]}),
        _person("expired", {"accountExpires": ["116444736000000000"]}),
        _person("never.expires", {"accountExpires": ["9223372036854775807"]}),
        _person("Capital.Login", {"mail": ["Capital.Login@EXAMPLE.test"]}),
    ]


def _groups() -> list[tuple[str, _Attributes]]:
    dns = {name: f"cn={name},{GROUPS}" for name in ("Hen", "Egg", "Alle", "Linux", "Ghosts")}
    twin = f"cn=Alle,ou=Çelik & Söhne,{SUFFIX}"
    spelled = f"UID=NOA , OU=\\c3\\87elik & S\\C3\\B6hne,{SUFFIX.upper()}"
    nobody = f"uid=nobody,{PEOPLE}"
    # By name, as a server's answers are put: a file's order is the teams' order.
    return [
        (
            dns["Alle"],
            {
                "objectClass": ["groupOfUniqueNames"],
                "uniqueMember": [*(person_dn(login) for login in NAMES), dns["Linux"]],
            },
        ),
        (twin, _names_of(person_dn("mueller"))),
        (dns["Egg"], _names_of(dns["Hen"], spelled)),
        (dns["Ghosts"], _names_of(nobody, person_dn("disabled"))),
        (dns["Hen"], _names_of(dns["Egg"], person_dn("hanako"))),
        (
            dns["Linux"],
            {
                "objectClass": ["posixGroup"],
                "gidNumber": ["2000"],
                "memberUid": ["amin", "tagged", "nobody"],
            },
        ),
    ]


def _person(login: str, more: _Attributes) -> tuple[str, _Attributes]:
    attributes: dict[str, Sequence[str | bytes]] = {
        "objectClass": ["inetOrgPerson", "extensibleObject"],
        "uid": [login],
        "cn": [login],
        "sn": [login],
        "mail": [f"{login}@example.test"],
        "sAMAccountName": [login],
        "userAccountControl": ["512"],
    }
    return person_dn(login), attributes | dict(more)


def _names_of(*members: str) -> _Attributes:
    return {"objectClass": ["groupOfNames"], "member": members}


def _record(dn: str, attributes: _Attributes) -> str:
    name, _, value = dn.split(",", maxsplit=1)[0].partition("=")
    values = {name: [value], "entryUUID": [str(uuid5(NAMESPACE_DNS, dn))], **attributes}
    lines = [_line("dn", dn)]
    lines.extend(_line(name, value) for name, held in values.items() for value in held)
    return "\n".join(lines) + "\n"


def _line(name: str, value: str | bytes) -> str:
    """Plain where it may be, else base64, and folded (RFC 2849)."""
    raw = value if isinstance(value, bytes) else value.encode()
    if re.fullmatch(rb"[!-9;=-~][ -~]*", raw):
        line = f"{name}: {raw.decode()}"
    else:
        line = f"{name}:: {base64.b64encode(raw).decode()}"
    return "\n ".join(line[place : place + 75] for place in range(0, len(line), 75))
