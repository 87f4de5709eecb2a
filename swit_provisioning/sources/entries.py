"""Directory entries, and how their values are read: as text, numbers, ids and references.

Values that cannot be used become findings. Nothing here depends on the kind of source.
"""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from swit_provisioning.planning.policy import ReferenceAttribute
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key

Value = str | bytes

IDENTITY_ATTRIBUTES = ("entryUUID", "objectGUID", "nsUniqueId")
"""Attributes that survive a rename or a move, in order of preference."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GUID_BYTES = 16
_SECURITY_ID = re.compile(r"S-1(?:-\d+)+", re.IGNORECASE)
# Revision, number of parts, six bytes of authority; then four bytes a part, little-endian.
_HEAD_BYTES = 8
_PART_BYTES = 4


@dataclass(slots=True)
class Entry:
    """One directory entry: its DN and the values of its attributes. Never changed after reading."""

    dn: str
    attributes: Mapping[str, Sequence[Value]]
    """By attribute name in lower case, including options: `displayname;lang-de`."""
    where: str = ""
    """Position in a file, for messages: `users[3]`, `record 12`. Empty for servers."""
    has_options: bool = True
    """False if no attribute has options, so that each has one name only."""

    def values(self, name: str) -> Sequence[Value]:
        """Values of an attribute.

        If the entry has the attribute only with additional options, such as language tags, the
        values with those options are returned.
        """
        wanted = _lower(name)
        plain = self.attributes.get(wanted)
        if plain is not None:
            return plain
        if not self.has_options:
            return ()
        kind, *options = wanted.split(";")
        tagged = sorted(
            key
            for key in self.attributes
            if key.startswith(kind + ";") and set(options) <= set(key.split(";"))
        )
        return tuple(value for key in tagged for value in self.attributes[key])

    def has(self, name: str) -> bool:
        """True if the attribute is present, even if it is empty."""
        return _lower(name) in self.attributes

    def lacks(self, names: AbstractSet[str]) -> bool:
        """True if certainly none of these attributes, in lower case, has a value."""
        return not self.has_options and names.isdisjoint(self.attributes)

    def classes(self) -> frozenset[str]:
        """Object classes in lower case."""
        return _words(tuple(self.values("objectClass")))

    def words(self, name: str) -> frozenset[str]:
        """Values of a case-insensitive attribute in lower case."""
        return _words(tuple(self.values(name)))

    def __str__(self) -> str:
        """Name of the entry in messages."""
        return f"{self.where} {self.dn!r}" if self.where else repr(self.dn)


@lru_cache(maxsize=4096)
def _lower(name: str) -> str:
    return name.lower()


# Most entries have the same few object classes.
@lru_cache(maxsize=4096)
def _words(values: tuple[Value, ...]) -> frozenset[str]:
    return frozenset(as_text(value).lower() for value in values)


def as_text(value: Value) -> str:
    """Decode a value. Invalid UTF-8 becomes replacement characters."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


class Findings:
    """Collects findings about values that cannot be used, each once, and warnings."""

    def __init__(self) -> None:
        """Start without findings."""
        self._rows: dict[tuple[str, str, str, str], None] = {}
        self._warnings: Counter[str] = Counter()

    def add(self, kind: str, *, dn: str, attribute: str, reason: str) -> None:
        """Record that a value of an entry is not used, and why."""
        self._rows[kind, dn, attribute, reason] = None

    def __iter__(self) -> Iterator[tuple[str, str, str, str]]:
        """Kind, DN, attribute and reason of each finding, in the order in which they were added."""
        return iter(self._rows)

    def about(self, attributes: Container[str]) -> frozenset[str]:
        """DNs of the entries that have a finding about one of these attributes."""
        return frozenset(dn for _, dn, attribute, _ in self._rows if attribute in attributes)

    def warn(self, text: str) -> None:
        """Count one more entry that a warning applies to."""
        self._warnings[text] += 1

    def warnings(self) -> tuple[str, ...]:
        """Each warning with the number of entries that it applies to."""
        return tuple(f"{text} (entries: {count})" for text, count in self._warnings.items())


