"""Active Directory's primary groups: a number at the user names one, and the group lists nobody."""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.attributes import Value
from swit_provisioning.directory.entries import Entry, Terms

_TEXT = re.compile(r"S-1(?:-\d+)+", re.IGNORECASE)
# Revision, number of parts, six bytes of authority; then four bytes a part, little-endian.
_HEAD_BYTES = 8
_PART_BYTES = 4


def primary_members(people: pa.Table, groups: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The groups that are somebody's primary group: number of the row, and whose.

    Args:
        people: `key`, `dn` and `primary_group_sid`.
        groups: `sid`.

    """
    named = people["primary_group_sid"].combine_chunks().dictionary_decode()
    known = pc.is_in(groups["sid"], value_set=named.unique().drop_null())
    for row in np.flatnonzero(known).tolist():
        yield row, people.filter(pc.equal(named, groups["sid"][row]))


def primary_group_sid(person: Entry, terms: Terms) -> str | None:
    """The SID of a person's primary group: it is in the same domain and ends in the number."""
    number = terms.number(person, "primaryGroupID")
    domain, _, _ = security_id(person).rpartition("-")
    return f"{domain}-{number}" if number is not None and domain else None


def security_id(entry: Entry) -> str:
    """`S-1-5-21-...`; empty where there is none that can be read."""
    return next((text for value in entry.values("objectSid") if (text := sid_text(value))), "")


def sid_text(value: Value) -> str:
    """A security id as text; servers send bytes, files may hold either. Empty: it is none."""
    raw = value.encode() if isinstance(value, str) else value
    parts, rest = divmod(len(raw) - _HEAD_BYTES, _PART_BYTES)
    if raw[:1] == b"\x01" and not rest and parts == raw[1]:
        authority = int.from_bytes(raw[2:_HEAD_BYTES], "big")
        starts = range(_HEAD_BYTES, len(raw), _PART_BYTES)
        numbers = (int.from_bytes(raw[at : at + _PART_BYTES], "little") for at in starts)
        return "-".join(("S-1", str(authority), *map(str, numbers)))
    text = raw.decode(errors="replace").strip()
    return text.upper() if _TEXT.fullmatch(text) else ""
