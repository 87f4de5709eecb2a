"""A number for each text of a column: the same for the same text, else almost always another."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.uint64]

_WORD = 8
# So many rows at a time stay in the processor's cache.
_BLOCK_ROWS = 16_384
# The first n bytes of a word, as they lie in memory.
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], dtype="<u8")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # any odd number without a pattern in its bits
_HALF = np.uint64(32)


def fingerprints(texts: pa.LargeStringArray) -> Numbers:
    """Eight bytes of each text after the other are mixed into its number, all texts in step.

    Whoever finds two equal numbers has to look whether the texts are equal, too. A missing text
    counts as an empty one.
    """
    made = np.empty(len(texts), dtype=np.uint64)
    for begin in range(0, len(texts), _BLOCK_ROWS):
        made[begin : begin + _BLOCK_ROWS] = _of_block(texts.slice(begin, _BLOCK_ROWS))
    return made


def _of_block(texts: pa.LargeStringArray) -> Numbers:
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    words = _words_at_each_byte(data, int(ends[0]), int(ends[-1]))
    made = np.empty(len(texts), dtype=np.uint64)
    rows = np.arange(len(texts))
    at, left = ends[:-1] - ends[0], np.diff(ends)
    mixed = left.astype(np.uint64)
    while len(rows):
        mixed ^= words[at] & _FIRST[np.minimum(left, _WORD)]
        mixed *= _FACTOR
        mixed ^= mixed >> _HALF
        at, left = at + _WORD, left - _WORD
        going = left > 0
        if not going.all():
            made[rows] = mixed
            rows, at, left, mixed = rows[going], at[going], left[going], mixed[going]
    return made


def of_pairs(others: npt.NDArray[np.int64], numbers: Numbers) -> Numbers:
    """A number for each pair of an integer and a text, made of the text's."""
    return numbers + others.astype(np.uint64) * _FACTOR


def some_twice(numbers: Numbers) -> bool:
    """Whether a number is there twice."""
    ordered = np.sort(numbers)
    return bool((ordered[1:] == ordered[:-1]).any())


def _words_at_each_byte(data: pa.Buffer | None, begin: int, end: int) -> Numbers:
    """The eight bytes from each byte on, the end too; behind it come zeros."""
    padded = np.zeros(end - begin + _WORD, dtype=np.uint8)
    if data is not None:
        padded[:-_WORD] = np.frombuffer(data, np.uint8)[begin:end]
    return np.ndarray(len(padded) - _WORD + 1, dtype="<u8", buffer=padded, strides=(1,))
