"""Which rows of a read are entries of their own: one that two bases gave is one entry."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.entries import Entry
from swit_provisioning.directory.ldap_page import Places

# Many small pieces of memory are never given back in full: pages are put together in time.
_BLOCK_ROWS = 20_000


class Blocks:
    """Gathers small tables of one kind."""

    def __init__(self, schema: pa.Schema) -> None:
        """Start with no rows."""
        self._blocks: list[pa.Table] = [schema.empty_table()]
        self._pieces: list[pa.Table] = []
        self._rows = 0
        self._before = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return self._before + self._rows

    def add(self, piece: pa.Table) -> None:
        """Add some rows behind those that are there."""
        self._pieces.append(piece)
        self._rows += len(piece)
        if self._rows > _BLOCK_ROWS:
            self._put_together()

    def table(self) -> pa.Table:
        """All of them."""
        self._put_together()
        return pa.concat_tables(self._blocks)

    def _put_together(self) -> None:
        if self._pieces:
            self._blocks.append(pa.concat_tables(self._pieces).combine_chunks())
        self._before += self._rows
        self._pieces, self._rows = [], 0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """People or groups as they came."""

    table: pa.Table
    """`key`, `dn`, `directory_id`, and more."""
    entries: list[Entry] | None
    """What each row was made of, for a file; nothing for a server."""

    def only(self, chosen: Places) -> "Rows":
        """Some of the rows, in order."""
        if len(chosen) == len(self.table):
            return self
        entries = None if self.entries is None else [self.entries[row] for row in chosen.tolist()]
        return Rows(table=self.table.take(pa.array(chosen)), entries=entries)

    def said(self, row: int) -> str:
        """What messages call a row."""
        return (
            repr(self.table["dn"][row].as_py()) if self.entries is None else str(self.entries[row])
        )

    def same(self, row: int, other: int) -> bool:
        """Whether two rows are one entry: in a file all of it, from a server who it is."""
        if self.entries is not None:
            one, two = self.entries[row], self.entries[other]
            return (one.dn, one.attributes) == (two.dn, two.attributes)
        one, two = (self.table.slice(n, 1).to_pylist()[0] for n in (row, other))
        id_ = str(one["directory_id"])
        return bool(one["dn"] == two["dn"] or id_ == two["directory_id"] != one["key"])


def distinct(rows: Rows, problems: list[str], *, taken: Rows | None = None) -> Places:
    """The rows that count, in order: of several finds of one entry the first.

    Args:
        rows: as they came.
        problems: take a sentence for every two entries with one DN.
        taken: rows whose keys no other row may have.

    """
    keys = rows.table["key"]
    if not _doubled(keys) and not (taken and _shared(taken.table["key"], keys)):
        return np.arange(len(keys))
    elsewhere = {} if taken is None else _places(taken.table["key"])
    seen: dict[str, int] = {}
    for row, key in enumerate(keys.to_pylist()):
        first = seen.setdefault(key, row)
        if taken is not None and key in elsewhere:
            problems.append(_one_dn(taken.said(elsewhere[key]), rows.said(row)))
        elif not key or (first != row and not rows.same(row, first)):
            problems.append(_one_dn(rows.said(first), rows.said(row)))
    return np.array(list(seen.values()), dtype=np.int64)


def _doubled(keys: pa.ChunkedArray) -> bool:
    """Whether a key comes twice, or is none. Sorting takes much less memory than hashing does."""
    every = keys.combine_chunks()
    order = pc.sort_indices(every)
    if len(every) and not every[order[0].as_py()].as_py():
        return True
    for begin in range(0, len(every), _BLOCK_ROWS):
        some = every.take(order.slice(begin, _BLOCK_ROWS + 1))
        if pc.any(pc.equal(some[1:], some[:-1]), min_count=0).as_py():
            return True
    return False


def _shared(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_in(keys, value_set=others), min_count=0).as_py())


def _places(keys: pa.ChunkedArray) -> dict[str, int]:
    return {key: place for place, key in enumerate(keys.to_pylist())}


def _one_dn(one: str, other: str) -> str:
    return f"{one} and {other} have one and the same DN"
