"""A number for each text of a column: the same for the same text, else almost always another."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.uint64]

_WORD = 8
# The first n bytes of a word, as they lie in memory.
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], dtype="<u8")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # any odd number without a pattern in its bits
_HALF = np.uint64(32)


def fingerprints(texts: pa.LargeStringArray) -> Numbers:
    """Eight bytes of each text after the other are mixed into its number, all texts in step.

    Whoever finds two equal numbers has to look whether the texts are equal, too. A missing text
    counts as an empty one.
    """
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    words = _words_at_each_byte(data)
    made = np.empty(len(texts), dtype=np.uint64)
    rows: npt.NDArray[np.int64] | slice = slice(None)
    at, left = ends[:-1], np.diff(ends)
    mixed = left.astype(np.uint64)
    while len(at):
        mixed ^= words[at] & _FIRST[np.minimum(left, _WORD)]
        mixed *= _FACTOR
        mixed ^= mixed >> _HALF
        going = left > _WORD
        if going.all():
            at, left = at + _WORD, left - _WORD
            continue
        made[rows] = mixed
        chosen = np.flatnonzero(going)
        rows = chosen if isinstance(rows, slice) else rows[chosen]
        at, left, mixed = at[chosen] + _WORD, left[chosen] - _WORD, mixed[chosen]
    return made


def some_twice(numbers: Numbers) -> bool:
    """Whether a number is there twice."""
    ordered = np.sort(numbers)
    return bool((ordered[1:] == ordered[:-1]).any())


def _words_at_each_byte(data: pa.Buffer | None) -> Numbers:
    """The eight bytes from each byte on; behind the end come zeros."""
    size = 0 if data is None else data.size
    padded = np.zeros(size + _WORD, dtype=np.uint8)
    if data is not None:
        padded[:size] = np.frombuffer(data, np.uint8)
    return np.ndarray(size + 1, dtype="<u8", buffer=padded, strides=(1,))
