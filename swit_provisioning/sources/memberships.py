"""Memberships as columns: members that groups list, normalised many at once.

A directory has many more memberships than entries, so their values are not handled one by one.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.sources.entries import Entry, EntryReader, Value, clean_text
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_dn
from swit_provisioning.sources.people import Logins, plain_dn_keys

MEMBER_ATTRIBUTES = ("member", "uniqueMember")
Rows = npt.NDArray[np.int64]

# `uniqueMember` may have a bit string after the DN: Name and Optional UID, RFC 4517 3.3.21.
_OPTIONAL_UID = re.compile(r"#'[01]*'B$")
# Columns of this size stay in the processor's cache.
_BLOCK_ROWS = 50_000
_TEXT = pa.large_string()


@dataclass(frozen=True, eq=False)
class _Block:
    """Some memberships: row of the group, the member's key and DN."""

    group: Rows
    key: pa.LargeStringArray
    dn: pa.LargeStringArray


@dataclass(eq=False)
class _Pending:
    """Values of one attribute that are not normalised yet."""

    entries: list[Entry] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)


def lists_members(group: Entry) -> bool:
    """True if the group lists members in any of the attributes, even unusable ones."""
    names = (*MEMBER_ATTRIBUTES, "memberUid")
    return any(clean_text(value) != "" for name in names for value in group.values(name))


