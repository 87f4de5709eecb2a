"""Kinds of directory servers, the attributes that each has, and the object classes of entries."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from swit_provisioning.planning.model import ReferenceAttribute
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, listed
from swit_provisioning.sources.config import KindName
from swit_provisioning.sources.entries import IDENTITY_ATTRIBUTES, Entry

GROUP_CLASSES = frozenset({"groupofnames", "groupofuniquenames", "posixgroup", "group"})
PERSON_CLASSES = frozenset(
    {"person", "organizationalperson", "inetorgperson", "user", "nsperson", "nsorgperson"}
)
# A computer of Active Directory is a user as well, and a contact is a person with no account.
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
# Entries of these classes may have an address, and still nobody logs in with one.
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

# One filter for every kind of server. It holds no NOT: where a server doesn't know the class
# (`computer` on OpenLDAP), a NOT is undefined and would hide everybody. An OR of classes is safe.
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
"""What a server's root entry tells its kind by; OpenLDAP sends them only if asked by name."""

OTHER_ADDRESSES: Final = "proxyAddresses"
"""Exchange's: the main address behind `SMTP:`, the others behind `smtp:`."""
_ACTIVE_DIRECTORY_CAPABILITY = "1.2.840.113556.1.4.800"
_389DS_VENDORS = {"389 project", "fedora project", "fedora", "red hat", "red hat, inc."}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one kind of server is asked for."""

    name: KindName
    title: str
    """For people: `Active Directory`."""
    user_filter: str
    group_filter: str
    """What finds people and groups where the settings say nothing else."""
    identity_attributes: tuple[str, ...]
    """What stays the same when an entry is renamed or moved; the first that is there counts."""
    account_attributes: tuple[str, ...]
    """What says that an account is disabled or expired."""
    state_attribute: str | None = None
    """The one of these that every account has: where it is missing, it may not be read."""
    address_attribute: str | None = None
    """Holds more addresses of a person, as `smtp:ann@example.com`."""
    has_primary_groups: bool
    """Whether a user's primary group is an attribute of the user, and not listed by the group."""

    @property
    def user_attributes(self) -> tuple[str, ...]:
        """What to ask of people, beside what the settings name."""
        primary = ("objectSid", "primaryGroupID") if self.has_primary_groups else ()
        more = (*primary, self.address_attribute) if self.address_attribute else primary
        return ("objectClass", *self.identity_attributes, *self.account_attributes, *more)

    @property
    def group_attributes(self) -> tuple[str, ...]:
        """What to ask of groups, beside their members and what the settings name."""
        primary = ("objectSid",) if self.has_primary_groups else ()
        return ("objectClass", *self.identity_attributes, *primary)


_KINDS = (
    Kind(
        name="active_directory",
        title="Active Directory",
        # Only users that people log in with: computers, service accounts that the domain manages
        # and trusts have other account types, contacts have none.
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
    """The kind of the server whose root entry this is; `other` where it says nothing known."""
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
    """What an entry is that is neither a person nor a group, for people; `None` if it is one.

    Args:
        classes: its object classes, lower case.

    """
    for name, title in _OTHER_KINDS.items():
        if name in classes:
            return title
    if not classes or classes & (PERSON_CLASSES | GROUP_CLASSES):
        return None
    return f"an entry of the object classes {', '.join(sorted(classes - {'top'}))}"


@lru_cache(maxsize=4096)
def is_person(classes: frozenset[str], *, own_filter: bool = False) -> bool:
    """Whether an entry that a search for people found is a person.

    Args:
        classes: its object classes, lower case; none where the account may not read them.
        own_filter: somebody wrote the filter: it decides, but groups and OUs are never people.

    """
    if classes & (GROUP_CLASSES | _CONTAINERS):
        return False
    return own_filter or not classes & _NO_ACCOUNTS


def kind_of(classes: AbstractSet[str]) -> Literal["person", "group", "neither", "unknown"]:
    """What an entry of a file is, by its object classes in lower case."""
    if classes & GROUP_CLASSES:
        return "group"
    if classes & (_CONTAINERS | _NO_ACCOUNTS | _NO_PEOPLE):
        return "neither"
    return "person" if classes & PERSON_CLASSES else "unknown"


def with_reference(kind: Kind, reference: ReferenceAttribute, server: object) -> Kind:
    """The kind, made to ask for the key that Swit's teams should carry.

    Raises:
        DirectoryConfigError: this kind doesn't have it; with what it has instead.

    """
    if reference == "distinguishedName":
        return kind
    if reference not in kind.identity_attributes:
        message = (
            f"LDAP_REFERENCE_ATTRIBUTE={reference}, but entries of {server} ({kind.title}) don't"
            f" have it. Set LDAP_REFERENCE_ATTRIBUTE={kind.identity_attributes[0]}: teams that"
            " carry another key are re-keyed in place. If the server is of another kind, LDAP_KIND"
            " can say so."
        )
        raise DirectoryConfigError(message)
    # No other id may stand in: 389 Directory Server gives old entries an entryUUID when it is told
    # to, and then their teams would be taken for those of groups that have left.
    return replace(kind, identity_attributes=(reference,))


def hold_references(
    state: DirectorySnapshot,
    reference: ReferenceAttribute,
    source: object,
    *,
    remedy: str = "If it has one, let LDAP_USER read it",
) -> DirectorySnapshot:
    """The state, with a warning where some groups have no id, and so are keyed by their DN.

    Args:
        state: as read.
        reference: the attribute that Swit's teams should carry.
        source: what messages call the server or the file.
        remedy: what may help if no group has the attribute.

    Raises:
        DirectoryConfigError: no group has one: the account may not read it, or it isn't there.

    """
    groups = state.groups
    without = groups["dn"][groups["directory_id"] == groups["key"]]
    if reference == "distinguishedName" or without.empty:
        return state
    if len(without) == len(groups):
        message = (
            f"{source}: LDAP_REFERENCE_ATTRIBUTE={reference}, but no group has {reference}."
            f" {remedy}, or set LDAP_REFERENCE_ATTRIBUTE=distinguishedName"
        )
        raise DirectoryConfigError(message)
    warning = (
        f"{len(without)} of {len(groups)} groups have no {reference}; their teams carry the"
        f" distinguished name instead, which changes with a rename: {listed(without)}"
    )
    facts = replace(state.facts, warnings=(*state.facts.warnings, warning))
    return replace(state, facts=facts)
