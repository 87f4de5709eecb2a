"""Where a directory server listens, and how the connection is protected."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

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
