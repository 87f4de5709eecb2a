"""Assemble the entries of a source into a snapshot of the directory."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.schemas import (
    IDP_FINDINGS,
    IDP_GROUPS,
    IDP_MEMBERSHIPS,
    IDP_USERS,
)
from swit_provisioning.planning.snapshots import BaseCount, DirectoryFacts, DirectorySnapshot
from swit_provisioning.sources.attribute_presence import (
    HELD,
    attribute_presence,
    held_by_groups,
    held_by_people,
)
from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
    listed,
)
from swit_provisioning.sources.entries import Entry, EntryReader
from swit_provisioning.sources.groups import GROUPS, members_named_by_people, read_group
from swit_provisioning.sources.ldap.dn import DnScope
from swit_provisioning.sources.memberships import Memberships, Rows, lists_members
from swit_provisioning.sources.people import (
    PEOPLE,
    Logins,
    TableBuilder,
    named,
    read_person,
    usable,
    with_names_from_dns,
)
from swit_provisioning.sources.server_types import OTHER_ADDRESSES

_GARBAGE_THRESHOLD = 500_000
_MOST_IDENTIFIED = 200
"""Members that are neither people nor groups; each takes a request to the server."""
_TEXT = pa.large_string()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Entries that one search base or file returned."""

    base: str
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Description of a source, for facts and messages."""

    name: str
    """`ldaps://dc1.example.com` or the name of the file."""
    kind: str
    """Type of the source in `registry.SOURCES`."""
    search_base: str | None
    """Normal-form DN; `None` for a file without one."""
    bases: tuple[str, ...]
    hint: str
    """What to check if no person was found."""
    server_kind: str | None = None
    """`Active Directory`; `None` for a file."""
    warnings: tuple[str, ...] = ()
    """Warnings about the connection or the file."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As in `DirectoryFacts`."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Rows of people or groups, in the order in which they were read."""

    table: pa.Table
    """`key`, `dn`, `directory_id`, `base`, and more."""
    entries: list[Entry] | None
    """Entry of each row, for ordered sources; `None` for servers."""

    def only(self, rows: Rows) -> "_Found":
        """Some of the rows."""
        entries = self.entries and [self.entries[row] for row in rows.tolist()]
        return _Found(table=_take(self.table, rows), entries=entries)

    def describe(self, row: int) -> str:
        """Name of a row in messages."""
        return str(self.entries[row]) if self.entries else repr(self.table["dn"][row].as_py())

    def identity(self, row: int) -> dict[str, str]:
        """Key, DN, id and base of a row."""
        some = self.table.select(["key", "dn", "directory_id", "base"]).slice(row, 1)
        found: dict[str, str] = some.to_pylist()[0]
        return found


@contextmanager
def _memory_for_many_objects() -> Iterator[None]:
    """Look for cyclic garbage rarely, and let Arrow return memory to the system at once.

    Entries are many objects without cycles: reading 100,000 people takes half the time. Arrow's
    own allocator keeps what it freed: a group of 500,000 members takes a third more memory.
    """
    usual, pool = gc.get_threshold(), pa.default_memory_pool()
    gc.set_threshold(_GARBAGE_THRESHOLD, *usual[1:])
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
        gc.set_threshold(*usual)


@_memory_for_many_objects()
def assemble(
    people: Iterable[Batch],
    groups: Iterable[Batch],
    *,
    source: Source,
    reader: EntryReader,
    identify: Callable[[Sequence[str]], Mapping[str, str]] | None = None,
) -> DirectorySnapshot:
    """Assemble the snapshot. Both iterables are consumed once, people first.

    An entry that two search bases returned counts once. People, groups and members are joined by
    the normal form of their DNs.

    Args:
        people: entries that are people.
        groups: entries that are groups.
        source: where they come from.
        reader: reads their values, and collects findings.
        identify: returns what entries are, by DN, if they are neither people nor groups. It is
            called for the first members that were not read.

    Raises:
        DirectoryConfigError: an entry has no valid DN, or two entries have the same one.
        DirectoryIncompleteError: there is no person who is enabled and has an address, or one
            search returned an entry twice.
        DirectoryUnavailableError: an entry was moved while it was read.

    """
    problems: list[str] = []
    persons = _read_people(people, reader, problems)
    persons = persons.only(_distinct(persons, problems, source.name))
    own_people = persons.table
    memberships = Memberships(Logins(own_people), reader)
    teams = _read_groups(groups, memberships, reader, problems)
    chosen_groups = _distinct(teams, problems, source.name, taken=persons)
    if problems:  # it is not known which user or team they match
        message = (
            f"{source.name}: {len(problems)} entries have no valid DN, or have the same one, so"
            " nothing was read. Correct them in the directory, or exclude them with a filter:"
            f" {listed(problems, most=10)}"
        )
        raise DirectoryConfigError(message)
    _refuse_nobody(own_people, source, reader)
    # Active Directory: people are in their primary groups, which do not list them.
    primary = own_people["primary_group_sid"].combine_chunks().dictionary_decode()
    has_people = pc.is_in(teams.table["sid"], value_set=primary.unique().drop_null())
    for row in np.flatnonzero(has_people).tolist():
        own_sid = pc.equal(primary, teams.table["sid"][row])
        memberships.add_people(row, own_people.filter(own_sid))
    _add_members_named_by_people(memberships, persons, teams, reader)
    own_groups = _take(teams.table, chosen_groups)
    own_groups = _take(own_groups, _ordered(own_groups, reader))
    pairs = memberships.table(teams.table, chosen_groups)
    if identify is not None:
        pairs = _without_other_kinds(
            pairs, memberships.distinct, own_people, own_groups, identify, reader
        )
    users = _frame_columns(_take(own_people, _ordered(own_people, reader)), IDP_USERS.names)
    findings = (dict(zip(IDP_FINDINGS.names, row, strict=True)) for row in reader.findings)
    return DirectorySnapshot(
        users=IDP_USERS.from_arrow(users, distinct=True),
        groups=IDP_GROUPS.from_arrow(_frame_columns(own_groups, IDP_GROUPS.names), distinct=True),
        memberships=IDP_MEMBERSHIPS.from_arrow(pairs, distinct=True),
        findings=IDP_FINDINGS.frame(findings),
        scope=DnScope(source.search_base),
        facts=_facts(
            source, reader, own_people, own_groups, pairs, member_attributes=memberships.attributes
        ),
    )


def _facts(
    source: Source,
    reader: EntryReader,
    people: pa.Table,
    groups: pa.Table,
    memberships: pa.Table,
    *,
    member_attributes: AbstractSet[str],
) -> DirectoryFacts:
    """Describe the read: counts by search base, attributes and how many have them, warnings."""
    warnings = [*source.warnings]
    if len(groups) and not len(memberships):
        warnings.append(
            f"no group lists a member (groups: {len(groups)}). If that is wrong, export member,"
            " uniqueMember and memberUid, or grant LDAP_USER read access to them"
        )
    usable_people, usable_groups = (
        {one["values"]: one["counts"] for one in bases.value_counts().to_pylist()}
        for bases in (people["base"].filter(pa.array(usable(people))), groups["base"])
    )
    return DirectoryFacts(
        source=source.name,
        kind=source.kind,
        search_base=source.search_base,
        bases=tuple(
            BaseCount(
                base=base, users=usable_people.get(base, 0), groups=usable_groups.get(base, 0)
            )
            for base in source.bases
        ),
        attributes={
            **reader.mapping.by_field(),
            "other_email": OTHER_ADDRESSES,
            "member": ", ".join(sorted(member_attributes)),
            "parent": "memberOf",
        },
        warnings=(*warnings, *reader.findings.warnings()),
        server_kind=source.server_kind,
        left_out={what: dict(counts) for what, counts in source.left_out.items()},
        presence=attribute_presence(people, groups, memberships, reader.mapping),
    )


def _read_people(batches: Iterable[Batch], reader: EntryReader, problems: list[str]) -> _Found:
    rows = TableBuilder(PEOPLE.append(HELD))
    held = held_by_people(reader.mapping)
    entries: list[Entry] = []
    for batch in batches:
        for key, entry in named(batch.entries, problems):
            person = read_person(entry, key=key, base=batch.base, reader=reader)
            rows.add((*person, held.mask(entry)))
            if reader.ordered:
                entries.append(entry)
    table = with_names_from_dns(rows.table(), reader.mapping.name, reader)
    return _Found(table=table, entries=entries if reader.ordered else None)


def _read_groups(
    batches: Iterable[Batch], memberships: Memberships, reader: EntryReader, problems: list[str]
) -> _Found:
    """Rows of all groups. Their members go to `memberships`."""
    rows = TableBuilder(GROUPS.append(HELD))
    held = held_by_groups(reader.mapping)
    entries: list[Entry] = []
    for batch in batches:
        for key, entry in named(batch.entries, problems):
            memberships.add_listed(len(rows), entry)
            group = read_group(entry, key=key, base=batch.base, reader=reader)
            rows.add((*group, held.mask(entry)))
            if reader.ordered:
                entries.append(entry)
    names = reader.mapping.group_name
    table = with_names_from_dns(rows.table(), names, reader, any_attribute=True)
    return _Found(table=table, entries=entries if reader.ordered else None)


def _add_members_named_by_people(
    memberships: Memberships, persons: _Found, teams: _Found, reader: EntryReader
) -> None:
    """Add members that only the `memberOf` of people names. Servers are not asked for it."""
    if persons.entries is None or teams.entries is None:
        return
    if not any(entry.has("memberOf") for entry in persons.entries):
        return
    keys = teams.table["key"].to_pylist()
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    members_of: dict[str, list[str]] = {
        key: [] for key, entry in zip(keys, teams.entries, strict=True) if lists_members(entry)
    }
    for row, members in memberships.listed().items():
        members_of.setdefault(keys[row], []).extend(members)
    people = zip(
        persons.table["key"].to_pylist(),
        persons.entries,
        persons.table["enabled"].to_pylist(),
        strict=True,
    )
    groups = {key: teams.entries[row] for key, row in first.items()}
    for group, member, dn in members_named_by_people(people, groups, members_of, reader):
        memberships.add(first[group], member, dn)


def _without_other_kinds(
    pairs: pa.Table,
    members: pa.LargeStringArray,
    people: pa.Table,
    groups: pa.Table,
    identify: Callable[[Sequence[str]], Mapping[str, str]],
    reader: EntryReader,
) -> pa.Table:
    """Memberships without members such as computers. Each of those is a finding."""
    known = pa.chunked_array([*people["key"].chunks, *groups["key"].chunks], _TEXT)
    keys = members.filter(pc.invert(pc.is_in(members, value_set=known)))
    if not len(keys):
        return pairs
    first = pc.select_k_unstable(
        pa.table({"key": keys}), k=_MOST_IDENTIFIED, sort_keys=[("key", "ascending")]
    )
    unknown = pairs.filter(pc.is_in(pairs["member"], value_set=keys.take(first)))
    kinds = identify(sorted(set(unknown["member_dn"].to_pylist())))
    if not kinds:
        return pairs
    others = pa.array([*kinds], _TEXT)
    group_dns = dict(zip(groups["key"].to_pylist(), groups["dn"].to_pylist(), strict=True))
    for row in unknown.filter(pc.is_in(unknown["member_dn"], value_set=others)).to_pylist():
        reader.findings.add(
            "unknown member",
            dn=group_dns[row["group"]],
            attribute="member",
            reason=f"The member {row['member_dn']} is {kinds[row['member_dn']]}, neither a person"
            " nor a group, so it is ignored. Nothing has to be done.",
        )
    return pairs.filter(pc.invert(pc.is_in(pairs["member_dn"], value_set=others)))


def _distinct(
    found: _Found, problems: list[str], source: str, *, taken: _Found | None = None
) -> Rows:
    """Rows that count, in order: the first one of each entry.

    Args:
        found: people or groups.
        problems: receives a sentence about each two entries with one DN.
        source: name of the source in messages.
        taken: people, whose keys no group may have.

    Raises:
        DirectoryIncompleteError: one search of a server returned an entry twice.
        DirectoryUnavailableError: an entry of a server was moved while it was read.

    """
    keys = found.table["key"]
    rows = np.arange(len(keys), dtype=np.int64)
    others = taken.table["key"] if taken else keys.slice(0, 0)
    is_clear = _are_distinct(keys) and not pc.any(pc.equal(keys, ""), min_count=0).as_py()
    if not is_clear or pc.any(pc.is_in(keys, value_set=others), min_count=0).as_py():
        elsewhere = {key: row for row, key in enumerate(others.to_pylist())}
        first: dict[str, int] = {}
        for row, key in enumerate(keys.to_pylist()):
            before = first.setdefault(key, row)
            if taken is not None and key in elsewhere:
                other = taken.describe(elsewhere[key])
            elif not key or (before != row and not _is_same(found, before, row, source)):
                other = found.describe(before)
            else:
                continue
            problems.append(f"{other} and {found.describe(row)} have the same DN")
        rows = np.array(list(first.values()), dtype=np.int64)
    if found.entries is None and not _are_distinct(ids := _take(found.table, rows)["directory_id"]):
        seen: dict[str, int] = {}
        for row, id_ in zip(rows.tolist(), ids.to_pylist(), strict=True):
            before = seen.setdefault(id_, row)
            if before != row:
                _refuse_moved(found.identity(before), found.identity(row), source)
    return rows


def _are_distinct(texts: pa.ChunkedArray) -> bool:
    # Arrow's own count takes more memory than the table.
    return len(set(texts.to_pylist())) == len(texts)


def _take(table: pa.Table, rows: Rows) -> pa.Table:
    """Some rows. A table of which all rows are taken in order is not copied."""
    if len(rows) == len(table) and (rows == np.arange(len(rows))).all():
        return table
    return table.take(pa.array(rows))


def _is_same(found: _Found, first: int, row: int, source: str) -> bool:
    """True if two rows are one entry: equal in a file, found by two search bases on a server."""
    if found.entries is not None:
        one_entry, other = found.entries[first], found.entries[row]
        return (one_entry.dn, one_entry.attributes) == (other.dn, other.attributes)
    one, two = found.identity(first), found.identity(row)
    if one["dn"] != two["dn"]:
        if one["directory_id"] == two["directory_id"] != one["key"]:
            _refuse_moved(one, two, source)
        return False
    if one["base"] == two["base"]:
        message = (
            f"{source}: reading {two['base']!r}: one search returned {two['dn']!r} twice, so other"
            " entries may be missing. Nothing that was read is used. If there is a load balancer,"
            " name one server behind it in LDAP_SERVER_DOMAIN"
        )
        raise DirectoryIncompleteError(message)
    return True


def _refuse_moved(one: dict[str, str], two: dict[str, str], source: str) -> NoReturn:
    message = (
        f"{source}: reading {two['base']!r}: {two['dn']!r} has the id {two['directory_id']!r}, and"
        f" so has {one['dn']!r} (below {one['base']!r}): the entry was moved while it was read."
        " Nothing that was read is used. If this happens again, two entries have the same id:"
        " exclude one of them with a filter"
    )
    raise DirectoryUnavailableError(message)


def _refuse_nobody(people: pa.Table, source: Source, reader: EntryReader) -> None:
    """Fail if no person is usable: the read must have failed."""
    if usable(people).any():
        return
    if not len(people):
        what = "there is no person"
    elif not pc.any(people["enabled"]).as_py():
        what = f"all {len(people)} people are disabled or expired"
    else:
        what = f"none of {len(people)} people has an address ({reader.mapping.email})"
    if left_out := source.left_out.get("users"):
        what += f" ({', '.join(f'{count} {why}' for why, count in left_out.items())})"
    message = f"{source.name}: {what}. This is treated as a failed read. {source.hint}"
    raise DirectoryIncompleteError(message)


def _ordered(rows: pa.Table, reader: EntryReader) -> Rows:
    """Rows in directory order: as the source has them, or by name, then key."""
    if reader.ordered:
        return np.arange(len(rows))
    names = rows["names"].combine_chunks()
    first = pc.list_flatten(pc.list_slice(names, 0, 1)).to_pylist()
    some = pc.greater(pc.list_value_length(names), 0)
    folded = pa.array([name.casefold() for name in first], _TEXT)
    by_name = pc.replace_with_mask(pa.repeat(pa.scalar("", _TEXT), len(names)), some, folded)
    table = pa.table({"name": by_name, "key": rows["key"]})
    order = pc.sort_indices(table, sort_keys=[("name", "ascending"), ("key", "ascending")])
    return np.asarray(order, dtype=np.int64)


def _frame_columns(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Columns of a frame, with the position of each row."""
    rows = rows.append_column("position", pa.array(np.arange(len(rows)))).select(names)
    base = rows.schema.get_field_index("base")
    return rows.set_column(base, "base", rows["base"].cast(pa.large_string()))
