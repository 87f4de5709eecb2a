"""Kinds of directory servers: how one is recognised, and what is asked of each."""

from dataclasses import dataclass, replace
from typing import Final

from swit_provisioning.planning.model import ReferenceAttribute
from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.sources.base import DirectoryConfigError, listed
from swit_provisioning.sources.config import KindName
from swit_provisioning.sources.entries import IDENTITY_ATTRIBUTES, Entry
from swit_provisioning.sources.object_classes import GROUP_FILTER, USER_FILTER

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
