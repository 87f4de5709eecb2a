"""The one thing that everything else knows about a directory: it can be read."""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pandas as pd

from swit_provisioning.planning.dn import InvalidDN, dn_key
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning.planning.snapshots import DirectoryState


class Directory(Protocol):
    """A source of people and groups: a server, a file, or a third kind that someone adds."""

    @property
    def description(self) -> str:
        """Which directory this is, for people; nothing secret in it."""
        ...

    def read(self) -> DirectoryState:
        """Read everything: that it returns is the proof that the answer is complete.

        Raises:
            DirectoryError: anything else. Its class says what to do, its message what happened.

        """
        ...


def utc_now() -> datetime:
    """The time, for telling which accounts have expired; tests pass another clock."""
    return datetime.now(UTC)


class DirectoryError(Exception):
    """The directory was not read; the message says where, what happened, and how to mend it."""


class DirectoryConfigError(DirectoryError):
    """A setting or the file is wrong; trying again changes nothing."""


class DirectoryUntrustedError(DirectoryConfigError):
    """The server's certificate doesn't prove that it is the one that was asked for."""


class DirectoryIncompleteError(DirectoryError):
    """Something was read, but not everything: none of it may be taken for the directory."""


class DirectoryUnavailableError(DirectoryError):
    """No server answered to the end; a later attempt may work."""


class Notes:
    """Collects findings such as "not a number: order of CN=Sales", each one once."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[tuple[str, str, str, str], None] = {}
        self._warnings: Counter[str] = Counter()

    def add(self, kind: str, *, dn: str, attribute: str, reason: str) -> None:
        """Note one value of an entry that is left out, and why."""
        self._rows[kind, dn, attribute, reason] = None

    def unread(self, attributes: Container[str]) -> frozenset[str]:
        """DNs of the entries of which a value of these attributes is left out."""
        return frozenset(dn for _, dn, attribute, _ in self._rows if attribute in attributes)

    def warn(self, what: str) -> None:
        """Count one more entry of which `what` is true, and no fault of that entry."""
        self._warnings[what] += 1

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each `what`, with the number of entries."""
        return tuple(f"{what} (entries: {count})" for what, count in self._warnings.items())

    def frame(self) -> pd.DataFrame:
        """The frame `idp_findings`, in the order in which they turned up."""
        names = IDP_FINDINGS.names
        return IDP_FINDINGS.frame(dict(zip(names, row, strict=True)) for row in self._rows)


def listed(examples: Iterable[str], *, most: int = 5) -> str:
    """Join examples with `; `, at most so many, and say how many more there are.

    `listed(["a", "b", "c"], most=2)` is `a; b; and 1 more`.
    """
    known = list(examples)
    more = len(known) - most
    return "; ".join([*known[:most], f"and {more} more"] if more > 0 else known)


Value = str | bytes

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*")
# A `;` also begins an option of an attribute (`displayName;lang-ja`): it separates only where
# another pair, another separator or nothing follows.
_SEPARATOR = re.compile(r",|;(?=\s*(?:\w+\s*=|[,;]|\Z))")
_USER_FIELDS = {
    "email": "email",
    "name": "name",
    "phone_number": "phone_number",
    "language": "language",
    "primary_group": "primary_group",
}
_GROUP_FIELDS = {"name": "group_name", "order": "order"}
# Nobody can be matched or shown without these; the others can be switched off (`language=`).
_NEEDED = {"email", "name", "group_name"}


@dataclass(frozen=True, kw_only=True)
class AttributeMapping:
    """Attribute names; as the reference program's where nothing else is said.

    Of `name` and `group_name` the first attribute that holds a value counts.
    """

    email: str = "mail"
    name: tuple[str, ...] = ("displayName", "cn")
    phone_number: str | None = "mobile"
    language: str | None = "preferredLanguage"
    primary_group: str | None = None
    """Holds the DN or the name of the group that is the user's primary team."""
    group_name: tuple[str, ...] = ("displayName", "cn")
    order: str | None = None
    """Holds a number: groups with a smaller one come first among their siblings."""

    def of_users(self) -> tuple[str, ...]:
        """The attributes to ask of people."""
        return _asked(self.email, *self.name, self.phone_number, self.language, self.primary_group)

    def of_groups(self) -> tuple[str, ...]:
        """The attributes to ask of groups."""
        return _asked(*self.group_name, self.order)

    def for_people(self) -> dict[str, str]:
        """What findings call each field: all attributes that are looked at for it."""
        values = {
            **vars(self),
            "name": ", ".join(self.name),
            "group_name": ", ".join(self.group_name),
        }
        return {field: name for field, name in values.items() if name}


