"""The members of groups as columns, straight from a page; all else of a group is read by entry."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.ldap_page import Places
from swit_provisioning.directory.page_columns import PageColumns, binaries, texts_of, trimmed

MEMBER_ATTRIBUTES = ("member", "uniqueMember")
# How the optional bit string behind a DN in `uniqueMember` begins.
_BIT_STRING = "#'"


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """What one attribute of some groups lists."""

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
        texts = texts_of(binaries(page.data, spans))
        odd = texts.is_null()
        if name == MEMBER_ATTRIBUTES[1]:
            odd = pc.or_kleene(odd, pc.match_substring(texts, _BIT_STRING))
        left = np.zeros(len(attributes), dtype=np.bool_)
        left[of[odd.to_numpy(zero_copy_only=False)]] = True
        texts = trimmed(texts)
        chosen = ~left[of] & texts.is_valid().to_numpy(zero_copy_only=False)
        if not chosen.all():
            texts, of = texts.filter(pa.array(chosen)), of[chosen]
        found.append(Members(attribute=name, group=page.entry[attributes][of], text=texts))
        taken.update(attributes[~left].tolist())
    return found, frozenset(taken)
