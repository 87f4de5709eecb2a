"""Kinds of directory servers: how one is recognised, and what is asked of each."""

from dataclasses import dataclass
from typing import Final, Literal

from swit_provisioning.directory.entries import IDENTITY_ATTRIBUTES, Entry
from swit_provisioning.directory.errors import DirectoryConfigError
from swit_provisioning.directory.filters import GROUP_FILTER, USER_FILTER
from swit_provisioning.reconcile.policy import ReferenceAttribute

KindName = Literal["active_directory", "openldap", "389ds", "other"]
KindSetting = Literal["auto", "active_directory", "openldap", "389ds", "other"]
"""`LDAP_KIND`: `auto` asks the server's root entry."""

ROOT_ATTRIBUTES: Final = (
    "objectClass",
    "structuralObjectClass",
    "supportedCapabilities",
    "rootDomainNamingContext",
    "vendorName",
    "vendorVersion",
)
"""What a server's root entry tells its kind by; OpenLDAP sends them only if asked by name."""

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
    has_primary_groups: bool
    """Whether a user's primary group is an attribute of the user, and not listed by the group."""

    @property
    def user_attributes(self) -> tuple[str, ...]:
        """What to ask of people, beside what the settings name."""
        primary = ("objectSid", "primaryGroupID") if self.has_primary_groups else ()
        return ("objectClass", *self.identity_attributes, *self.account_attributes, *primary)

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


def refuse_reference(kind: Kind, reference: ReferenceAttribute, server: object) -> None:
    """Fail where the key that Swit's teams should carry is one that this kind doesn't have.

    Raises:
        DirectoryConfigError: with what this kind has instead.

    """
    known = ("distinguishedName", *kind.identity_attributes)
    if reference in known:
        return
    message = (
        f"LDAP_REFERENCE_ATTRIBUTE={reference}, but entries of {server} ({kind.title}) don't have"
        f" it. Set LDAP_REFERENCE_ATTRIBUTE={kind.identity_attributes[0]}: teams that carry another"
        " key are re-keyed in place. If the server is of another kind, LDAP_KIND can say so."
    )
    raise DirectoryConfigError(message)
