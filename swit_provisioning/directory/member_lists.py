"""Who is in which group: columns from pages and rows from entries, as the frame's columns."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.entries import Entry, Terms
from swit_provisioning.directory.ldap_page import Places
from swit_provisioning.directory.plain_members import Members
from swit_provisioning.reconcile.dn_columns import dn_keys


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
        group, code, dns, keys = self._together(groups["dn"], terms)
        place = np.full(len(groups), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        at = place[group]
        rows = np.flatnonzero(at >= 0)
        if (np.diff(at[rows]) < 0).any():
            # Small numbers are sorted by counting, which takes a tenth of the time.
            small = at[rows].astype(np.min_scalar_type(len(order)))
            rows = rows[np.argsort(small, kind="stable")]
        number = _numbered(keys, None if self._key else dns)
        pairs = at[rows] * len(keys) + number[code[rows]]
        if _doubled(pairs):
            # Spelled in two ways: a file's first counts; a server's order means nothing.
            rank = np.arange(len(rows)) if terms.listed else _ranks(dns)[code[rows]]
            rows = rows[_first_of_each(pairs, rank)]
        member = pa.array(code[rows])
        return pa.table(
            {
                "group": groups["key"].combine_chunks().take(pa.array(group[rows])),
                "member": keys.take(member),
                "member_dn": dns.take(member),
            }
        )

    def _together(
        self, groups: pa.ChunkedArray, terms: Terms
    ) -> tuple[Places, Places, pa.LargeStringArray, pa.LargeStringArray]:
        """For each membership the group's row and a number; DNs and keys by that number."""
        texts = pa.chunked_array([text for _, _, text in self._listed], pa.large_string())
        encoded = texts.dictionary_encode().combine_chunks()
        dns, code = encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
        group = np.concatenate([*(rows for _, rows, _ in self._listed), np.empty(0, np.int64)])
        keys = dn_keys(dns)
        if keys.null_count:
            keys = self._with_others(keys, dns, code, groups, terms)
        if not self._key:
            return group, code, dns, keys
        return (
            np.concatenate([group, np.array(self._group, dtype=np.int64)]),
            np.concatenate([code, np.arange(len(dns), len(dns) + len(self._key))]),
            pa.concat_arrays([dns, pa.array(self._dn, pa.large_string())]),
            pa.concat_arrays([keys, pa.array(self._key, pa.large_string())]),
        )

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


def _numbered(keys: pa.LargeStringArray, dns: pa.LargeStringArray | None) -> Places:
    """A number for each key. Where all DNs are different, mostly all keys are, which is cheaper."""
    if dns is None:
        return _codes(keys)
    changed = pc.not_equal(keys, dns)
    own = keys.filter(changed)
    as_they_are = keys.filter(pc.invert(changed))
    doubled = pc.any(pc.is_in(as_they_are, value_set=own), min_count=0).as_py()
    if not doubled and pc.count_distinct(own).as_py() == len(own):
        return np.arange(len(keys))
    return _codes(keys)


def _codes(keys: pa.LargeStringArray) -> Places:
    return np.asarray(keys.dictionary_encode().indices, dtype=np.int64)


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
