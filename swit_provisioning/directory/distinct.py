"""Which rows of a read are entries of their own: one that two bases gave is one entry.

What a server gives in one read has to be one state of it: a search that gives an entry twice has
lost its place, and an entry with two DNs was moved meanwhile. Neither may be taken for whole.
"""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.entries import Entry
from swit_provisioning.directory.errors import (
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.directory.fingerprints import fingerprints, some_twice
from swit_provisioning.directory.ldap_page import Places

# Many small pieces of memory are never given back in full: pages are put together in time, and
# the holes that they leave are given back at once.
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
        pa.default_memory_pool().release_unused()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """People or groups as they came."""

    table: pa.Table
    """`key`, `dn`, `directory_id`, `base`, and more."""
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

    def who(self, row: int) -> dict[str, str]:
        """Key, DN, id and base of a row."""
        some = self.table.select(["key", "dn", "directory_id", "base"]).slice(row, 1)
        who: dict[str, str] = some.to_pylist()[0]
        return who


def distinct(rows: Rows, problems: list[str], *, source: str, taken: Rows | None = None) -> Places:
    """The rows that count, in order: of several finds of one entry the first.

    Args:
        rows: as they came.
        problems: take a sentence for every two entries with one DN.
        source: what messages call the server.
        taken: rows whose keys no other row may have.

    Raises:
        DirectoryIncompleteError: one search of a server gave an entry twice.
        DirectoryUnavailableError: an entry of a server was moved while it was read.

    """
    chosen = _by_key(rows, problems, source, taken)
    if rows.entries is None:
        _refuse_moved(rows.only(chosen), source)
    return chosen


def _by_key(rows: Rows, problems: list[str], source: str, taken: Rows | None) -> Places:
    keys = rows.table["key"]
    alone = not _some_twice(keys) and not _some_empty(keys)
    if alone and not (taken and _shared(taken.table["key"], keys)):
        return np.arange(len(keys))
    elsewhere = {} if taken is None else _places(taken.table["key"])
    seen: dict[str, int] = {}
    for row, key in enumerate(keys.to_pylist()):
        first = seen.setdefault(key, row)
        if taken is not None and key in elsewhere:
            problems.append(_one_dn(taken.said(elsewhere[key]), rows.said(row)))
        elif not key or (first != row and not _same(rows, first, row, source)):
            problems.append(_one_dn(rows.said(first), rows.said(row)))
    return np.array(list(seen.values()), dtype=np.int64)


def _same(rows: Rows, first: int, row: int, source: str) -> bool:
    """Whether two rows are one entry: in a file all of it, from a server who it is."""
    if rows.entries is not None:
        entry, other = rows.entries[first], rows.entries[row]
        return (entry.dn, entry.attributes) == (other.dn, other.attributes)
    one, two = rows.who(first), rows.who(row)
    if one["dn"] != two["dn"]:
        if one["directory_id"] == two["directory_id"] != one["key"]:
            _moved(one, two, source)
        return False
    if one["base"] == two["base"]:
        message = (
            f"{source}: reading {two['base']!r}: {two['dn']!r} came twice in one search, so the"
            " server lost its place and other entries may be missing. Nothing of it is used. If a"
            " load balancer is before it, name one server in LDAP_SERVER_DOMAIN"
        )
        raise DirectoryIncompleteError(message)
    return True


def _refuse_moved(rows: Rows, source: str) -> None:
    """Fail if two rows with different keys have one id."""
    ids = rows.table["directory_id"]
    if not _some_twice(ids):
        return
    seen: dict[str, int] = {}
    for row, id_ in enumerate(ids.to_pylist()):
        first = seen.setdefault(id_, row)
        if first != row:
            _moved(rows.who(first), rows.who(row), source)


def _moved(one: dict[str, str], two: dict[str, str], source: str) -> NoReturn:
    message = (
        f"{source}: reading {two['base']!r}: {two['dn']!r} has the id {two['directory_id']!r}, and"
        f" so has {one['dn']!r} (below {one['base']!r}): the entry was moved while it was read."
        " Nothing of it is used. If it stays so, two entries have one id: leave one out with a"
        " filter"
    )
    raise DirectoryUnavailableError(message)


def _some_twice(texts: pa.ChunkedArray) -> bool:
    """Whether a text comes twice; once in many millions of times that is said wrongly."""
    numbers = [fingerprints(chunk) for chunk in texts.chunks]
    return bool(numbers) and some_twice(np.concatenate(numbers))


def _some_empty(texts: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.equal(pc.binary_length(texts), 0), min_count=0).as_py())


def _shared(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_in(keys, value_set=others), min_count=0).as_py())


def _places(keys: pa.ChunkedArray) -> dict[str, int]:
    return {key: place for place, key in enumerate(keys.to_pylist())}


def _one_dn(one: str, other: str) -> str:
    return f"{one} and {other} have one and the same DN"
