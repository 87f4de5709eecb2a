"""People of a directory: which attributes are read, and the table that is made of the entries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.entries import Entry, EntryReader, directory_id, security_id
from swit_provisioning.sources.ldap.dn import PLAIN_DN, InvalidDN, dn_key, is_dn, own_values
from swit_provisioning.sources.server_types import OTHER_ADDRESSES, Kind

_SMTP = "smtp:"
TEXTS = pa.list_(pa.string())
REPEATED = pa.dictionary(pa.int32(), pa.large_string())
"""Text that is the same in most rows."""
PEOPLE = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("emails", TEXTS),
        ("other_emails", TEXTS),
        ("names", TEXTS),
        ("phone_numbers", TEXTS),
        ("language", pa.large_string()),
        ("primary_group", pa.large_string()),
        ("enabled", pa.bool_()),
        ("base", REPEATED),
        ("logins", TEXTS),
        ("primary_group_sid", REPEATED),
    ]
)
"""`idp_users` without the position, and the columns by which groups refer to people."""

_ACCOUNT_ATTRIBUTES = frozenset(
    {"useraccountcontrol", "accountexpires", "pwdaccountlockedtime", "nsaccountlock"}
)
ACCOUNT_DISABLED = 0x2
WINDOWS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NEVER = {0, 0x7FFFFFFFFFFFFFFF}
_LAST_MICROSECOND = (datetime.max.replace(tzinfo=UTC) - WINDOWS_EPOCH) // timedelta(microseconds=1)
# OpenLDAP's password policy: this time means "until an administrator unlocks it". Any other time
# means that a wrong password was entered too often, which is no reason to deactivate an account.
_LOCKED_FOR_GOOD = "000001010000"
# Rows are converted in blocks, so that the Python objects of all rows never exist at once.
_BLOCK_ROWS = 5_000


class Person(NamedTuple):
    """One row of `PEOPLE`."""

    key: str
    dn: str
    directory_id: str
    emails: list[str]
    other_emails: list[str] | None
    names: list[str]
    phone_numbers: list[str]
    language: str | None
    primary_group: str | None
    enabled: bool
    base: str
    logins: list[str]
    primary_group_sid: str | None


def people_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """Attributes to request from a server. A posixGroup refers to its members by `uid`."""
    return [*kind.user_attributes, "uid", *mapping.of_users()]


def read_person(entry: Entry, *, key: str, base: str, reader: EntryReader) -> Person:
    """Read one person."""
    mapping = reader.mapping
    emails, other_emails = _addresses(entry, reader)
    primary = reader.first(entry, mapping.primary_group)
    return Person(
        key,
        entry.dn,
        directory_id(entry, key),
        emails,
        other_emails or None,
        reader.first_of(entry, mapping.name),
        reader.texts(entry, mapping.phone_number),
        reader.first(entry, mapping.language),
        dn_key(primary) if primary and is_dn(primary) else primary,
        is_enabled(entry, reader),
        base,
        reader.texts(entry, "uid"),
        _primary_group_sid(entry, reader),
    )


def is_enabled(entry: Entry, reader: EntryReader) -> bool:
    """True if the account can be used at the time of the read.

    Active Directory says so in `userAccountControl` (bit 2) and `accountExpires`, OpenLDAP in
    `pwdAccountLockedTime`, 389 Directory Server in `nsAccountLock`.
    """
    if entry.lacks(_ACCOUNT_ATTRIBUTES):  # most servers send them only for some accounts
        return True
    flags = reader.number(entry, "userAccountControl")
    locked = reader.texts(entry, "pwdAccountLockedTime")
    return not (
        (flags is not None and flags & ACCOUNT_DISABLED)
        or _expired(entry, reader)
        or any(text.startswith(_LOCKED_FOR_GOOD) for text in locked)
        or any(text.lower() == "true" for text in reader.texts(entry, "nsAccountLock"))
    )


def _expired(entry: Entry, reader: EntryReader) -> bool:
    """`accountExpires` counts tenths of microseconds since 1601."""
    ticks = reader.number(entry, "accountExpires")
    if ticks is None or ticks in _NEVER or not 0 < ticks // 10 <= _LAST_MICROSECOND:
        return False
    return WINDOWS_EPOCH + timedelta(microseconds=ticks // 10) <= reader.now


def _addresses(entry: Entry, reader: EntryReader) -> tuple[list[str], list[str]]:
    """Addresses of the person (else Exchange's main address), and other addresses in Exchange."""
    own = reader.texts(entry, reader.mapping.email)
    exchange = [
        (text[: len(_SMTP)], text[len(_SMTP) :].strip())
        for text in reader.texts(entry, OTHER_ADDRESSES)
        if text.casefold().startswith(_SMTP)
    ]
    if not exchange:
        return own, []
    own = own or [address for mark, address in exchange if mark.isupper()]
    known = {address.casefold() for address in own}
    return own, [address for _, address in exchange if address.casefold() not in known]


def _primary_group_sid(person: Entry, reader: EntryReader) -> str | None:
    """Security id of the primary group: it differs from the person's in the last number."""
    number = reader.number(person, "primaryGroupID")
    if number is None:
        return None
    domain, _, _ = security_id(person).rpartition("-")
    return f"{domain}-{number}" if domain else None


class TableBuilder:
    """Collects rows as tuples, and converts them to Arrow in blocks."""

    def __init__(self, schema: pa.Schema) -> None:
        """Start without rows."""
        self._schema = schema
        self._blocks = [schema.empty_table()]
        self._rows: list[tuple[Any, ...]] = []
        self._before = 0

    def __len__(self) -> int:
        """Number of rows."""
        return self._before + len(self._rows)

    def add(self, row: tuple[Any, ...]) -> None:
        """Add a row, a value for each column of the schema."""
        self._rows.append(row)
        if len(self._rows) >= _BLOCK_ROWS:
            self._convert()

    def table(self) -> pa.Table:
        """All rows."""
        self._convert()
        return pa.concat_tables(self._blocks)

    def _convert(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._blocks.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._before += len(self._rows)
        self._rows = []


def with_names_from_dns(
    rows: pa.Table, attributes: Sequence[str], reader: EntryReader, *, any_attribute: bool = False
) -> pa.Table:
    """Rows in which entries without a name take it from the first part of their DN.

    A value there is an attribute of the entry, even though some files do not repeat it. It is not
    used if a name is present but unreadable: an unreadable value must not rename anything.

    Args:
        rows: with `names` and `dn`.
        attributes: attributes that hold a name, in order of preference.
        reader: has recorded which values are unreadable.
        any_attribute: accept any attribute in the DN if it is none of these.

    """
    counts = pc.fill_null(pc.list_value_length(rows["names"]), 0).to_numpy()
    nameless = np.flatnonzero(counts == 0)
    if not len(nameless):
        return rows
    unreadable = reader.findings.about(attributes)
    wanted = [name.partition(";")[0].lower() for name in attributes]
    names = rows["names"].to_pylist()
    for row in nameless.tolist():
        dn = rows["dn"][row].as_py()
        own = {} if dn in unreadable else own_values(dn)
        usual = (own[name] for name in wanted if name in own)
        name = next(usual, next(iter(own.values()), "") if any_attribute else "").strip()
        names[row] = [name] if name else []
    place = rows.schema.get_field_index("names")
    field = rows.schema.field(place)
    return rows.set_column(place, field, pa.array(names, field.type))


def plain_dn_keys(names: pa.LargeStringArray) -> tuple[pa.LargeStringArray, pa.BooleanArray]:
    """Each name in lower case, and whether that is its `dn_key`."""
    is_plain = pc.match_substring_regex(names, f"^{PLAIN_DN}$")
    return pc.utf8_lower(names), pc.fill_null(is_plain, False)  # noqa: FBT003 - a cell


def named(entries: Sequence[Entry], problems: list[str]) -> Iterator[tuple[str, Entry]]:
    """Entries with their DNs in normal form. An invalid DN adds a sentence to `problems`."""
    try:
        names = pa.array([entry.dn for entry in entries], pa.large_string())
    except UnicodeEncodeError:  # one of them is not valid Unicode text
        names = pa.nulls(len(entries), pa.large_string())
    keys, are_plain = (column.to_pylist() for column in plain_dn_keys(names))
    for key, is_plain, entry in zip(keys, are_plain, entries, strict=True):
        try:
            yield key if is_plain else dn_key(entry.dn), entry
        except InvalidDN as error:
            problems.append(f"{entry.where}: {error}" if entry.where else str(error))


@dataclass(frozen=True)
class Logins:
    """Finds people by `uid`, for the member lists of posixGroups."""

    people: pa.Table
    """`key`, `dn` and `logins` of all people."""

    def find(self, uid: str) -> tuple[str, str] | None:
        """Key and DN of the person with this login, or `None` unless there is exactly one."""
        found = self._people.get(uid.casefold(), set())
        return next(iter(found)) if len(found) == 1 else None

    @cached_property
    def _people(self) -> dict[str, set[tuple[str, str]]]:
        people: dict[str, set[tuple[str, str]]] = {}
        columns = (self.people[name].to_pylist() for name in ("key", "dn", "logins"))
        for key, dn, logins in zip(*columns, strict=True):
            for uid in logins or ():
                people.setdefault(uid.casefold(), set()).add((key, dn))
        return people


def usable(people: pa.Table) -> npt.NDArray[np.bool_]:
    """Which people are enabled and have an address."""
    has_address = pc.greater(pc.fill_null(pc.list_value_length(people["emails"]), 0), 0)
    found: npt.NDArray[np.bool_] = pc.and_(people["enabled"], has_address).to_numpy()
    return found
