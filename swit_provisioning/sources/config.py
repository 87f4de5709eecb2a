"""What has to be known to read a directory server or a file: made from the settings."""

import ipaddress
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation import search as ldap3_search
from ldap3.operation.search import FilterNode

from swit_provisioning.planning.model import ReferenceAttribute
from swit_provisioning.sources.attributes import (
    AttributeMapping,
    parse_group_attributes,
    parse_user_attributes,
)
from swit_provisioning.sources.entries import Entry, Value, as_text
from swit_provisioning.sources.ldap.dn import (
    InvalidDN,
    dn_key,
    is_below,
    is_dn,
    own_values,
    parse_dn,
    rdn_values,
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

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_BAD_ESCAPE = re.compile(r"\\(?![0-9A-Fa-f]{2})")
_FILTERS_EXAMPLE = "(&(objectClass=user)(mail=*)(!(objectClass=computer)))"


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


def parse_filter(text: str) -> str:
    r"""Check an LDAP filter (RFC 4515); outer brackets are added where they are left out.

    Raises:
        ValueError: with the problem and an example.

    """
    return _parsed(text)[0]


def _parsed(text: str) -> tuple[str, FilterNode]:
    written = text.strip()
    if not written.startswith("("):
        written = f"({written})"
    if _BAD_ESCAPE.search(written):
        problem = r"after a backslash two hexadecimal digits must follow (`\5c` is a backslash)"
        raise _filters_wrong(text, problem)
    try:
        root = ldap3_search.parse_filter(  # type: ignore[no-untyped-call] # the stubs leave it open
            written,
            schema=None,
            auto_escape=False,
            auto_encode=True,
            validator=None,
            check_names=False,
        )
    except LDAPExceptionError as error:
        raise _filters_wrong(text, f"{error}; are all brackets there, and in pairs?") from error
    _check_attributes(text, root)
    return written, root


def _check_attributes(text: str, node: FilterNode) -> None:
    for element in node.elements:
        _check_attributes(text, element)
    if node.assertion is None:
        return
    attribute = node.assertion["attr"]
    # An extensible match may name a rule and no attribute.
    if attribute and not _ATTRIBUTE.fullmatch(attribute):
        raise _filters_wrong(text, f"{attribute!r} is no attribute's name")
    if not attribute and "matchingRule" not in node.assertion:
        raise _filters_wrong(text, "a condition names no attribute")


def _filters_wrong(text: str, problem: str) -> ValueError:
    return ValueError(
        f"the filter {text!r} can't be used: {problem}; for example {_FILTERS_EXAMPLE}"
    )


# Active Directory's: all of these bits, any of these bits.
_ALL_BITS, _ANY_BIT = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"
_PLAIN_RULES = frozenset(
    {
        *("caseignorematch", "2.5.13.2", "distinguishednamematch", "2.5.13.1"),
        *("integermatch", "2.5.13.14", "objectidentifiermatch", "2.5.13.0"),
    }
)
_SUPPORTED = f"&, |, !, =, ~=, >=, <=, `*` and the bit rules {_ALL_BITS} and {_ANY_BIT}"
# Servers know that such an entry is of these classes too, even if it does not list them.
_IMPLIED_CLASSES: Mapping[str, tuple[str, ...]] = {
    "inetorgperson": ("organizationalPerson", "person", "top"),
    "organizationalperson": ("person", "top"),
    "computer": ("user", "organizationalPerson", "person", "top"),
    "user": ("organizationalPerson", "person", "top"),
}
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"-?\d{1,20}")


class EntryFilter:
    """An LDAP filter applied to entries of a file, as a server would apply it.

    There is no schema: text is compared without case, DNs in normal form, digits as numbers. The
    attributes in an entry's own DN count as attributes of the entry.
    """

    def __init__(self, text: str) -> None:
        """Parse the filter.

        Raises:
            ValueError: it is no filter, or a part of it is not supported here.

        """
        self._text, self._root = _parsed(text)
        self._conditions = [*_conditions(self._root)]
        for part in filter(None, map(_unsupported, self._conditions)):
            message = (
                f"the filter {self._text!r} can't be applied to a file: {part} is not supported."
                f" Supported are {_SUPPORTED}. Remove that part, or filter when you export the file"
            )
            raise ValueError(message)
        self.attributes = frozenset(condition["attr"].lower() for condition in self._conditions)
        """The attributes that it looks at, in lower case."""

    def __str__(self) -> str:
        """The filter as it was written."""
        return self._text

    def matches(self, entry: Entry) -> bool:
        """Whether the entry matches."""
        return _matches(self._root, entry)

    def missing_in(self, entry: Entry) -> frozenset[str]:
        """The attributes that it looks at and that the entry lacks; an empty one is there."""
        return frozenset(
            condition["attr"].lower()
            for condition in self._conditions
            if not _has_attribute(entry, condition)
        )


