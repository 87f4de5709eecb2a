"""Who is in which group: columns from pages and rows from entries, as the frame's columns."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.dn_columns import dn_keys
from swit_provisioning.sources.entries import Entry, Terms
from swit_provisioning.sources.ldap.fingerprints import some_twice
from swit_provisioning.sources.ldap.member_columns import (
    MemberColumns,
    joined,
    made,
    with_keys,
)
from swit_provisioning.sources.ldap.page import Places
from swit_provisioning.sources.ldap.plain_members import Members

# While one page is taken apart the members of the one before get their keys: in Arrow and numpy,
# which let other threads go on. A second thread keeps both processors busy when all has come.
_THREADS = 2


class MemberLists:
    """Gathers the members of groups; a group is named by the number of its row.

    It has threads of its own until the `with` block ends.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._threads = ThreadPoolExecutor(_THREADS)
        self._listed: list[Future[MemberColumns]] = []
        self._people: list[MemberColumns] = []
        self._group: list[int] = []
        self._key: list[str] = []
        self._dn: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what was begun, and end the threads."""
        self._threads.shutdown(cancel_futures=True)

    def add(self, members: Members, first: int) -> None:
        """Add what a page's groups list; `first` is the row of the first."""
        self._listed.append(self._threads.submit(with_keys, members, first))

    def add_one(self, group: int, key: str, dn: str) -> None:
        """Add one member of one group."""
        self._group.append(group)
        self._key.append(key)
        self._dn.append(dn)

    def add_people(self, group: int, people: pa.Table) -> None:
        """Add people who are members of one group: their `key` and `dn`."""
        dn, key = (people[name].combine_chunks() for name in ("dn", "key"))
        self._people.append(made("", np.full(len(people), group), dn, key))

    def table(self, groups: pa.Table, chosen: Places, terms: Terms) -> pa.Table:
        """The columns of `idp_memberships`, each pair of group and member once, in no order.

        Args:
            groups: `key` and `dn` of every row.
            chosen: the rows that count.
            terms: take a finding for each member that is no DN.

        """
        columns = _only_of(chosen, len(groups), self._all(groups["dn"], terms))
        if columns and some_twice(np.concatenate([one.number for one in columns])):
            columns = [_once(joined(columns), terms)]
        keys = groups["key"].combine_chunks()
        of_group = list(self._threads.map(lambda one: one.groups(keys), columns))
        return pa.table(
            {
                name: pa.chunked_array(cells, pa.large_string())
                for name, cells in {
                    "group": of_group,
                    "member": [one.key for one in columns],
                    "member_dn": [one.dn for one in columns],
                }.items()
            }
        )

    def _all(self, groups: pa.ChunkedArray, terms: Terms) -> list[MemberColumns]:
        """All that was added, with keys."""
        listed = [one for begun in self._listed if len(one := begun.result())]
        listed = _with_others(listed, groups, terms)
        if not self._key:
            return [*listed, *self._people]
        group = np.array(self._group, dtype=np.int64)
        dn, key = (pa.array(texts, pa.large_string()) for texts in (self._dn, self._key))
        return [*listed, made("", group, dn, key), *self._people]


def _with_others(
    columns: list[MemberColumns], groups: pa.ChunkedArray, terms: Terms
) -> list[MemberColumns]:
    """Give their keys to names that take more than lower case, each name once."""
    some = [one for one in columns if one.key.null_count]
    if not some:
        return columns
    names = pa.chunked_array([one.dn.filter(one.key.is_null()) for one in some])
    encoded = names.dictionary_encode().combine_chunks()
    keys = dn_keys(encoded.dictionary).take(encoded.indices)
    named = []
    for one in columns:
        unknown = keys.slice(0, one.key.null_count)
        keys = keys.slice(one.key.null_count)
        if len(unknown):
            named.append(one.keyed(_with_names(unknown, one, groups, terms)))
        else:
            named.append(one)
    return named


def _with_names(
    keys: pa.LargeStringArray, columns: MemberColumns, groups: pa.ChunkedArray, terms: Terms
) -> pa.LargeStringArray:
    """Give a key to what is no DN too, and name the group; `keys` are those not known yet."""
    if not keys.null_count:
        return keys
    places = np.flatnonzero(columns.key.is_null())
    found = keys.to_pylist()
    for number in np.flatnonzero(keys.is_null()).tolist():
        row = int(places[number])
        entry = Entry(dn=groups[int(columns.group[row])].as_py(), attributes={})
        found[number] = terms.reference_key(columns.dn[row].as_py(), entry, columns.attribute)
    return pa.array(found, pa.large_string())


def _only_of(chosen: Places, rows: int, columns: list[MemberColumns]) -> list[MemberColumns]:
    """The members of those groups that count, which mostly are all."""
    counts = np.zeros(rows, dtype=np.bool_)
    counts[chosen] = True
    if counts.all():
        return columns
    some = (one.only(counts[one.group]) for one in columns)
    return [one for one in some if len(one)]


def _once(columns: MemberColumns, terms: Terms) -> MemberColumns:
    """Each pair of group and member once.

    Spelled in two ways: a file's first counts, of a server, whose order means nothing, the one
    that sorts first.
    """
    code = columns.key.dictionary_encode().indices.to_numpy().astype(np.int64)
    rank = np.arange(len(code)) if terms.listed else _ranks(columns.dn)
    order = np.lexsort((rank, code, columns.group))
    same = np.diff(columns.group[order], prepend=-1) == 0
    same &= np.diff(code[order], prepend=-1) == 0
    return columns.only(np.sort(order[~same]))


def _ranks(texts: pa.LargeStringArray) -> Places:
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[np.asarray(pc.sort_indices(texts), dtype=np.int64)] = np.arange(len(texts))
    return ranks
