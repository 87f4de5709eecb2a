"""Configuration of a directory server or a file, and parsers for its settings."""

import ipaddress
import math
import re
import time
from dataclasses import dataclass, field, replace
from typing import Final, Literal, cast, get_args
from urllib.parse import urlsplit

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_below, parse_dn

Tls = Literal["ldaps", "starttls", "none"]

FILE_SUFFIXES: Final = (".json", ".ldif")
"""File types of `IDP_FILE`, each with a source in `registry.SOURCES`."""
LDAP_PORT = 389
LDAPS_PORT = 636
# 3269: global catalog of Active Directory. 1636 and 10636: common ports of servers without root.
_LDAPS_PORTS = {LDAPS_PORT, 3269, 1636, 10636}
_LAST_PORT = 65535
_EXAMPLE = "LDAP_SERVER_DOMAIN=dc1.example.com,dc2.example.com or ldaps://dc1.example.com:636"


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """One server. `str()` returns its name in messages: `ldaps://dc1.example.com`."""

    host: str
    """A name, an IPv4 address, or an IPv6 address without brackets."""
    port: int
    tls: Tls

    def __str__(self) -> str:
        """Address, with the port unless it is the usual one."""
        scheme, usual = ("ldaps", LDAPS_PORT) if self.tls == "ldaps" else ("ldap", LDAP_PORT)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == usual else f":{self.port}"
        note = {"ldaps": "", "starttls": " (StartTLS)", "none": " (not encrypted)"}[self.tls]
        return f"{scheme}://{host}{port}{note}"


def parse_servers(text: str, port: int, tls: str | None) -> tuple[ServerAddress, ...]:
    """Parse `LDAP_SERVER_DOMAIN`: servers in the order in which they are tried.

    Args:
        text: host names or addresses, separated by commas or spaces. Each may begin with `ldap://`
            or `ldaps://`, and may end with its own `:port`.
        port: `LDAP_SERVER_PORT`, for servers without their own. `ldap://` uses 389 if this is 636,
            `ldaps://` uses 636 if this is 389.
        tls: `LDAP_TLS`. `None` means `ldaps` for `ldaps://` and on the ports 636, 3269, 1636 and
            10636, otherwise `starttls`.

    Raises:
        ValueError: the message contains the problem and an example.

    """
    if tls is not None and tls not in get_args(Tls):
        message = f"LDAP_TLS is {tls!r}. Set it to ldaps, starttls or none"
        raise ValueError(message)
    pieces = [piece for piece in re.split(r"[,;\s]+", text) if piece]
    if not pieces:
        message = f"no server is named. Name one, such as {_EXAMPLE}"
        raise ValueError(message)
    try:
        return tuple(dict.fromkeys(_server(piece, port, tls) for piece in pieces))
    except _WrongServer as error:
        # The text before an `@` can be a password.
        before, at, host = error.piece.rpartition("@")
        shown = f"...@{host}" if at and before else error.piece
        message = f"server {shown!r}: {error}. Write it as in {_EXAMPLE}"
        raise ValueError(message) from error


class _WrongServer(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, piece: str, problem: str) -> None:
        super().__init__(problem)
        self.piece = piece


def _server(piece: str, port: int, tls: str | None) -> ServerAddress:
    try:
        is_ipv6 = isinstance(ipaddress.ip_address(piece), ipaddress.IPv6Address)
    except ValueError:
        is_ipv6 = False
    text = f"[{piece}]" if is_ipv6 else piece
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
    except ValueError as error:
        raise _WrongServer(piece, str(error)) from error
    scheme = parts.scheme
    if scheme not in {"", "ldap", "ldaps"}:
        raise _WrongServer(piece, f"{scheme}:// is not ldap:// or ldaps://")
    if not parts.hostname or not re.fullmatch(r"[\w.:%-]+", parts.hostname):
        raise _WrongServer(piece, "it contains no host name")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        problem = "write only a host and a port (the base is LDAP_SEARCH_BASE)"
        raise _WrongServer(piece, problem)
    # The port of the settings, unless it is the usual one of the other scheme.
    usual = {("ldap", LDAPS_PORT): LDAP_PORT, ("ldaps", LDAP_PORT): LDAPS_PORT}
    try:
        chosen = parts.port or usual.get((scheme, port), port)
    except ValueError as error:
        raise _WrongServer(piece, "its port is not a number") from error
    if not 0 < chosen <= _LAST_PORT:
        raise _WrongServer(piece, f"port {chosen} is not between 1 and {_LAST_PORT}")
    is_ldaps = scheme == "ldaps" or (not scheme and chosen in _LDAPS_PORTS)
    mode: Tls = "ldaps" if is_ldaps else "starttls"
    if tls is not None:
        mode = cast("Tls", tls)
        if scheme and (scheme == "ldaps") != (tls == "ldaps"):
            problem = f"{scheme}:// and LDAP_TLS={tls} contradict each other. Remove one of them"
            raise _WrongServer(piece, problem)
    return ServerAddress(host=parts.hostname, port=chosen, tls=mode)


_BASES_EXAMPLE = r"Employees,Partners or OU=Employees,OU=HQ,DC=example,DC=com;Sales\, EMEA"


