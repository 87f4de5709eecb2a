"""Configuration of a directory server or file, and how the settings are parsed."""

import ipaddress
import math
import re
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from swit_provisioning.planning.model import ReferenceAttribute
from swit_provisioning.sources.filters import EntryFilter
from swit_provisioning.sources.ldap.dn import (
    InvalidDN,
    dn_key,
    is_below,
    parse_dn,
)

Tls = Literal["ldaps", "starttls", "none"]

LDAP_PORT = 389
LDAPS_PORT = 636
# 3269: the global catalog of Active Directory; 1636 and 10636: where others put it without root.
_LDAPS_PORTS = {LDAPS_PORT, 3269, 1636, 10636}
_LAST_PORT = 65535
_EXAMPLE = "LDAP_SERVER_DOMAIN=dc1.example.com,dc2.example.com or ldaps://dc1.example.com:636"


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """One server; `str()` of it is for people: `ldaps://dc1.example.com`."""

    host: str
    """A name, an IPv4 address, or an IPv6 address without brackets."""
    port: int
    tls: Tls

    def __str__(self) -> str:
        """As an address, with the port where it isn't the usual one."""
        scheme, usual = ("ldaps", LDAPS_PORT) if self.tls == "ldaps" else ("ldap", LDAP_PORT)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == usual else f":{self.port}"
        note = {"ldaps": "", "starttls": " (StartTLS)", "none": " (not encrypted)"}[self.tls]
        return f"{scheme}://{host}{port}{note}"


def parse_servers(text: str, port: int, tls: str | None) -> tuple[ServerAddress, ...]:
    """Read `LDAP_SERVER_DOMAIN`: host names or addresses, in the order in which they are tried.

    Args:
        text: names separated by commas or spaces, each may be `ldap://...` or `ldaps://...`
            and may carry its own `:port`.
        port: `LDAP_SERVER_PORT`, for those that carry none. One that says `ldap://` uses 389
            where this is 636, one that says `ldaps://` 636 where this is 389.
        tls: `LDAP_TLS`, or `None`: `ldaps` for `ldaps://` and on the ports 636, 3269, 1636
            and 10636, else `starttls`.

    Raises:
        ValueError: with the problem and an example.

    """
    if tls is not None and tls not in get_args(Tls):
        message = f"LDAP_TLS is {tls!r}; it can be ldaps, starttls or none, as in LDAP_TLS=starttls"
        raise ValueError(message)
    pieces = [piece for piece in re.split(r"[,;\s]+", text) if piece]
    if not pieces:
        message = f"no server is named; for example {_EXAMPLE}"
        raise ValueError(message)
    return tuple(dict.fromkeys(_server(piece, port, tls) for piece in pieces))


def _server(piece: str, port: int, tls: str | None) -> ServerAddress:
    parts = _split(piece)
    scheme = parts.scheme
    own_port = _port(piece, parts)
    chosen = own_port or _usual(scheme, port)
    if not 0 < chosen <= _LAST_PORT:
        raise _wrong(piece, f"port {chosen} is not between 1 and {_LAST_PORT}")
    mode = _mode(scheme, tls, chosen)
    if mode is None:
        raise _wrong(piece, f"{scheme}:// and LDAP_TLS={tls} contradict each other; leave one out")
    return ServerAddress(host=parts.hostname or "", port=chosen, tls=mode)


def _split(piece: str) -> SplitResult:
    """Take one address apart; a bare IPv6 address gets its brackets."""
    text = piece if "://" in piece else f"//{_bracketed(piece)}"
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise _wrong(piece, str(error)) from error
    if parts.scheme not in {"", "ldap", "ldaps"}:
        raise _wrong(piece, f"{parts.scheme}:// is not ldap:// or ldaps://")
    if not parts.hostname or not re.fullmatch(r"[\w.:%-]+", parts.hostname):
        raise _wrong(piece, "it holds no host name")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise _wrong(piece, "only a host and a port can stand here (the base is LDAP_SEARCH_BASE)")
    return parts


def _bracketed(piece: str) -> str:
    try:
        return f"[{piece}]" if ipaddress.ip_address(piece).version == 6 else piece  # noqa: PLR2004 - IPv6
    except ValueError:
        return piece