def _conditions(node: FilterNode) -> Iterator[Mapping[str, Any]]:
    for element in node.elements:
        yield from _conditions(element)
    if node.assertion is not None:
        yield node.assertion


def _unsupported(condition: Mapping[str, Any]) -> str | None:
    rule = condition.get("matchingRule") or ""
    if rule and rule.lower() not in {*_PLAIN_RULES, _ALL_BITS, _ANY_BIT}:
        return f"the matching rule {rule}"
    if not condition["attr"]:
        return "a condition without an attribute"
    if rule in {_ALL_BITS, _ANY_BIT} and not _number(_unescaped(condition["value"])):
        return f"the rule {rule} with a value that is not a number"
    return None


def _has_attribute(entry: Entry, condition: Mapping[str, Any]) -> bool:
    name = condition["attr"].lower()
    if any(_keys(entry, name)) or name in _own(entry.dn):
        return True
    return bool(condition.get("dnAttributes") and _in_dn(entry, name))


def _matches(node: FilterNode, entry: Entry) -> bool:
    if node.assertion is not None:
        return _holds(node.tag, node.assertion, entry)
    found = (_matches(element, entry) for element in node.elements)
    if node.tag == ldap3_search.OR:
        return any(found)
    if node.tag == ldap3_search.NOT:
        return not any(found)
    return all(found)


def _holds(tag: int, assertion: Mapping[str, Any], entry: Entry) -> bool:
    name = assertion["attr"].lower()
    held = [*_values(entry, name)]
    if tag == ldap3_search.MATCH_PRESENT:
        return bool(held)
    if tag == ldap3_search.MATCH_SUBSTRING:
        pattern = _pattern(assertion)
        return any(pattern.fullmatch(_folded(value)) for value in held)
    wanted = _unescaped(assertion["value"])
    if tag in {ldap3_search.MATCH_GREATER_OR_EQUAL, ldap3_search.MATCH_LESS_OR_EQUAL}:
        at_least = tag == ldap3_search.MATCH_GREATER_OR_EQUAL
        return any(_ordered(wanted, v) if at_least else _ordered(v, wanted) for v in held)
    rule = assertion.get("matchingRule")
    if rule in {_ALL_BITS, _ANY_BIT}:
        bits = int(wanted)
        flags = [int(as_text(v)) & bits for v in held if _number(v)]
        return any(flag == bits if rule == _ALL_BITS else flag for flag in flags)
    if assertion.get("dnAttributes"):
        held += _in_dn(entry, name)
    if name == "objectcategory" and not is_dn(as_text(wanted)):
        # Its values are DNs of the schema, and it is asked for by the first part of one.
        held += [value for v in held for value in _own(as_text(v)).values()]
    return any(_equal(value, wanted) for value in held)


def _keys(entry: Entry, name: str) -> Iterator[str]:
    """The attribute as the entry has it: alone, with more options, or both."""
    return (key for key in entry.attributes if key == name or key.startswith(f"{name};"))


def _values(entry: Entry, name: str) -> Iterator[Value]:
    for key in _keys(entry, name):
        yield from entry.attributes[key]
    if name == "objectclass":
        for known in entry.classes():
            yield from _IMPLIED_CLASSES.get(known, ())
    own = _own(entry.dn).get(name)
    if own is not None:
        yield own


def _own(dn: str) -> Mapping[str, str]:
    try:
        return own_values(dn)
    except InvalidDN:
        return {}


def _in_dn(entry: Entry, name: str) -> list[str]:
    try:
        return rdn_values(entry.dn, name)
    except InvalidDN:
        return []


def _pattern(assertion: Mapping[str, Any]) -> re.Pattern[str]:
    parts = [assertion.get("initial", b""), *assertion.get("any", ()), assertion.get("final", b"")]
    texts = [re.escape(_folded(_unescaped(part), strip=False)) for part in parts]
    return re.compile(".*".join(texts), re.DOTALL)


def _equal(value: Value, wanted: bytes) -> bool:
    if (value if isinstance(value, bytes) else value.encode(errors="replace")) == wanted:
        return True
    text, other = as_text(value), as_text(wanted)
    if _number(value) and _number(wanted):
        return int(text) == int(other)
    if "=" in other and is_dn(other) and is_dn(text):
        return dn_key(text) == dn_key(other)
    return _folded(value) == _folded(wanted)


def _ordered(low: Value, high: Value) -> bool:
    if _number(low) and _number(high):
        return int(as_text(low)) <= int(as_text(high))
    return _folded(low) <= _folded(high)


def _number(value: Value) -> bool:
    return _NUMBER.fullmatch(as_text(value)) is not None


def _unescaped(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), value)


def _folded(value: Value, *, strip: bool = True) -> str:
    text = unicodedata.normalize("NFKC", as_text(value)).casefold()
    text = re.sub(r"\s+", " ", text)
    return text.strip() if strip else text


KindName = Literal["active_directory", "openldap", "389ds", "other"]
KindSetting = Literal["auto", "active_directory", "openldap", "389ds", "other"]


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
