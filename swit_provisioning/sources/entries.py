"""Entries as a directory has them, what can be read of one, and the findings of a read."""

import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pandas as pd

from swit_provisioning.planning.dn import InvalidDN, dn_key
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning.planning.snapshots import DirectoryState
from swit_provisioning.sources.base import AttributeMapping, Value, as_text


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