def _port(piece: str, parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise _wrong(piece, "its port is not a number") from error


def _usual(scheme: str, port: int) -> int:
    """The port of an address that names none: the setting's, unless it is the other scheme's."""
    if scheme == "ldap" and port == LDAPS_PORT:
        return LDAP_PORT
    if scheme == "ldaps" and port == LDAP_PORT:
        return LDAPS_PORT
    return port


def _mode(scheme: str, tls: str | None, port: int) -> Tls | None:
    """The protection that address and setting agree on; nothing where they contradict."""
    if tls is None:
        return "ldaps" if scheme == "ldaps" or (not scheme and port in _LDAPS_PORTS) else "starttls"
    if tls == "ldaps":
        return None if scheme == "ldap" else "ldaps"
    if scheme == "ldaps":
        return None
    return "starttls" if tls == "starttls" else "none"


def _wrong(piece: str, problem: str) -> ValueError:
    """Name the address, but not what stands before an `@`: that can be a password."""
    before, at, host = piece.rpartition("@")
    shown = f"...@{host}" if at and before else piece
    return ValueError(f"server {shown!r}: {problem}; for example {_EXAMPLE}")


_BASES_EXAMPLE = r"Employees,Partners or OU=Employees,OU=HQ,DC=example,DC=com;Sales\, EMEA"


def parse_bases(text: str, search_base: str) -> tuple[str, ...]:
    r"""Read names of OUs, relative DNs or full DNs, as full DNs below the search base.

    They are separated by commas, or by `;` where one of them holds a comma. A single full DN at
    or below the search base needs no `;`. Names are escaped; nothing given is the base itself.

    `parse_bases("Employees, Partners", "DC=x")` is `("OU=Employees,DC=x", "OU=Partners,DC=x")`.

    Raises:
        ValueError: with the problem and an example.

    """
    base_key = _base_key(search_base)
    bases = [_full(piece, search_base, base_key) for piece in _pieces(text, base_key)]
    return tuple({dn_key(base): base for base in bases or [search_base]}.values())


def _base_key(search_base: str) -> str:
    try:
        key = dn_key(search_base)
    except InvalidDN as error:
        message = f"LDAP_SEARCH_BASE: {error}; for example DC=example,DC=com"
        raise ValueError(message) from error
    if not key:
        message = "LDAP_SEARCH_BASE is needed, for example DC=example,DC=com"
        raise ValueError(message)
    return key


def _pieces(text: str, base_key: str) -> list[str]:
    if ";" in text:
        pieces = re.split(r"(?<!\\);", text)
    elif _at_or_below(text, base_key):
        pieces = [text]
    else:
        pieces = re.split(r"(?<!\\),", text)
    return [piece.strip() for piece in pieces if piece.strip()]


def _at_or_below(text: str, base_key: str) -> bool:
    try:
        key = dn_key(text)
    except InvalidDN:
        return False
    return key == base_key or is_below(key, base_key)


def _full(piece: str, search_base: str, base_key: str) -> str:
    if "=" not in piece:
        return f"OU={_escaped_name(piece)},{search_base}"
    try:
        kinds = {kind.lower() for rdn in parse_dn(piece) for kind, _ in rdn}
    except InvalidDN as error:
        message = (
            rf"{error}; a `=` in a name is written `\=`, as in OU=R\=D. Example: {_BASES_EXAMPLE}"
        )
        raise ValueError(message) from error
    if _at_or_below(piece, base_key):
        return piece
    if "dc" in kinds:
        message = (
            f"{piece!r} is not below LDAP_SEARCH_BASE ({search_base}); write a base above both,"
            f" and separate several by `;` where one holds a comma: {_BASES_EXAMPLE}"
        )
        raise ValueError(message)
    return f"{piece},{search_base}"


def _escaped_name(name: str) -> str:
    r"""Escape a bare name (RFC 4514); one that was typed with its escapes is taken as meant."""
    if "\\" in name:
        try:
            ((_, value),) = parse_dn(f"OU={name}")[0]
        except InvalidDN as error:
            message = rf"{name!r}: a backslash is written `\\`; example: {_BASES_EXAMPLE}"
            raise ValueError(message) from error
        return _escaped_name_of(str(value))
    return _escaped_name_of(name)


def _escaped_name_of(value: str) -> str:
    escaped = re.sub(r'([\\,+"<>;=])', r"\\\1", value)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return f"{escaped[:-1]}\\ " if value.endswith(" ") and len(value) > 1 else escaped


KindName = Literal["active_directory", "openldap", "389ds", "other"]
KindSetting = Literal["auto", "active_directory", "openldap", "389ds", "other"]


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
