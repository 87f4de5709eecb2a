"""Active Directory's primary groups: a number at the user names one, and the group lists nobody."""

import re

import pyarrow as pa

from swit_provisioning.directory.entries import Entry, Terms, Value

_TEXT = re.compile(r"S-1(?:-\d+)+", re.IGNORECASE)
# Revision, number of parts, six bytes of authority; then four bytes a part, little-endian.
_HEAD_BYTES = 8
_PART_BYTES = 4


class PrimaryGroups:
    """Whose primary group is which: keys and DNs of users by the group's security id (SID)."""

    def __init__(self, people: pa.Table) -> None:
        """Take `key`, `dn` and `primary_group_sid` of all people."""
        self._people: dict[str, list[tuple[str, str]]] = {}
        some = people.filter(people["primary_group_sid"].is_valid())
        columns = (some[name].to_pylist() for name in ("key", "dn", "primary_group_sid"))
        for key, dn, sid in zip(*columns, strict=True):
            self._people.setdefault(sid, []).append((key, dn))

    def members(self, group: Entry) -> list[tuple[str, str]]:
        """Keys and DNs of those whose primary group this entry is."""
        return self._people.get(_sid(group), [])


def primary_group_sid(person: Entry, terms: Terms) -> str | None:
    """The SID of a person's primary group: it is in the same domain and ends in the number."""
    number = terms.number(person, "primaryGroupID")
    domain, _, _ = _sid(person).rpartition("-")
    return f"{domain}-{number}" if number is not None and domain else None


def _sid(entry: Entry) -> str:
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
