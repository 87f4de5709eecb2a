"""What has to be known to read a directory server or a file: made from the settings."""

import math
from dataclasses import dataclass, field

from swit_provisioning.directory.addresses import ServerAddress, parse_servers
from swit_provisioning.directory.attributes import (
    AttributeMapping,
    parse_group_attributes,
    parse_user_attributes,
)
from swit_provisioning.directory.bases import parse_bases
from swit_provisioning.directory.filters import EntryFilter, parse_filter
from swit_provisioning.directory.kind_names import KindSetting
from swit_provisioning.reconcile.policy import ReferenceAttribute

__all__ = [
    "AttributeMapping",
    "EntryFilter",
    "FileScope",
    "KindSetting",
    "LdapConfig",
    "ServerAddress",
    "parse_bases",
    "parse_filter",
    "parse_group_attributes",
    "parse_servers",
    "parse_user_attributes",
]


@dataclass(frozen=True, kw_only=True)
class LdapLimits:
    """What one read may take. More is an error, and nothing of the read is used."""

    read_until: float = math.inf
    """When the whole read has to be over, as `time.monotonic` counts."""
    answer_seconds: float = 600
    """How long one request and its whole answer may take."""
    answer_bytes: int = 1 << 30
    """Of one answer to a search. A group of a million members takes a tenth of it."""
    login_bytes: int = 1 << 16
    """Of the answer to a login or to StartTLS."""
    read_bytes: int = 8 << 30
    """Of all answers that one server gives in one read."""
    pages: int = 100_000
    """Of one search."""
    ranges: int = 10_000
    """Parts in which the values of one attribute of one entry come."""


@dataclass(frozen=True, kw_only=True)
class LdapConfig:
    """Servers, account, and where people and groups are.

    Raises:
        ValueError: no server, no user or no password (the bind would be anonymous), or a number
            below 1; the message names the setting.

    """

    servers: tuple[ServerAddress, ...]
    """Tried in order; one read stays on one of them."""
    user: str
    """A DN, `reader@example.com` or `EXAMPLE\\reader`."""
    password: str = field(repr=False)
    search_base: str
    user_bases: tuple[str, ...]
    """Full DNs at or below the search base, as `parse_bases` makes them."""
    group_bases: tuple[str, ...]
    ca_file: str | None = None
    """PEM file of the authority that signed the servers' certificates; else the system's."""
    kind: KindSetting = "auto"
    user_filter: str | None = None
    group_filter: str | None = None
    """Where nothing is said, the kind of server decides."""
    reference_attribute: ReferenceAttribute = "distinguishedName"
    """What teams will carry as their key: refused where the server has no such attribute."""
    page_size: int = 1000
    timeout_seconds: int = 60
    """How long a server may be silent. A connection has to be there after 10 seconds at most."""
    read_minutes: float = 60
    """How long the whole read may take, attempts at all servers included."""
    limits: LdapLimits = field(default_factory=LdapLimits)

    def __post_init__(self) -> None:
        """Refuse what would end in an anonymous bind, or never end."""
        problems = [
            (not self.servers, "no server is named; set LDAP_SERVER_DOMAIN=dc1.example.com"),
            (not self.user.strip(), "LDAP_USER is empty: the account that reads is needed"),
            (not self.password, "LDAP_PASSWORD is empty: directories take that for a visitor"),
            (not self.user_bases, "no base for users; leave LDAP_USER_OUS empty for the whole"),
            (not self.group_bases, "no base for groups; leave LDAP_GROUP_OUS empty for the whole"),
            (self.page_size < 1, "LDAP_PAGE_SIZE must be 1 or more, such as 1000"),
            (self.read_minutes <= 0, "DIRECTORY_TIMEOUT_MINUTES must be above 0, such as 60"),
            (self.timeout_seconds < 1, "LDAP_TIMEOUT_SECONDS must be 1 or more, such as 60"),
        ]
        message = "; ".join(text for wrong, text in problems if wrong)
        if message:
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class FileScope:
    """Which entries of a file are read: what the `LDAP_*` settings say for a server."""

    search_base: str | None = None
    user_bases: tuple[str, ...] = ()
    group_bases: tuple[str, ...] = ()
    """Full DNs at or below the search base, as `parse_bases` makes them; none without one."""
    user_filter: EntryFilter | None = None
    group_filter: EntryFilter | None = None
    reference_attribute: ReferenceAttribute = "distinguishedName"
    """What teams will carry as their key: refused where no group has it."""
