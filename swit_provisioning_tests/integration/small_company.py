"""What the small server holds in these tests, as Active Directory would hold it."""

from collections.abc import Sequence
from uuid import NAMESPACE_DNS, uuid5

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.directories import Directory
from swit_provisioning_tests.integration.small_server import Entries

SUFFIX = "DC=example,DC=org"
PEOPLE = f"OU=Staff,{SUFFIX}"
GROUPS = f"OU=Units,{SUFFIX}"
READER = f"CN=reader,OU=Services,{SUFFIX}"
PASSWORD = "reads, and no more"

_Entry = dict[str, Sequence[str | bytes]]


def company_of(*, people: int, members: int = 0) -> Entries:
    """So many people in one OU and, in another, one group `Big` of so many members."""
    made: dict[str, _Entry] = _units()
    for place in range(people):
        made[person_dn(place)] = _person(f"Person {place}", f"p{place}@example.org")
    dn = f"CN=Big,{GROUPS}"
    made[dn] = _group("Big", [person_dn(place) for place in range(members)])
    return made


def entries_of(directory: Directory) -> Entries:
    """A directory in the reference program's JSON shape, as a server's entries."""
    made: dict[str, _Entry] = _units()
    for user in directory["users"]:
        phone = [user["mobile"]] if user["mobile"] else []
        made[user["distinguishedName"]] = _person(user["displayName"], user["mail"], phone)
    for group in directory["groups"]:
        parents = {"memberOf": group["memberOf"]} if group["memberOf"] else {}
        made[group["distinguishedName"]] = _group(group["displayName"], group["member"]) | parents
    return {dn: held | {"objectGUID": [_guid(dn)]} for dn, held in made.items()}


def person_dn(place: int) -> str:
    return f"CN=Person {place},{PEOPLE}"


def config(*servers: ServerAddress, timeout_seconds: int = 5, page_size: int = 1000) -> LdapConfig:
    """How to read the servers of such a company."""
    return LdapConfig(
        servers=servers,
        user=READER,
        password=PASSWORD,
        search_base=SUFFIX,
        user_bases=(PEOPLE,),
        group_bases=(GROUPS,),
        timeout_seconds=timeout_seconds,
        page_size=page_size,
    )


def read(
    *servers: ServerAddress, timeout_seconds: int = 5, page_size: int = 1000
) -> DirectorySnapshot:
    """Read it, not waiting between attempts."""
    waits: list[float] = []
    how = config(*servers, timeout_seconds=timeout_seconds, page_size=page_size)
    return LdapDirectory(how, sleep=waits.append).read()


def settings(server: ServerAddress) -> dict[str, str]:
    """The same as the variables that a person sets."""
    return {
        "LDAP_SERVER_DOMAIN": server.host,
        "LDAP_SERVER_PORT": str(server.port),
        "LDAP_TLS": server.tls,
        "LDAP_USER": READER,
        "LDAP_PASSWORD": PASSWORD,
        "LDAP_SEARCH_BASE": SUFFIX,
        "LDAP_USER_OUS": "Staff",
        "LDAP_GROUP_OUS": "Units",
    }


def _units() -> dict[str, _Entry]:
    return {
        SUFFIX: {"objectClass": ["top", "domain"], "dc": ["example"]},
        PEOPLE: {"objectClass": ["top", "organizationalUnit"], "ou": ["Staff"]},
        GROUPS: {"objectClass": ["top", "organizationalUnit"], "ou": ["Units"]},
    }


def _person(name: str, email: str, phone: Sequence[str] = ()) -> _Entry:
    mobile: _Entry = {"mobile": phone} if phone else {}
    return {
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "objectCategory": [f"CN=Person,CN=Schema,CN=Configuration,{SUFFIX}"],
        "cn": [name],
        "displayName": [name],
        "mail": [email],
        "sAMAccountType": ["805306368"],
        "userAccountControl": ["512"],
        **mobile,
    }


def _group(name: str, members: Sequence[str]) -> _Entry:
    listed: _Entry = {"member": members} if members else {}
    return {
        "objectClass": ["top", "group"],
        "objectCategory": [f"CN=Group,CN=Schema,CN=Configuration,{SUFFIX}"],
        "cn": [name],
        "displayName": [name],
        **listed,
    }


def _guid(dn: str) -> bytes:
    """The same for the same DN, every time."""
    return uuid5(NAMESPACE_DNS, dn.casefold()).bytes_le