@dataclass(frozen=True, kw_only=True)
class EntryReader:
    """Reads the values of entries, and collects findings about values that cannot be used."""

    mapping: AttributeMapping
    now: datetime
    """With a time zone. Accounts that expired before it are disabled."""
    ordered: bool
    """True if the order of entries and values has a meaning: in files, but not on servers."""
    reference_attribute: ReferenceAttribute = "distinguishedName"
    """What teams carry as their reference."""
    findings: Findings = field(default_factory=Findings)

    def texts(self, entry: Entry, name: str | None) -> list[str]:
        """Distinct, trimmed, non-empty text values of an attribute.

        They are in the order of the source, or sorted if that order has no meaning.
        """
        if name is None:
            return []
        found: list[str] = []
        values = entry.attributes.get(_lower(name))
        if values is None:
            if not entry.has_options:
                return found
            values = entry.values(name)
        for value in values:
            text = clean_text(value)
            if text is None:
                self.report_unreadable(entry, name)
            elif text:
                found.append(text)
        if len(found) > 1:
            return list(dict.fromkeys(found)) if self.ordered else sorted(set(found))
        return found

    def first(self, entry: Entry, name: str | None) -> str | None:
        """First usable value of an attribute, if any."""
        return next(iter(self.texts(entry, name)), None)

    def first_of(self, entry: Entry, names: Sequence[str]) -> list[str]:
        """Usable values of the first attribute that has any.

        An attribute with unreadable values only ends the search: the next attribute would be a
        different name, and an unreadable value must not rename anything.
        """
        for name in names:
            found = self.texts(entry, name)
            if found or any(clean_text(value) is None for value in entry.values(name)):
                return found
        return []

    def number(self, entry: Entry, name: str) -> int | None:
        """First usable value of an attribute as a whole number. Anything else is a finding."""
        text = self.first(entry, name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            self.report_no_number(entry, name, text)
            return None

    def dn_keys(self, entry: Entry, name: str) -> dict[str, str]:
        """Values of a DN-valued attribute by their normal form. Anything else is a finding."""
        found = {}
        for text in self.texts(entry, name):
            try:
                found[dn_key(text)] = text
            except InvalidDN:
                self.report_no_dn(entry, name, text)
        return found

    def report(self, kind: str, entry: Entry, name: str, reason: str) -> None:
        """Add a finding about an attribute of an entry."""
        self.findings.add(kind, dn=entry.dn, attribute=name, reason=reason)

    def report_unreadable(self, entry: Entry, name: str) -> None:
        """Add a finding about a value that is not UTF-8."""
        reason = (
            "A value is not text in UTF-8, so it is ignored. The value in Swit does not change."
            " Write it again as UTF-8."
        )
        self.report("invalid encoding", entry, name, reason)

    def report_no_number(self, entry: Entry, name: str, text: str) -> None:
        """Add a finding about a value that should be a number."""
        reason = f"The value {text!r} is not a number, so it is ignored. Correct it."
        self.report("invalid number", entry, name, reason)

    def report_no_dn(self, entry: Entry, name: str, text: str) -> None:
        """Add a finding about a value that should be a DN."""
        reason = (
            f"The value {text!r} is not a distinguished name, so it is ignored. Write the DN of a"
            " person or group, or remove the value."
        )
        self.report("invalid DN", entry, name, reason)


def clean_text(value: Value) -> str | None:
    """Trimmed text of a value, or `None` if it is not valid Unicode text."""
    try:
        if isinstance(value, bytes):
            return value.decode().strip()
        value.encode()  # JSON can hold half of a surrogate pair, which cannot be sent anywhere
    except UnicodeError:
        return None
    return value.strip()


def directory_id(entry: Entry, key: str) -> str:
    """Stable id of the entry that the server assigned, as text. Without one: `key`."""
    return next(directory_ids(entry), key)


def directory_ids(entry: Entry) -> Iterator[str]:
    """All ids of the entry that the server assigned, as text, the preferred one first."""
    for name in IDENTITY_ATTRIBUTES:
        for value in entry.values(name):
            text = _ID_READERS[name](value)
            if text:
                yield text


def _uuid_text(value: Value) -> str:
    text = as_text(value).strip()
    if _UUID.fullmatch(text):
        return text
    try:
        # 389 Directory Server writes nsUniqueId with other hyphens: 66446001-1dd211b2-...
        return str(uuid.UUID(text))
    except ValueError:
        return text


def _guid_text(value: Value) -> str:
    """Active Directory sends 16 bytes, the first three fields little-endian; files hold text."""
    raw = value.encode(errors="replace") if isinstance(value, str) else value
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


def security_id(entry: Entry) -> str:
    """Windows security id of the entry, such as `S-1-5-21-...`. Empty if there is none."""
    values = entry.values("objectSid")
    return next((text for value in values if (text := security_id_text(value))), "")


def security_id_text(value: Value) -> str:
    """Security id as text, from the binary or the text form. Empty if the value is neither."""
    raw = value.encode(errors="replace") if isinstance(value, str) else value
    parts, rest = divmod(len(raw) - _HEAD_BYTES, _PART_BYTES)
    if raw[:1] == b"\x01" and not rest and parts == raw[1]:
        authority = int.from_bytes(raw[2:_HEAD_BYTES], "big")
        starts = range(_HEAD_BYTES, len(raw), _PART_BYTES)
        numbers = (int.from_bytes(raw[at : at + _PART_BYTES], "little") for at in starts)
        return "-".join(("S-1", str(authority), *map(str, numbers)))
    text = raw.decode(errors="replace").strip()
    return text.upper() if _SECURITY_ID.fullmatch(text) else ""
