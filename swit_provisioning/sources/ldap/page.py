"""The entries of one answer, taken apart side by side: no Python object for each value.

All entries are read in step, each step one numpy operation over all of them: first every DN, then
every entry's first attribute, its second and so on. What comes out is where things are.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swit_provisioning.sources.ldap.wire import (
    CONTROLS,
    OCTETS,
    SEARCH_ENTRY,
    SEQUENCE,
    SET,
    Answer,
    Data,
    WireError,
    header,
)

Places = npt.NDArray[np.int64]
Raw = tuple[bytes, list[tuple[bytes, list[bytes]]]]
"""One entry: its DN, the names of its attributes with their values."""

_SHORT = 0x7F
_LENGTH_OCTETS = 4
# A step costs some microseconds however few take part in it: those that go on longest, such as the
# members of one large group, are read one after the other.
_FEW = 128
_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, eq=False)
class Spans:
    """Where some values begin and end in the bytes of a page."""

    start: Places
    stop: Places

    def __len__(self) -> int:
        """How many there are."""
        return len(self.start)

    def __getitem__(self, chosen: Places | slice) -> "Spans":
        """Some of them."""
        return Spans(self.start[chosen], self.stop[chosen])


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """Entries, their attributes and values in the server's order, as places in `data`."""

    data: Data
    dn: Spans
    """Of each entry."""
    entry: Places
    """Of each attribute: the number of its entry, ascending."""
    name: Spans
    """Of each attribute, with its options."""
    values: Spans
    """Of each attribute: all its values, with their lengths."""
    attribute: Places
    """Of each value: the number of its attribute, ascending."""
    value: Spans

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.dn)

    def raw(
        self, which: Iterable[int] | None = None, *, without: AbstractSet[int] = frozenset()
    ) -> Iterator[Raw]:
        """Entries, all or some, each by itself; some attributes are left without their values."""
        first = np.searchsorted(self.attribute, np.arange(len(self.name) + 1)).tolist()
        begin = np.searchsorted(self.entry, np.arange(len(self) + 1)).tolist()
        for entry in range(len(self)) if which is None else which:
            attributes = [
                (name, [] if place in without else self._values(first[place], first[place + 1]))
                for place, name in enumerate(
                    _cut(self.data, self.name[begin[entry] : begin[entry + 1]]), begin[entry]
                )
            ]
            yield _cut(self.data, self.dn[entry : entry + 1])[0], attributes

    def _values(self, first: int, end: int) -> list[bytes]:
        return _cut(self.data, self.value[first:end])


def read_page(answer: Answer) -> Page:
    """Take apart the entries of an answer.

    Raises:
        WireError: something in it is no LDAP; nothing of the page may be used.

    """
    raw = answer.data
    data = np.frombuffer(raw, dtype=np.uint8)
    message_end = np.array(answer.stops, dtype=np.int64)
    operation = _contents(data, np.array(answer.starts, np.int64), message_end, SEARCH_ENTRY)
    _only_controls_behind(data, operation.stop, message_end)
    dn = _contents(data, operation.start, operation.stop, OCTETS)
    listed = _contents(data, dn.stop, operation.stop, SEQUENCE)
    _same(listed.stop, operation.stop)
    entry, pair = _all_inside(raw, data, listed, SEQUENCE)
    name = _contents(data, pair.start, pair.stop, OCTETS)
    values = _contents(data, name.stop, pair.stop, SET)
    _same(values.stop, pair.stop)
    attribute, value = _values_inside(raw, data, values)
    return Page(
        data=raw, dn=dn, entry=entry, name=name, values=values, attribute=attribute, value=value
    )


def _contents(data: npt.NDArray[np.uint8], at: Places, end: Places, tag: int) -> Spans:
    """The contents of values that begin at `at`, all with one tag, none longer than to `end`."""
    if not len(at):
        return Spans(at, at)
    if (at + 2 > end).any():
        raise WireError(_first(at, at + 2 > end, "a value is cut off"))
    other = data[at] != tag
    if other.any():
        raise WireError(_first(at, other, f"another tag than 0x{tag:02x}"))
    size = data[at + 1].astype(np.int64)
    start = at + 2
    long = np.flatnonzero(size > _SHORT)
    if len(long):
        octets = size[long] & _SHORT
        size[long] = _long_sizes(data, start[long], end[long], octets)
        start[long] += octets
    stop = start + size
    if (stop > end).any():
        raise WireError(_first(at, stop > end, "a value is longer than what is around it"))
    return Spans(start, stop)


def _long_sizes(data: npt.NDArray[np.uint8], at: Places, end: Places, octets: Places) -> Places:
    wrong = (octets < 1) | (octets > _LENGTH_OCTETS) | (at + octets > end)
    if wrong.any():
        raise WireError(_first(at, wrong, "a length that LDAP doesn't have"))
    size = np.zeros(len(at), dtype=np.int64)
    for step in range(_LENGTH_OCTETS):
        here = octets > step
        size[here] = size[here] << 8 | data[at[here] + step]
    return size


