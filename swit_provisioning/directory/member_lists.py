"""Who is in which group: columns from pages and rows from entries, as the frame's columns."""

from dataclasses import dataclass
from operator import mul
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.entries import Entry, Terms
from swit_provisioning.directory.fingerprints import fingerprints, some_twice
from swit_provisioning.directory.ldap_page import Places
from swit_provisioning.directory.plain_members import Members
from swit_provisioning.reconcile.dn_columns import dn_keys

Texts = TypeVar("Texts", pa.LargeStringArray, pa.ChunkedArray)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Names:
    dns: pa.LargeStringArray
    """All different."""
    keys: pa.LargeStringArray
    number: Places
    """Of each key: the same where the key is the same."""


class MemberLists:
    """Gathers the members of groups; a group is named by the number of its row."""

    def __init__(self) -> None:
        """Start with none."""
        self._listed: list[tuple[str, Places, pa.LargeStringArray]] = []
        self._group: list[int] = []
        self._key: list[str] = []
        self._dn: list[str] = []

    def add(self, members: Members, first: int) -> None:
        """Add what a page's groups list; `first` is the row of the first."""
        self._listed.append((members.attribute, members.group + first, members.text))

    def add_one(self, group: int, key: str, dn: str) -> None:
        """Add one member of one group."""
        self._group.append(group)
        self._key.append(key)
        self._dn.append(dn)

    def table(self, groups: pa.Table, order: Places, terms: Terms) -> pa.Table:
        """The columns of `idp_memberships`, each pair of group and member once.

        Args:
            groups: `key` and `dn` of every row.
            order: the rows that count, in the order of their frame.
            terms: take a finding for each member that is no DN.

        """
        group, code, names = self._together(groups["dn"], terms)
        dns, keys = names.dns, names.keys
        place = np.full(len(groups), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        at = place[group]
        rows = np.flatnonzero(at >= 0)
        if (np.diff(at[rows]) < 0).any():
            # Small numbers are sorted by counting, which takes a tenth of the time.
            small = at[rows].astype(np.min_scalar_type(len(order)))
            rows = rows[np.argsort(small, kind="stable")]
        pairs = at[rows] * len(keys) + names.number[code[rows]]
        if _doubled(pairs):
            # Spelled in two ways: a file's first counts; a server's order means nothing.
            rank = np.arange(len(rows)) if terms.listed else _ranks(dns)[code[rows]]
            rows = rows[_first_of_each(pairs, rank)]
        # Members of one group lie together: they are copied faster than from all over the DNs.
        member_dn = _taken(dns, code[rows]) if self._key else _taken(self._texts(), rows)
        return pa.table(
            {
                "group": _repeated(groups["key"].combine_chunks(), group[rows]),
                "member": _keys_of(member_dn, keys, dns, code[rows]),
                "member_dn": member_dn,
            }
        )

    def _together(self, groups: pa.ChunkedArray, terms: Terms) -> tuple[Places, Places, "_Names"]:
        """For each membership the group's row, and which of the names the member is."""
        group = np.concatenate([*(rows for _, rows, _ in self._listed), np.empty(0, np.int64)])
        if not self._key:
            all_ = self._all_different(group)
            if all_ is not None:
                return group, all_.number, all_
        encoded = self._texts().dictionary_encode().combine_chunks()
        dns, code = encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
        keys = dn_keys(dns)
        if keys.null_count:
            keys = self._with_others(keys, dns, code, groups, terms)
        if self._key:
            group = np.concatenate([group, np.array(self._group, dtype=np.int64)])
            code = np.concatenate([code, np.arange(len(dns), len(dns) + len(self._key))])
            dns = pa.concat_arrays([dns, pa.array(self._dn, pa.large_string())])
            keys = pa.concat_arrays([keys, pa.array(self._key, pa.large_string())])
        return group, code, _Names(dns=dns, keys=keys, number=_numbered(keys))

    def _all_different(self, group: Places) -> "_Names | None":
        """What the groups list as it is, if no two keys are the same, and so no two DNs.

        A group lists nobody twice: where one has most members, mostly all are different, and
        that is proved in less time than a dictionary takes.
        """
        if not len(group) or 2 * np.bincount(group).max() <= len(group):
            return None
        dns = self._texts().combine_chunks()
        keys = dn_keys(dns)
        if keys.null_count or some_twice(fingerprints(keys)):
            return None
        return _Names(dns=dns, keys=keys, number=np.arange(len(keys)))

    def _texts(self) -> pa.ChunkedArray:
        """What the groups list, without those members that came one by one."""
        return pa.chunked_array([text for _, _, text in self._listed], pa.large_string())

    def _with_others(
        self,
        keys: pa.LargeStringArray,
        dns: pa.LargeStringArray,
        code: Places,
        groups: pa.ChunkedArray,
        terms: Terms,
    ) -> pa.LargeStringArray:
        """Give a key to what is no DN too; each group that lists it is named."""
        none = keys.is_null().to_numpy(zero_copy_only=False)
        found: dict[int, str] = {}
        begin = 0
        for attribute, rows, text in self._listed:
            codes = code[begin : begin + len(text)]
            begin += len(text)
            for place in np.flatnonzero(none[codes]).tolist():
                entry = Entry(dn=groups[int(rows[place])].as_py(), attributes={})
                number = int(codes[place])
                found[number] = terms.reference_key(dns[number].as_py(), entry, attribute)
        others = [found[number] for number in np.flatnonzero(none).tolist()]
        return pc.replace_with_mask(keys, pa.array(none), pa.array(others, pa.large_string()))


def _numbered(keys: pa.LargeStringArray) -> Places:
    """A number for each key; mostly all are different."""
    if not some_twice(fingerprints(keys)):
        return np.arange(len(keys))
    return np.asarray(keys.dictionary_encode().indices, dtype=np.int64)


def _taken(texts: Texts, places: Places) -> Texts:
    """Texts in an order, which may be the one that they have."""
    if len(places) == len(texts) and (places == np.arange(len(texts))).all():
        return texts
    return texts.take(pa.array(places))


def _keys_of(
    member_dn: pa.LargeStringArray | pa.ChunkedArray,
    keys: pa.LargeStringArray,
    dns: pa.LargeStringArray,
    places: Places,
) -> pa.LargeStringArray | pa.ChunkedArray:
    """The members' keys; mostly a key is its DN in lower case, which is made faster than copied."""
    if len(places) > len(keys) and keys.equals(pc.utf8_lower(dns)):
        return pc.utf8_lower(member_dn)
    return _taken(keys, places)


def _repeated(texts: pa.LargeStringArray, places: Places) -> pa.LargeStringArray:
    """Texts by their places, of which the same ones follow one another: copied in one go."""
    if not len(places):
        return texts.slice(0, 0)
    begins = np.flatnonzero(np.diff(places, prepend=-1))
    counts = np.diff(begins, append=len(places))
    some = texts.take(pa.array(places[begins])).cast(pa.large_binary())
    sizes = np.repeat(pc.binary_length(some).to_numpy(), counts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    data = b"".join(map(mul, some.to_pylist(), counts.tolist()))
    return pa.LargeStringArray.from_buffers(len(places), pa.py_buffer(offsets), pa.py_buffer(data))


def _doubled(pairs: Places) -> bool:
    ordered = np.sort(pairs)
    return bool((ordered[1:] == ordered[:-1]).any())


def _first_of_each(pairs: Places, rank: Places) -> Places:
    """The places of those with the smallest rank among equal ones, in order."""
    order = np.lexsort((rank, pairs))
    ordered = pairs[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return np.sort(order[first])


def _ranks(texts: pa.LargeStringArray) -> Places:
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[np.asarray(pc.sort_indices(texts), dtype=np.int64)] = np.arange(len(texts))
    return ranks