class Memberships:
    """Collects the members of groups. A group is named by its row."""

    def __init__(self, logins: Logins, reader: EntryReader) -> None:
        """Start without members.

        Args:
            logins: find the members of posixGroups.
            reader: collects findings about values that are unreadable or no DNs.

        """
        self._logins = logins
        self._reader = reader
        self._blocks: list[_Block] = []
        self._people: list[_Block] = []
        self._pending: dict[str, _Pending] = defaultdict(_Pending)
        self._single: list[tuple[int, str, str]] = []
        self.attributes: set[str] = set()
        """Attributes that list members."""
        self.distinct = pa.array([], _TEXT)
        """Key of every member, once `table` was called."""

    def add_listed(self, row: int, group: Entry) -> None:
        """Add the members that a group lists, in any of the three attributes."""
        for name in MEMBER_ATTRIBUTES:
            if not group.has(name):
                continue
            self.attributes.add(name)
            values = group.values(name)
            pending = self._pending[name]
            pending.entries.append(group)
            pending.rows.append(row)
            pending.counts.append(len(values))
            pending.values.extend(values)
            if len(pending.values) >= _BLOCK_ROWS:
                self._normalise(name)
        for uid in self._reader.texts(group, "memberUid"):
            person = self._logins.find(uid)
            if person is not None:
                self.add(row, *person)
            elif is_dn(uid):  # against the schema, but some directories hold DNs here
                self.add(row, dn_key(uid), uid)
            else:
                self._reader.report(
                    "unknown login",
                    group,
                    "memberUid",
                    f"Not exactly one person has the login {uid!r}, so it is ignored. Give one"
                    " person this `uid`, or remove it from the group.",
                )

    def add(self, row: int, key: str, dn: str) -> None:
        """Add one member."""
        self._single.append((row, key, dn))

    def add_people(self, row: int, people: pa.Table) -> None:
        """Add people (`key`, `dn`) to one group."""
        dn, key = (people[name].combine_chunks() for name in ("dn", "key"))
        self._people.append(_Block(np.full(len(people), row), key, dn))

    def listed(self) -> dict[int, list[str]]:
        """Keys of the members that each group lists, by row."""
        found: dict[int, list[str]] = {}
        for block in self._normalised():
            for row, key in zip(block.group.tolist(), block.key.to_pylist(), strict=True):
                found.setdefault(row, []).append(key)
        return found

    def table(self, groups: pa.Table, chosen: Rows) -> pa.Table:
        """Columns of `idp_memberships`, each pair of group and member once.

        If a group lists one member in two spellings, the first counts, or the one that sorts first
        if the source has no order.

        Args:
            groups: `key` of every row.
            chosen: rows of the groups that count.

        """
        blocks = [*self._normalised(), *self._people]
        group = np.concatenate([np.empty(0, np.int64), *(block.group for block in blocks)])
        pairs = pa.table(
            {
                "group": pa.array(group),
                "member": pa.chunked_array([block.key for block in blocks], _TEXT),
                "member_dn": pa.chunked_array([block.dn for block in blocks], _TEXT),
            }
        )
        counts = np.zeros(len(groups), dtype=np.bool_)
        counts[chosen] = True
        if not counts.all():
            pairs = pairs.filter(pa.array(counts[group]))
        pairs = self._once(pairs)
        of_group = groups["key"].combine_chunks().take(pairs["group"])
        return pairs.set_column(0, "group", of_group)

    def _once(self, pairs: pa.Table) -> pa.Table:
        group = pairs["group"].to_numpy()
        key = pairs["member"].dictionary_encode().combine_chunks()
        if isinstance(key, pa.ChunkedArray):  # without any member
            return pairs
        self.distinct = key.dictionary
        numbers = group * (len(key.dictionary) + 1) + key.indices.to_numpy()
        ordered = np.sort(numbers)
        if not (ordered[1:] == ordered[:-1]).any():
            return pairs
        rank = np.arange(len(pairs))
        if not self._reader.ordered:
            rank[np.asarray(pc.sort_indices(pairs["member_dn"]))] = np.arange(len(pairs))
        order = np.lexsort((rank, numbers))
        first = order[np.diff(numbers[order], prepend=-1) != 0]
        return pairs.take(pa.array(np.sort(first)))

    def _normalised(self) -> list[_Block]:
        """Members that were added one by one or are listed by groups."""
        for name in list(self._pending):
            self._normalise(name)
        if self._single:
            rows, keys, dns = zip(*self._single, strict=True)
            self._blocks.append(
                _Block(np.array(rows, np.int64), pa.array(keys, _TEXT), pa.array(dns, _TEXT))
            )
            self._single = []
        return self._blocks

    def _normalise(self, name: str) -> None:
        """Convert pending values to blocks, and report those that are unreadable or no DNs."""
        pending = self._pending.pop(name)
        places = np.repeat(np.arange(len(pending.rows)), pending.counts)
        rows = np.array(pending.rows, np.int64)
        for begin in range(0, len(places), _BLOCK_ROWS):
            place = places[begin : begin + _BLOCK_ROWS]
            values = pending.values[begin : begin + _BLOCK_ROWS]
            try:
                dn = pa.array(values, pa.large_binary()).cast(_TEXT)
            except (UnicodeError, pa.ArrowInvalid):
                dn = pa.array([clean_text(value) for value in values], _TEXT)
            key, is_plain = plain_dn_keys(dn)
            if not pc.all(is_plain).as_py():
                others = np.flatnonzero(~is_plain.to_numpy(zero_copy_only=False))
                made = [
                    self._member(pending.entries[place[number]], name, values[number])
                    for number in others.tolist()
                ]
                mask = pc.invert(is_plain)
                key = pc.replace_with_mask(key, mask, pa.array([key for key, _ in made], _TEXT))
                dn = pc.replace_with_mask(dn, mask, pa.array([dn for _, dn in made], _TEXT))
                if key.null_count:
                    some = key.is_valid()
                    place = place[some.to_numpy(zero_copy_only=False)]
                    key, dn = key.filter(some), dn.filter(some)
            self._blocks.append(_Block(rows[place], key, dn))

    def _member(self, group: Entry, name: str, value: Value) -> tuple[str | None, str | None]:
        """Key and DN of a member; neither if the value is empty or unusable."""
        text = clean_text(value)
        if text is None:
            self._reader.report_unreadable(group, name)
            return None, None
        if name == "uniqueMember":
            text = _OPTIONAL_UID.sub("", text)
        try:
            return dn_key(text) or None, text
        except InvalidDN:
            self._reader.report_no_dn(group, name, text)
            return None, None