def _values_inside(raw: Data, data: npt.NDArray[np.uint8], within: Spans) -> tuple[Places, Spans]:
    """As `_all_inside`, for texts, in which the byte that begins a value hardly ever occurs.

    Where that byte is in one of the places is where a value may begin. That it is so is certain
    if each of them ends where the next one begins, the first one begins with the place, and the
    last one ends with it. A place of which that isn't true is read in the usual way.
    """
    at = _places_of(OCTETS, data)
    if not len(at) or not len(within):
        return _all_inside(raw, data, within, OCTETS)
    owner = np.searchsorted(within.start, at, side="right") - 1
    inside = (owner >= 0) & (at + 1 < within.stop[owner])
    at, owner = at[inside], owner[inside]
    size = data[at + 1].astype(np.int64)
    stop = at + 2 + size
    first = np.searchsorted(owner, np.arange(len(within) + 1))
    begins = np.concatenate([at[1:], [-1]])
    last = first[1:][first[1:] > first[:-1]] - 1
    begins[last] = within.stop[owner[last]]
    right = first[1:] > first[:-1]
    right[owner[(size > _SHORT) | (stop != begins)]] = False
    right[right] = at[first[:-1][right]] == within.start[right]
    right |= within.start == within.stop
    if right.all():
        return owner, Spans(at + 2, stop)
    left = np.flatnonzero(~right)
    others, other_spans = _all_inside(raw, data, within[left], OCTETS)
    sure = right[owner]
    owner = np.concatenate([owner[sure], left[others]])
    order = np.argsort(owner, kind="stable")
    spans = Spans(
        np.concatenate([at[sure] + 2, other_spans.start]),
        np.concatenate([stop[sure], other_spans.stop]),
    )
    return owner[order], spans[order]


def _places_of(byte: int, data: npt.NDArray[np.uint8]) -> Places:
    """Where a byte is; some of the data at a time, which stays in the processor's cache."""
    blocks = range(0, len(data), _BLOCK_BYTES)
    found = [np.flatnonzero(data[at : at + _BLOCK_BYTES] == byte) + at for at in blocks]
    return np.concatenate([np.empty(0, np.int64), *found])


def _all_inside(
    raw: Data, data: npt.NDArray[np.uint8], within: Spans, tag: int
) -> tuple[Places, Spans]:
    """The contents of all values that stand one behind the other in each of some places.

    Returns:
        For each found the number of its place, ascending; and where it is.

    """
    at = within.start.copy()
    going = np.flatnonzero(at < within.stop)
    owners: list[Places] = []
    found: list[Spans] = []
    while len(going) > _FEW:
        step = _contents(data, at[going], within.stop[going], tag)
        owners.append(going)
        found.append(step)
        at[going] = step.stop
        going = going[step.stop < within.stop[going]]
    for place in going.tolist():
        step = _one_by_one(raw, data, int(at[place]), int(within.stop[place]), tag)
        owners.append(np.full(len(step), place, dtype=np.int64))
        found.append(step)
    if not found:
        return np.empty(0, np.int64), Spans(np.empty(0, np.int64), np.empty(0, np.int64))
    owner = np.concatenate(owners)
    spans = Spans(
        np.concatenate([one.start for one in found]), np.concatenate([one.stop for one in found])
    )
    if len(found) == 1:
        return owner, spans
    # The steps are in order already; a stable sort keeps it among the values of one place.
    order = np.argsort(owner, kind="stable")
    return owner[order], spans[order]


def _one_by_one(raw: Data, data: npt.NDArray[np.uint8], at: int, end: int, tag: int) -> Spans:
    """The same for one place: one after the other where values begin, then all of them at once."""
    heads: list[int] = []
    while at < end:
        heads.append(at)
        # The usual header, read in place: this runs once for each member of a large group.
        if at + 1 < end and raw[at + 1] <= _SHORT:
            at += 2 + raw[at + 1]
        else:
            at = header(raw, at, end)[2]
    places = np.array(heads, dtype=np.int64)
    return _contents(data, places, np.full(len(places), end), tag)


def _only_controls_behind(data: npt.NDArray[np.uint8], at: Places, end: Places) -> None:
    """A message may go on with controls behind the entry, and with nothing else."""
    more = np.flatnonzero(at < end)
    _same(_contents(data, at[more], end[more], CONTROLS).stop, end[more])


def _same(stop: Places, end: Places) -> None:
    if (stop != end).any():
        raise WireError(_first(stop, stop != end, "something behind the end of a value"))


def _first(at: Places, wrong: npt.NDArray[np.bool_], problem: str) -> str:
    return f"{problem}, at byte {at[wrong][0]} of the answer"


def _cut(data: Data, spans: Spans) -> list[bytes]:
    pairs = zip(spans.start.tolist(), spans.stop.tolist(), strict=True)
    view = memoryview(data)
    return [bytes(view[start:stop]) for start, stop in pairs]
