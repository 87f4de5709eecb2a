"""Entries for OpenLDAP servers that are replicas of each other: the same ids on each."""

from collections import Counter
from uuid import NAMESPACE_DNS, uuid5

from swit_provisioning.planning.whereabouts import Presence
from swit_provisioning.sources.config import LdapConfig
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration.slapd import PASSWORD, READER, SUFFIX, Slapd

STAFF, ALUMNI, GROUPS = (f"ou={name},{SUFFIX}" for name in ("Staff", "Alumni", "Groups"))
LOCKED = "000001010000Z"
"""`pwdAccountLockedTime` of an account that an administrator has locked."""


def id_of(name: str) -> str:
    """The `entryUUID` of a person or group, as replication keeps it."""
    return str(uuid5(NAMESPACE_DNS, name))


def units() -> str:
    """The three organisational units, as LDIF."""
    return "".join(
        f"dn: {dn}\nobjectClass: organizationalUnit\n\n" for dn in (STAFF, ALUMNI, GROUPS)
    )


def person(name: str, base: str = STAFF, **attributes: str) -> str:
    """A person as LDIF; an empty attribute is left out."""
    values = {
        "objectClass": "inetOrgPerson",
        "uid": name,
        "cn": name,
        "sn": name,
        "mail": f"{name}@example.test",
        "entryUUID": id_of(name),
        **attributes,
    }
    lines = [f"{key}: {value}" for key, value in values.items() if value]
    return "\n".join([f"dn: uid={name},{base}", *lines, "", ""])


def group(name: str, *members: str, base: str = GROUPS) -> str:
    """A group of people, as LDIF."""
    listed = [f"member: uid={member},{STAFF}" for member in members]
    head = [f"dn: cn={name},{base}", "objectClass: groupOfNames", f"cn: {name}"]
    return "\n".join([*head, f"entryUUID: {id_of(name)}", *listed, "", ""])


def settings(*servers: Slapd) -> dict[str, str]:
    """The variables with which people in `STAFF` and groups in `GROUPS` are read."""
    return {
        "LDAP_SERVER_DOMAIN": ",".join(f"ldap://127.0.0.1:{server.port}" for server in servers),
        "LDAP_CA_FILE": str(servers[0].tls.authority),
        "LDAP_USER": READER,
        "LDAP_PASSWORD": PASSWORD,
        "LDAP_SEARCH_BASE": SUFFIX,
        "LDAP_USER_OUS": "Staff",
        "LDAP_GROUP_OUS": "Groups",
    }


def look_for_everybody(config: LdapConfig) -> tuple[Counter[Presence], Counter[bool]]:
    """Read any server and look for all that was read: where people are, how many are enabled."""
    directory = LdapDirectory(config)
    snapshot = directory.read()
    people, groups = set(snapshot.users["directory_id"]), set(snapshot.groups["directory_id"])
    found = directory.find(people, groups)
    assert {found[id_].key for id_ in groups} == set(snapshot.groups["key"])
    assert {found[id_].presence for id_ in groups} == {Presence.PRESENT}
    enabled = snapshot.users["enabled"]
    return Counter(found[id_].presence for id_ in people), Counter(map(bool, enabled))
