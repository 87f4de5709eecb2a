"""Kinds of directory servers, the attributes that each has, and the object classes of entries."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, listed
from swit_provisioning.sources.config import KindName
from swit_provisioning.sources.entries import IDENTITY_ATTRIBUTES, Entry

GROUP_CLASSES = frozenset({"groupofnames", "groupofuniquenames", "posixgroup", "group"})
PERSON_CLASSES = frozenset(
    {"person", "organizationalperson", "inetorgperson", "user", "nsperson", "nsorgperson"}
)
# A computer of Active Directory is also a user, and a contact is a person without an account.
_NO_ACCOUNTS = frozenset({"computer", "contact"})
_OTHER_KINDS = {
    "msds-groupmanagedserviceaccount": "a service account",
    "msds-managedserviceaccount": "a service account",
    "computer": "a computer",
    "contact": "a contact",
    "foreignsecurityprincipal": "an account of another domain",
}
_CONTAINERS = frozenset(
    {"organizationalunit", "container", "organization", "domain", "dcobject", "builtindomain"}
)
# Entries of these classes may have an address, but are not people.
_NO_PEOPLE = frozenset(
    {
        "applicationprocess",
        "device",
        "dominogroup",
        "dyngroup",
        "groupofurls",
        "inetmailgroup",
        "mailgroup",
        "msexchdynamicdistributionlist",
        "nismailalias",
        "organizationalrole",
        "publicfolder",
        "rfc822mailgroup",
        "room",
        "zimbradistributionlist",
    }
)

# One filter for every kind of server, without NOT: if a server does not know the class (`computer`
# on OpenLDAP), a NOT is undefined and matches no entry. An OR of classes is safe.
USER_FILTER = (
    "(|(objectClass=person)(objectClass=inetOrgPerson)(objectClass=user)(objectClass=nsPerson))"
)
GROUP_FILTER = (
    "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"
    "(objectClass=posixGroup)(objectClass=group))"
)

ROOT_ATTRIBUTES: Final = (
    "objectClass",
    "structuralObjectClass",
    "supportedCapabilities",
    "rootDomainNamingContext",
    "vendorName",
    "vendorVersion",
)
"""Attributes of the root entry that identify the kind. OpenLDAP sends them only on request."""

OTHER_ADDRESSES: Final = "proxyAddresses"
"""Attribute of Exchange: the main address begins with `SMTP:`, the others with `smtp:`."""
_ACTIVE_DIRECTORY_CAPABILITY = "1.2.840.113556.1.4.800"
_389DS_VENDORS = {"389 project", "fedora project", "fedora", "red hat", "red hat, inc."}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of server: filters and attributes of its searches."""

    name: KindName
    title: str
    """Name in messages: `Active Directory`."""
    user_filter: str
    group_filter: str
    """Default filters for people and groups."""
    identity_attributes: tuple[str, ...]
    """Attributes that survive a rename or a move. The first one that is present is the id."""
    account_attributes: tuple[str, ...]
    """Attributes of disabled or expired accounts."""
    state_attribute: str | None = None
    """The one of these that every account has. If it is missing, it is not readable."""
    address_attribute: str | None = None
    """Attribute with more addresses of a person, such as `smtp:ann@example.com`."""
    has_primary_groups: bool
    """True if the primary group is an attribute of the person, whom the group does not list."""

    @property
    def user_attributes(self) -> tuple[str, ...]:
        """Attributes of people, besides those in the settings."""
        primary = ("objectSid", "primaryGroupID") if self.has_primary_groups else ()
        more = (*primary, self.address_attribute) if self.address_attribute else primary
        return ("objectClass", *self.identity_attributes, *self.account_attributes, *more)

    @property
    def group_attributes(self) -> tuple[str, ...]:
        """Attributes of groups, besides their members and those in the settings."""
        primary = ("objectSid",) if self.has_primary_groups else ()
        return ("objectClass", *self.identity_attributes, *primary)


_KINDS = (
    Kind(
        name="active_directory",
        title="Active Directory",
        # Only accounts of people. Computers, managed service accounts and trusts have other account
        # types, contacts have none.
        user_filter="(&(objectCategory=person)(objectClass=user)(sAMAccountType=805306368))",
        # Security groups and distribution groups, of every scope.
        group_filter="(objectClass=group)",
        identity_attributes=("objectGUID",),
        account_attributes=("userAccountControl", "accountExpires"),
        state_attribute="userAccountControl",
        address_attribute=OTHER_ADDRESSES,
        has_primary_groups=True,
    ),
    Kind(
        name="openldap",
        title="OpenLDAP",
        user_filter=USER_FILTER,
        group_filter=GROUP_FILTER,
        identity_attributes=("entryUUID",),
        account_attributes=("pwdAccountLockedTime",),
        has_primary_groups=False,
    ),
    Kind(
        name="389ds",
        title="389 Directory Server",
        user_filter=USER_FILTER,
        group_filter=GROUP_FILTER,
        identity_attributes=("entryUUID", "nsUniqueId"),
        account_attributes=("nsAccountLock",),
        has_primary_groups=False,
    ),
    Kind(
        name="other",
        title="kind not known",
        user_filter=USER_FILTER,
        group_filter=GROUP_FILTER,
        identity_attributes=IDENTITY_ATTRIBUTES,
        account_attributes=(
            "userAccountControl",
            "accountExpires",
            "pwdAccountLockedTime",
            "nsAccountLock",
        ),
        address_attribute=OTHER_ADDRESSES,
        has_primary_groups=True,
    ),
)
KINDS: Final = {kind.name: kind for kind in _KINDS}


