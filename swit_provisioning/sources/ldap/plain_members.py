"""The members of groups as columns, straight from a page; all else of a group is read by entry."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.sources.ldap.page import Places
from swit_provisioning.sources.ldap.page_columns import (
    Mask,
    PageColumns,
    binaries,
    texts_of,
    trimmed,
)

MEMBER_ATTRIBUTES = ("member", "uniqueMember")
# How the optional bit string behind a DN in `uniqueMember` begins.
_BIT_STRING = "#'"
# Columns of so many rows stay in the processor's cache and need no fresh memory from the system
# each: 500,000 members take a quarter of the time.
_ROWS = 50_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """What one attribute of some groups lists, or a part of that."""

    attribute: str
    group: Places
    """Of each member: the number of its group's entry in the page (in `Batch`: of its row)."""
    text: pa.LargeStringArray
    """Trimmed, never empty."""


def plain_members(columns: PageColumns) -> tuple[list[Members], frozenset[int]]:
    """Read the members of those groups of a page that list them plainly.

    Args:
        columns: of the page; nothing has been asked of them, so only options are odd yet.

    Returns:
        The members; and the numbers of the page's attributes that they are the values of.

    """
    page = columns.page
    odd_entries = columns.odd | (
        columns.having(MEMBER_ATTRIBUTES[0]) & columns.having(MEMBER_ATTRIBUTES[1])
    )
    found: list[Members] = []
    taken: set[int] = set()
    for name in MEMBER_ATTRIBUTES:
        attributes = columns.attributes(name)
        attributes = attributes[~odd_entries[page.entry[attributes]]]
        if not len(attributes):
            continue
        of, spans = columns.values(attributes)
        # One at least: that a group has the attribute is told even where it has no value.
        pieces = [slice(at, at + _ROWS) for at in range(0, max(len(of), 1), _ROWS)]
        texts = [texts_of(binaries(page.data, spans[piece])) for piece in pieces]
        left = np.zeros(len(attributes), dtype=np.bool_)
        for piece, some in zip(pieces, texts, strict=True):
            left[of[piece][_odd(name, some)]] = True
        for piece, some in zip(pieces, texts, strict=True):
            group = page.entry[attributes][of[piece]]
            found.append(_usable(name, group, some, ~left[of[piece]]))
        taken.update(attributes[~left].tolist())
    return found, frozenset(taken)


def _odd(name: str, texts: pa.LargeStringArray) -> Mask:
    """Which values take more than a column: those that are no text, or carry a bit string."""
    odd = texts.is_null()
    if name == MEMBER_ATTRIBUTES[1]:
        odd = pc.or_kleene(odd, pc.match_substring(texts, _BIT_STRING))
    return np.asarray(odd, dtype=np.bool_)


def _usable(name: str, group: Places, texts: pa.LargeStringArray, chosen: Mask) -> Members:
    """The chosen ones, trimmed, without those that are empty."""
    texts = trimmed(texts)
    chosen &= np.asarray(texts.is_valid())
    if not chosen.all():
        texts, group = texts.filter(pa.array(chosen)), group[chosen]
    return Members(attribute=name, group=group, text=texts)
