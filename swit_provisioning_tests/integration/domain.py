"""A made-up company for a real Active Directory: people, nested groups, and what is no person."""

from datetime import UTC, datetime

from swit_provisioning_tests.integration.changes import Changes
from swit_provisioning_tests.integration.samba import BASE, READER_PASSWORD

COMPANY = f"OU=Company,{BASE}"
STAFF = f"OU=Staff,{COMPANY}"
EMEA = rf"OU=Sales\, EMEA,{COMPANY}"
GROUPS = f"OU=Groups,{COMPANY}"
READER = f"CN=Reader,CN=Users,{BASE}"
USER_PASSWORD = "Made up, too 1"

PEOPLE = {
    "ada": f"CN=Ada Ångström,{STAFF}",
    "ben": rf"CN=Berg\, Ben,{STAFF}",
    "chloe": f"CN=Chloé,{EMEA}",
    "hanako": f"CN=𠮷田 花子,{EMEA}",
    "noa": f"CN=נועה לוי,{STAFF}",
    "otto": f"CN=Otto,{STAFF}",
}
"""By login; Otto is an inetOrgPerson."""
DISABLED = f"CN=Dora,{STAFF}"
EXPIRED = f"CN=Edo,{STAFF}"
LATER = f"CN=Later,{STAFF}"
"""Expires in the year 2200."""

NORMAL, OFF = 512, 514
_MEMBERS = {
    "Platform": ["ada", "ben"],
    "Engineering": ["Platform", "noa"],
    "Company": ["Engineering", "Mailing", "chloe"],
    "Mailing": ["hanako", "ada"],
}
# Global security groups, but for these.
_SECURITY, _DISTRIBUTION, _DOMAIN_LOCAL = -0x7FFFFFFE, 0x2, -0x7FFFFFFC
_TYPES = {"Mailing": _DISTRIBUTION, "Company": _DOMAIN_LOCAL}


def group(name: str) -> str:
    """The DN of one of the company's groups."""
    return f"CN={name},{GROUPS}"


def fill(changes: Changes) -> None:
    """Make the company, and the account that reads."""
    user(changes, READER, "reader", password=READER_PASSWORD)
    for dn in (COMPANY, STAFF, EMEA, GROUPS):
        changes.add(dn, ["organizationalUnit"])
    for login, dn in PEOPLE.items():
        kind = "inetOrgPerson" if login == "otto" else "user"
        user(changes, dn, login, mail=f"{login}@example.test", kind=kind)
    user(changes, DISABLED, "dora", mail="dora@example.test", control=OFF)
    user(changes, EXPIRED, "edo", mail="edo@example.test", expires=datetime(2020, 1, 1, tzinfo=UTC))
    user(
        changes, LATER, "later", mail="later@example.test", expires=datetime(2200, 1, 1, tzinfo=UTC)
    )
    for name in _MEMBERS:
        kind = str(_TYPES.get(name, _SECURITY))
        changes.add(group(name), ["group"], {"sAMAccountName": name, "groupType": kind})
    for name, members in _MEMBERS.items():
        changes.set(group(name), member=[PEOPLE.get(member) or group(member) for member in members])
    exchange = ["SMTP:chloe@example.test", "smtp:chloe.before@example.test", "x500:/o=Company"]
    changes.set(PEOPLE["chloe"], proxyAddresses=exchange)
    # Platform becomes Ben's primary group: the domain takes him off its list of members.
    changes.set(PEOPLE["ben"], primaryGroupID=str(_relative_id(changes, group("Platform"))))
    _no_people(changes)


def user(
    changes: Changes,
    dn: str,
    login: str,
    *,
    mail: str | None = None,
    password: str = USER_PASSWORD,
    control: int = NORMAL,
    expires: datetime | None = None,
    kind: str = "user",
) -> None:
    """Add one user, with a password so that the domain lets it be enabled."""
    attributes: dict[str, object] = {
        "sAMAccountName": login,
        "userPrincipalName": f"{login}@example.test",
        "unicodePwd": f'"{password}"'.encode("utf-16-le"),
        "userAccountControl": str(control),
    }
    if mail:
        attributes["mail"] = mail
    if expires:
        attributes["accountExpires"] = str(_ticks(expires))
    changes.add(dn, [kind], attributes)


def _no_people(changes: Changes) -> None:
    """Computers and service accounts are users by class, contacts are persons: none logs in."""
    for name, kind in {
        "PC1": "computer",
        "Service": "msDS-ManagedServiceAccount",
        "Services": "msDS-GroupManagedServiceAccount",
        "Contact": "contact",
    }.items():
        attributes = {"mail": f"{name}@example.test"}
        if kind != "contact":
            attributes["sAMAccountName"] = f"{name}$"
        if kind == "msDS-GroupManagedServiceAccount":
            attributes["msDS-ManagedPasswordInterval"] = "30"
        changes.add(f"CN={name},{STAFF}", [kind], attributes)


def _relative_id(changes: Changes, dn: str) -> int:
    return int.from_bytes(changes.value(dn, "objectSid")[-4:], "little")


def _ticks(when: datetime) -> int:
    """Tenths of microseconds since 1601."""
    return int((when - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
