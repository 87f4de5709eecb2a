"""Groups of a directory: which attributes are read, their parents, and members named by people."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import pyarrow as pa

from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.entries import Entry, EntryReader, directory_id, security_id
from swit_provisioning.sources.ldap.dn import rdn_values
from swit_provisioning.sources.people import REPEATED, TEXTS
from swit_provisioning.sources.server_types import Kind

GROUPS = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("references", TEXTS),
        ("names", TEXTS),
        ("aliases", TEXTS),
        ("order", pa.float64()),
        ("parents", TEXTS),
        ("base", REPEATED),
        ("sid", pa.large_string()),
    ]
)
"""`idp_groups` without the position, and the column by which people refer to a primary group."""


class Group(NamedTuple):
    """One row of `GROUPS`."""

    key: str
    dn: str
    directory_id: str
    references: list[str]
    names: list[str]
    aliases: list[str]
    order: float | None
    parents: list[str] | None
    base: str
    sid: str | None


def group_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """Attributes to request from a server."""
    members = ("member", "uniqueMember", "memberUid", "memberOf")
    return [*kind.group_attributes, *members, *mapping.of_groups()]


def read_group(entry: Entry, *, key: str, base: str, reader: EntryReader) -> Group:
    """Read one group, without its members."""
    order = reader.first(entry, reader.mapping.order)
    try:
        number = float(order) if order else None
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        reader.report_no_number(entry, reader.mapping.order or "", order or "")
        number = None
    id_ = directory_id(entry, key)
    by_dn = reader.reference_attribute == "distinguishedName" or id_ == key
    return Group(
        key=key,
        dn=entry.dn,
        directory_id=id_,
        references=[entry.dn, id_] if by_dn else [id_, entry.dn],
        names=reader.first_of(entry, reader.mapping.group_name),
        aliases=rdn_values(entry.dn, "cn"),
        order=number,
        parents=_parents(entry, reader),
        base=base,
        sid=security_id(entry) or None,
    )


def _parents(entry: Entry, reader: EntryReader) -> list[str] | None:
    """DNs in `memberOf` in normal form, or `None` if the group has no such attribute."""
    return list(reader.dn_keys(entry, "memberOf")) if entry.has("memberOf") else None


def members_named_by_people(
    people: Iterable[tuple[str, Entry, bool]],
    groups: Mapping[str, Entry],
    listed: Mapping[str, Sequence[str]],
    reader: EntryReader,
) -> Iterator[tuple[str, str, str]]:
    """Group key, person key and DN of members that only the `memberOf` of people names.

    These count for groups that list nobody. If a group lists members, its list counts: a person
    who is neither in that list nor in the list of a nested group is a finding. Some servers also
    put the parents of a person's groups into `memberOf`; the person is not a member of those.

    Args:
        people: key, entry, and whether the account is enabled.
        groups: all groups by key.
        listed: keys of the members that each group lists, by group key. A group that lists
            nobody is not in it.
        reader: collects the findings.

    """
    holders: dict[str, set[str]] = {}
    for group, members in listed.items():
        for member in members:
            holders.setdefault(member, set()).add(group)
    ancestors = _Ancestors(groups, holders, reader)
    for key, person, enabled in people:
        keys = reader.dn_keys(person, "memberOf")
        named = {group: dn for group, dn in keys.items() if group in groups}
        direct = holders.get(key, set()) | {group for group in named if group not in listed}
        reached = direct.union(*(ancestors.of(group) for group in direct))
        for group, dn in named.items():
            if group not in reached and enabled:
                reader.report(
                    "membership mismatch",
                    person,
                    "memberOf",
                    f"The attribute names {dn}, but that group lists its members, and the person is"
                    " not one of them. The list counts. Add the person to the group, or remove the"
                    " value.",
                )
            elif group not in listed and not ancestors.has_below(group, direct):
                yield group, key, person.dn


class _Ancestors:
    """The groups above each group: those that list it, those in its `memberOf`, and so on."""

    def __init__(
        self,
        groups: Mapping[str, Entry],
        holders: Mapping[str, AbstractSet[str]],
        reader: EntryReader,
    ) -> None:
        self._parents = {
            key: {*holders.get(key, ()), *(_parents(entry, reader) or ())}
            for key, entry in groups.items()
        }
        self._found: dict[str, frozenset[str]] = {}

    def of(self, group: str) -> frozenset[str]:
        """Keys of all ancestors. A group in a cycle is its own ancestor."""
        if group not in self._found:
            found: set[str] = set()
            pending = [group]
            while pending:
                new = self._parents.get(pending.pop(), set()) - found
                found |= new
                pending.extend(new)
            self._found[group] = frozenset(found)
        return self._found[group]

    def has_below(self, group: str, others: Iterable[str]) -> bool:
        """True if the group is above one of the others, and not in a cycle with it."""
        return any(
            group in self.of(other) and other not in self.of(group)
            for other in others
            if other != group
        )
