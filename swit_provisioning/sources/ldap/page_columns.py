"""One page's values as Arrow columns, one cell an entry, for all entries that are plain.

An entry is plain where each attribute that matters has at most one value, which is text, and no
options (`;lang-de`, `;range=`). All others are odd: `entries` tells how those are read.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.sources.ldap.page import Page, Places, Spans
from swit_provisioning.sources.ldap.wire import Data

Mask = npt.NDArray[np.bool_]

_SPACE, _DELETE = 0x20, 0x7F
"""What is between them in ASCII can be seen."""


class PageColumns:
    """The columns of one page; asking for one also tells which entries are odd."""

    def __init__(self, page: Page) -> None:
        """Sort the attributes by name."""
        self.page = page
        self.odd: Mask = np.zeros(len(page), dtype=np.bool_)
        """Entries that no column holds."""
        names = binaries(page.data, page.name).dictionary_encode()
        written = [name.decode(errors="replace").lower() for name in names.dictionary.to_pylist()]
        self._codes = {name: code for code, name in enumerate(dict.fromkeys(written))}
        places = np.array([self._codes[name] for name in written], dtype=np.int64)
        self._code = places[names.indices.to_numpy()]
        self._count = np.bincount(page.attribute, minlength=len(page.name))
        self._first = np.cumsum(self._count) - self._count
        self._mark_options()

    def _mark_options(self) -> None:
        with_options = [code for name, code in self._codes.items() if ";" in name]
        if with_options:
            self.odd[self.page.entry[np.isin(self._code, with_options)]] = True
        pairs = np.sort(self.page.entry * len(self._codes) + self._code)
        twice = pairs[1:][pairs[1:] == pairs[:-1]]
        if len(twice):
            self.odd[twice // len(self._codes)] = True

    def attributes(self, name: str) -> Places:
        """Which attributes of the page have this name."""
        code = self._codes.get(name.lower())
        return np.flatnonzero(self._code == code) if code is not None else np.empty(0, np.int64)

    def having(self, name: str) -> Mask:
        """Which entries have the attribute, be it without a value."""
        found = np.zeros(len(self.page), dtype=np.bool_)
        found[self.page.entry[self.attributes(name)]] = True
        return found

    def values(self, attributes: Places) -> tuple[Places, Spans]:
        """All values of some attributes, in order: of which of them each is, and where."""
        count = self._count[attributes]
        begin = np.cumsum(count) - count
        of = np.repeat(np.arange(len(attributes)), count)
        places = np.arange(len(of)) - begin[of] + self._first[attributes][of]
        return of, self.page.value[places]

    def sets(self, name: str) -> pa.LargeBinaryArray:
        """An attribute's values as they were sent, with their lengths; null where there is none."""
        attributes = self.attributes(name)
        return self._taken(attributes, self.page.values[attributes])

    def one(self, name: str) -> pa.LargeBinaryArray:
        """The attribute's value; null where there is none, or where there are several (odd)."""
        attributes = self.attributes(name)
        count = self._count[attributes]
        self.odd[self.page.entry[attributes[count > 1]]] = True
        attributes = attributes[count == 1]
        return self._taken(attributes, self.page.value[self._first[attributes]])

    def text(self, name: str) -> pa.LargeStringArray:
        """The attribute's value, trimmed; null where it is empty, or no text (odd)."""
        return trimmed(self._decoded(self.one(name)))

    def dn(self) -> pa.LargeStringArray:
        """The DN as it was sent; null where it is no text (odd)."""
        return self._decoded(binaries(self.page.data, self.page.dn))

    def _decoded(self, values: pa.LargeBinaryArray) -> pa.LargeStringArray:
        texts = texts_of(values)
        if texts.null_count != values.null_count:
            self.odd |= texts.is_null().to_numpy(zero_copy_only=False) & values.is_valid().to_numpy(
                zero_copy_only=False
            )
        return texts

    def _taken(self, attributes: Places, spans: Spans) -> pa.LargeBinaryArray:
        """Put values, one an attribute, into the cells of their entries."""
        cells = np.zeros(len(self.page), dtype=np.int64)
        missing = np.ones(len(self.page), dtype=np.bool_)
        entries = self.page.entry[attributes]
        cells[entries] = np.arange(len(entries))
        missing[entries] = False
        return binaries(self.page.data, spans).take(pa.array(cells, mask=missing))


def binaries(data: Data, spans: Spans) -> pa.LargeBinaryArray:
    """The bytes at some places, which follow one another, as a column."""
    count = len(spans)
    if not count:
        return pa.array([], pa.large_binary())
    # All of `data` from the first to the last is taken for values and what is between them, in
    # turn: nothing has to be copied one by one. Then only the values are kept.
    offsets = np.empty(2 * count, dtype=np.int64)
    offsets[0::2] = spans.start
    offsets[1::2] = spans.stop
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    mixed = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * count - 1, buffers)
    return mixed.take(pa.array(np.arange(0, 2 * count, 2)))


def texts_of(values: pa.LargeBinaryArray) -> pa.LargeStringArray:
    """Decode UTF-8; null where it is something else."""
    try:
        return values.cast(pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([_text(value) for value in values.to_pylist()], pa.large_string())


def trimmed(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Without white space around them, as `str.strip` does it; null where nothing is left."""
    if _tight(texts):
        return texts
    stripped = pc.utf8_trim_whitespace(texts)
    empty = pc.equal(pc.binary_length(stripped), 0)
    if not pc.any(empty, min_count=0).as_py():
        return stripped
    return pc.if_else(empty, pa.scalar(None, pa.large_string()), stripped)


def true(values: pa.BooleanArray) -> Mask:
    """Where it is true, and not missing."""
    return np.asarray(pc.fill_null(values, False), dtype=np.bool_)  # noqa: FBT003 - a cell


def _tight(texts: pa.LargeStringArray) -> bool:
    """Whether each begins and ends with a printable character of ASCII: then all are trimmed."""
    if texts.null_count or not len(texts):
        return False
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    begin, end = ends[:-1], ends[1:]
    if (begin == end).any():
        return False
    letters = np.frombuffer(data, np.uint8)
    return all(
        bool(((outer > _SPACE) & (outer < _DELETE)).all())
        for outer in (letters[begin], letters[end - 1])
    )


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeError:
        return None