def as_text(value: Value) -> str:
    """The value as text; bytes that are no UTF-8 become replacement characters."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def parse_user_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Read `LDAP_USER_ATTRIBUTES`, such as `name=displayName,email=mail`.

    What it doesn't name stays as it is in `onto` (the defaults). An empty `phone_number=`,
    `language=` or `primary_group=` switches that one off. An attribute may carry options
    (`name=displayName;lang-ja`). `cn` stays the name of last resort.

    Raises:
        ValueError: with the problem and an example.

    """
    example = "LDAP_USER_ATTRIBUTES=name=displayName,email=mail,phone_number=mobile"
    return _replaced(onto or AttributeMapping(), _pairs(text, _USER_FIELDS, example))


def parse_group_attributes(text: str, onto: AttributeMapping | None = None) -> AttributeMapping:
    """Read `LDAP_GROUP_ATTRIBUTES`, such as `name=displayName,order=employeeNumber`.

    What it doesn't name stays as it is in `onto` (the defaults).

    Raises:
        ValueError: with the problem and an example.

    """
    example = "LDAP_GROUP_ATTRIBUTES=name=displayName,order=sortOrder"
    return _replaced(onto or AttributeMapping(), _pairs(text, _GROUP_FIELDS, example))


def _asked(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _pairs(text: str, fields: Mapping[str, str], example: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for piece in _SEPARATOR.split(text):
        if not piece.strip():
            continue
        given, equals, attribute = (part.strip() for part in piece.partition("="))
        field = fields.get(given)
        if not equals or field is None:
            known = ", ".join(fields)
            message = f"{piece.strip()!r} must be one of {known}, `=`, an attribute: {example}"
            raise ValueError(message)
        if field in found:
            message = f"{given} is given twice; once is meant, as in {example}"
            raise ValueError(message)
        found[field] = _attribute(given, field, attribute, example)
    return found


def _attribute(given: str, field: str, attribute: str, example: str) -> str | None:
    if not attribute and field not in _NEEDED:
        return None
    if not _NAME.fullmatch(attribute):
        message = f"{given}={attribute}: {attribute!r} is no attribute's name; {example}"
        raise ValueError(message)
    return attribute


def _replaced(onto: AttributeMapping, pairs: Mapping[str, str | None]) -> AttributeMapping:
    changes: dict[str, Any] = dict(pairs)
    for name in ("name", "group_name"):
        if name in changes:
            written = changes[name]
            untagged = written.partition(";")[0]
            changes[name] = tuple(dict.fromkeys((written, untagged, "cn")))
    return replace(onto, **changes)


# What stays the same when an entry is renamed or moved; the first that is there counts.
IDENTITY_ATTRIBUTES = ("entryUUID", "objectGUID", "nsUniqueId")
_GUID_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A DN and the values of its attributes, as read."""

    dn: str
    attributes: Mapping[str, tuple[Value, ...]]
    """By attribute name in lower case, options behind it: `displayname;lang-de`."""
    where: str = ""
    """For error messages: `users[3]`, `record 12`; empty where the DN says enough."""

    def values(self, name: str) -> tuple[Value, ...]:
        """The values of one attribute; where it only comes with more options, those.

        Options are language tags, for example. Their order means nothing.
        """
        wanted = name.lower()
        plain = self.attributes.get(wanted)
        if plain is not None:
            return plain
        kind, *options = wanted.split(";")
        tagged = sorted(
            key
            for key in self.attributes
            if key.startswith(kind + ";") and set(options) <= set(key.split(";"))
        )
        return tuple(value for key in tagged for value in self.attributes[key])

    def has(self, name: str) -> bool:
        """Whether the source says anything about the attribute, be it that it has no value."""
        return name.lower() in self.attributes

    def classes(self) -> frozenset[str]:
        """The object classes in lower case."""
        return self.words("objectClass")

    def words(self, name: str) -> frozenset[str]:
        """The values of an attribute whose case means nothing, in lower case."""
        return frozenset(as_text(value).lower() for value in self.values(name))

    def __str__(self) -> str:
        """What it is called in messages."""
        return f"{self.where} {self.dn!r}" if self.where else repr(self.dn)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How one read takes its entries: which attributes, at what time, in what order."""

    mapping: AttributeMapping
    now: datetime
    """With a time zone; accounts that expired before it are not enabled."""
    listed: bool
    """Whether the source's order means something (a file); a server promises none."""
    notes: Notes = field(default_factory=Notes)

    def texts(self, entry: Entry, name: str | None) -> list[str]:
        """The usable values of an attribute: text, trimmed, not empty, each once.

        In the source's order, or sorted where that means nothing.
        """
        if name is None:
            return []
        found: dict[str, None] = {}
        for value in entry.values(name):
            text = _text(value)
            if text is None:
                self.left_out(
                    "not text",
                    entry,
                    name,
                    "A value can't be read as text (UTF-8), so it is not used, and what it stands"
                    " for in Swit stays as it is. Write it again as UTF-8.",
                )
            elif text:
                found[text] = None
        return list(found) if self.listed else sorted(found)

    def first(self, entry: Entry, name: str | None) -> str | None:
        """The first usable value, if there is one."""
        return next(iter(self.texts(entry, name)), None)

    def first_of(self, entry: Entry, names: tuple[str, ...]) -> list[str]:
        """The usable values of the first attribute that has any.

        One that holds a value, but none that can be read, gives none: what stands in the next
        attribute is another name, and a bad value must not change one.
        """
        for name in names:
            found = self.texts(entry, name)
            if found or any(_text(value) is None for value in entry.values(name)):
                return found
        return []

    def number(self, entry: Entry, name: str) -> int | None:
        """The first usable value as a whole number, if it is one."""
        text = self.first(entry, name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            self.not_a_number(entry, name, text)
            return None

    def reference_key(self, dn: str, entry: Entry, name: str) -> str:
        """The key of an entry that the attribute `name` of another one says; no DN: nobody's."""
        try:
            return dn_key(dn)
        except InvalidDN:
            self.left_out(
                "not a DN",
                entry,
                name,
                f"The value {dn!r} is no distinguished name, so it stands for nobody. Write the"
                " DN of a user or group, or take it out.",
            )
            return dn.casefold()

    def left_out(self, kind: str, entry: Entry, name: str, reason: str) -> None:
        """Note a value of an entry's attribute that could not be read."""
        self.notes.add(kind, dn=entry.dn, attribute=name, reason=reason)

    def not_a_number(self, entry: Entry, name: str, text: str) -> None:
        """Note a value that should have been one."""
        reason = f"The value {text!r} is no number and is left out. Correct it."
        self.left_out("not a number", entry, name, reason)


def directory_id(entry: Entry, key: str) -> str:
    """What names the entry for good: an id that the server made, as text, else its key."""
    for name in IDENTITY_ATTRIBUTES:
        for value in entry.values(name):
            text = _ID_READERS[name](value)
            if text:
                return text
    return key


def _uuid_text(value: Value) -> str:
    text = as_text(value).strip()
    try:
        # 389 Directory Server writes nsUniqueId with other hyphens: 66446001-1dd211b2-...
        return str(uuid.UUID(text))
    except ValueError:
        return text


def _guid_text(value: Value) -> str:
    """Active Directory sends 16 bytes, the first three fields little-endian; files hold text."""
    raw = value.encode() if isinstance(value, str) else value
    # Sixteen bytes that happen to be valid text come from an LDIF file as text.
    if len(raw) == _GUID_BYTES:
        return str(uuid.UUID(bytes_le=raw))
    try:
        return str(uuid.UUID(as_text(value).strip()))
    except ValueError:
        return ""


_ID_READERS: Mapping[str, Callable[[Value], str]] = {
    "entryUUID": _uuid_text,
    "objectGUID": _guid_text,
    "nsUniqueId": _uuid_text,
}


def _text(value: Value) -> str | None:
    """The value as text, trimmed; `None` where it is none."""
    try:
        text = value.decode() if isinstance(value, bytes) else value
        text.encode()  # a file can hold half a surrogate pair, which nothing can send
    except UnicodeError:
        return None
    return text.strip()