def recognised(root: Entry) -> Kind:
    """Kind of the server with this root entry; `other` if it is not recognised."""
    if root.values("rootDomainNamingContext") or (
        _ACTIVE_DIRECTORY_CAPABILITY in root.words("supportedCapabilities")
    ):
        return KINDS["active_directory"]
    if "openldaprootdse" in root.words("objectClass") | root.words("structuralObjectClass"):
        return KINDS["openldap"]
    versions = root.words("vendorVersion")
    if root.words("vendorName") & _389DS_VENDORS or any(
        version.startswith(("389-directory/", "red hat-directory/")) for version in versions
    ):
        return KINDS["389ds"]
    return KINDS["other"]


def other_kind(classes: AbstractSet[str]) -> str | None:
    """Name of the kind of an entry in messages, or `None` for people and groups.

    Args:
        classes: object classes of the entry, in lower case.

    """
    for name, title in _OTHER_KINDS.items():
        if name in classes:
            return title
    if not classes or classes & (PERSON_CLASSES | GROUP_CLASSES):
        return None
    return f"an entry of the object classes {', '.join(sorted(classes - {'top'}))}"


@lru_cache(maxsize=4096)
def is_person(classes: frozenset[str], *, own_filter: bool = False) -> bool:
    """True if an entry that a search for people returned is a person.

    Args:
        classes: object classes of the entry, in lower case. Empty if they are not readable.
        own_filter: the settings contain a filter. It decides, except about groups and OUs.

    """
    if classes & (GROUP_CLASSES | _CONTAINERS):
        return False
    return own_filter or not classes & _NO_ACCOUNTS


def kind_of(classes: AbstractSet[str]) -> Literal["person", "group", "neither", "unknown"]:
    """Kind of an entry in a file, by its object classes in lower case."""
    if classes & GROUP_CLASSES:
        return "group"
    if classes & (_CONTAINERS | _NO_ACCOUNTS | _NO_PEOPLE):
        return "neither"
    return "person" if classes & PERSON_CLASSES else "unknown"


def requesting_reference(kind: Kind, reference: ReferenceAttribute, server: object) -> Kind:
    """Kind whose searches request only the reference attribute as the id.

    Raises:
        DirectoryConfigError: this kind does not have the attribute. The message names another one.

    """
    if reference == "distinguishedName":
        return kind
    if reference not in kind.identity_attributes:
        message = (
            f"LDAP_REFERENCE_ATTRIBUTE={reference}, but entries of {server} ({kind.title}) do not"
            f" have it. Set LDAP_REFERENCE_ATTRIBUTE={kind.identity_attributes[0]}: teams that"
            " carry another reference get the new one. If the server is of another kind, set"
            " LDAP_KIND."
        )
        raise DirectoryConfigError(message)
    # No other id may be used instead: 389 Directory Server can add an entryUUID to old entries
    # later. Their teams would then seem to belong to groups that have left.
    return replace(kind, identity_attributes=(reference,))


def with_reference_warning(
    snapshot: DirectorySnapshot,
    reference: ReferenceAttribute,
    source: object,
    *,
    remedy: str = "If it has one, let LDAP_USER read it",
) -> DirectorySnapshot:
    """Snapshot with a warning if teams carry the DN of their group for lack of the attribute.

    Args:
        snapshot: as read.
        reference: attribute that teams carry as their reference.
        source: name of the server or the file in messages.
        remedy: what to do if no group has the attribute.

    Raises:
        DirectoryConfigError: no group has the attribute, or the account may not read it.

    """
    groups = snapshot.groups
    without = groups["dn"][groups["directory_id"] == groups["key"]]
    if reference == "distinguishedName" or without.empty:
        return snapshot
    if len(without) == len(groups):
        message = (
            f"{source}: LDAP_REFERENCE_ATTRIBUTE={reference}, but no group has {reference}."
            f" {remedy}, or set LDAP_REFERENCE_ATTRIBUTE=distinguishedName"
        )
        raise DirectoryConfigError(message)
    warning = (
        f"{len(without)} of {len(groups)} groups have no {reference}. Their teams carry the"
        f" distinguished name instead, which changes with a rename: {listed(without)}"
    )
    facts = replace(snapshot.facts, warnings=(*snapshot.facts.warnings, warning))
    return replace(snapshot, facts=facts)