def parse_bases(text: str, search_base: str) -> tuple[str, ...]:
    r"""Parse names of OUs, relative DNs or full DNs. Returns full DNs below the search base.

    They are separated by commas, or by `;` if one of them contains a comma. A single full DN at or
    below the search base needs no `;`. Names are escaped. An empty text means the search base.

    `parse_bases("Employees, Partners", "DC=x")` is `("OU=Employees,DC=x", "OU=Partners,DC=x")`.

    Raises:
        ValueError: the message contains the problem and an example.

    """
    try:
        base_key = dn_key(search_base)
    except InvalidDN as error:
        message = f"LDAP_SEARCH_BASE: {error}. Set it as in DC=example,DC=com"
        raise ValueError(message) from error
    if not base_key:
        message = "LDAP_SEARCH_BASE is not set. Set it, for example to DC=example,DC=com"
        raise ValueError(message)
    if ";" in text:
        pieces = re.split(r"(?<!\\);", text)
    else:
        pieces = [text] if _at_or_below(text, base_key) else re.split(r"(?<!\\),", text)
    bases = [_full_dn(piece.strip(), search_base, base_key) for piece in pieces if piece.strip()]
    return tuple({dn_key(base): base for base in bases or [search_base]}.values())


def _at_or_below(text: str, base_key: str) -> bool:
    try:
        key = dn_key(text)
    except InvalidDN:
        return False
    return key == base_key or is_below(key, base_key)


def _full_dn(piece: str, search_base: str, base_key: str) -> str:
    if "=" not in piece:
        return f"OU={_escaped_name(piece)},{search_base}"
    try:
        kinds = {kind.lower() for rdn in parse_dn(piece) for kind, _ in rdn}
    except InvalidDN as error:
        message = (
            rf"{error}. Write `\=` for a `=` in a name, as in OU=R\=D. Example: {_BASES_EXAMPLE}"
        )
        raise ValueError(message) from error
    if _at_or_below(piece, base_key):
        return piece
    if "dc" in kinds:
        message = (
            f"{piece!r} is not below LDAP_SEARCH_BASE ({search_base}). Set a search base above"
            f" both, and separate several names by `;` if one contains a comma: {_BASES_EXAMPLE}"
        )
        raise ValueError(message)
    return f"{piece},{search_base}"


def _escaped_name(name: str) -> str:
    r"""Escape a name (RFC 4514). Escapes that it already contains are kept."""
    if "\\" in name:
        try:
            ((_, value),) = parse_dn(f"OU={name}")[0]
        except InvalidDN as error:
            message = rf"{name!r}: write `\\` for a backslash. Example: {_BASES_EXAMPLE}"
            raise ValueError(message) from error
        name = str(value)
    escaped = re.sub(r'([\\,+"<>;=])', r"\\\1", name)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return f"{escaped[:-1]}\\ " if name.endswith(" ") and len(name) > 1 else escaped


KindName = Literal["active_directory", "openldap", "389ds", "other"]
KindSetting = Literal["auto", "active_directory", "openldap", "389ds", "other"]


@dataclass(frozen=True, kw_only=True)
class LdapLimits:
    """Limits of one read. If one is exceeded, the read fails."""

    read_until: float = math.inf
    """End of the whole read, in seconds of `time.monotonic`."""
    answer_seconds: float = 600
    """Time for one request and its whole answer."""
    answer_bytes: int = 1 << 30
    """Size of one answer to a search. A group of a million members takes a tenth of it."""
    login_bytes: int = 1 << 16
    """Size of the answer to a login or to StartTLS."""
    read_bytes: int = 8 << 30
    """Size of all answers of one server in one read."""
    pages: int = 100_000
    """Pages of one search."""
    ranges: int = 10_000
    """Parts in which the values of one attribute of one entry arrive."""


@dataclass(frozen=True, kw_only=True)
class LdapConfig:
    """Servers, account, and search bases.

    Raises:
        ValueError: the user or the password is empty, so the bind would be anonymous.

    """

    servers: tuple[ServerAddress, ...]
    """Tried in order. One read uses one of them."""
    user: str
    """A DN, `reader@example.com` or `EXAMPLE\\reader`."""
    password: str = field(repr=False)
    search_base: str
    user_bases: tuple[str, ...]
    """As `parse_bases` returns them."""
    group_bases: tuple[str, ...]
    ca_file: str | None = None
    """PEM file of the certificate authority. `None`: the authorities of the system."""
    kind: KindSetting = "auto"
    user_filter: str | None = None
    group_filter: str | None = None
    """`None`: the filter of the kind of server."""
    reference_attribute: ReferenceAttribute = "distinguishedName"
    """Attribute that teams carry as their reference. Refused if the server does not have it."""
    page_size: int = 1000
    timeout_seconds: int = 60
    """Longest silence of a server. Connecting may take 10 seconds at most."""
    read_minutes: float = 60
    """Time for the whole read, including attempts on all servers."""
    limits: LdapLimits = field(default_factory=LdapLimits)

    def __post_init__(self) -> None:
        """Refuse an anonymous bind. The settings have checked everything else."""
        if not self.user.strip():
            message = "LDAP_USER is empty. Set it to the account that reads the directory"
            raise ValueError(message)
        if not self.password:
            message = "LDAP_PASSWORD is empty: the login would be anonymous. Set it"
            raise ValueError(message)

    def limits_from_now(self) -> LdapLimits:
        """The limits of a read that begins now."""
        end = time.monotonic() + 60 * self.read_minutes
        return replace(self.limits, read_until=min(self.limits.read_until, end))


@dataclass(frozen=True, kw_only=True)
class FileScope:
    """Entries of a file that are read: the equivalent of the `LDAP_*` settings for a server."""

    search_base: str | None = None
    user_bases: tuple[str, ...] = ()
    group_bases: tuple[str, ...] = ()
    """As `parse_bases` returns them. Empty without a search base."""
    user_filter: EntryFilter | None = None
    group_filter: EntryFilter | None = None
    reference_attribute: ReferenceAttribute = "distinguishedName"
    """Attribute that teams carry as their reference. Refused if no group has it."""
