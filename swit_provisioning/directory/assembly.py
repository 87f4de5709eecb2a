"""Entries from any source, put together into one `DirectoryState`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.directory.distinct import Blocks, Rows, distinct
from swit_provisioning.directory.entries import Entry, Terms
from swit_provisioning.directory.errors import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.directory.groups import (
    GROUPS,
    group_row,
    members_named_by_people,
    own_members,
)
from swit_provisioning.directory.kinds import OTHER_ADDRESSES
from swit_provisioning.directory.ldap_page import Places
from swit_provisioning.directory.member_lists import MemberLists
from swit_provisioning.directory.notes import listed
from swit_provisioning.directory.people import PEOPLE, Logins, Row, user_row
from swit_provisioning.directory.plain_members import MEMBER_ATTRIBUTES, Members
from swit_provisioning.directory.primary_groups import primary_members
from swit_provisioning.reconcile.dn import InvalidDN, dn_key, own_values
from swit_provisioning.reconcile.dn_columns import casefolded
from swit_provisioning.reconcile.frames import IDP_GROUPS, IDP_MEMBERSHIPS, IDP_USERS
from swit_provisioning.reconcile.state import BaseCount, DirectoryFacts, DirectoryState


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some of the entries that one base (or file) gave, the first ones first."""

    base: str
    entries: Sequence[Entry]
    rows: pa.Table | None = None
    """More of them, as rows of `PEOPLE` or `GROUPS`; they come before the others."""
    members: Sequence[Members] = ()
    """More members of the groups here."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a read comes from, for its facts and messages."""

    name: str
    """For people: `ldaps://dc1.example.com` or the file's name."""
    kind: Literal["json", "ldif", "ldap"]
    search_base: str | None
    """As `DirectoryFacts` has it: normal form, nothing for a file."""
    bases: tuple[str, ...]
    hint: str
    """What to look at when nobody was found."""
    server_kind: str | None = None
    """For people: `Active Directory`; nothing for a file."""
    warnings: tuple[str, ...] = ()
    """Remarks about the way there; those about entries are findings."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As `DirectoryFacts` has it."""


def assemble(
    people: Iterable[Batch], groups: Iterable[Batch], *, source: Source, terms: Terms
) -> DirectoryState:
    """Make the frames of what a source gave; both iterables are run through once, in order.

    An entry that two bases gave is one entry. Names of people, groups and members meet as
    `dn_key`.

    Raises:
        DirectoryConfigError: an entry has no usable DN, or two entries have the same one.
        DirectoryIncompleteError: there is no user, or no enabled one with an address.

    """
    with _memory_given_back(), MemberLists() as lists:
        return _assembled(people, groups, lists, source, terms)


@contextmanager
def _memory_given_back() -> Iterator[None]:
    """Let Arrow take memory from the system meanwhile: its own pools keep what they had once.

    That takes a third off the peak of reading 100,000 people (`benchmarks/`).
    """
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _assembled(
    people: Iterable[Batch],
    groups: Iterable[Batch],
    lists: MemberLists,
    source: Source,
    terms: Terms,
) -> DirectoryState:
    problems: list[str] = []
    persons = _people(people, terms, problems)
    persons = persons.only(distinct(persons, problems, source=source.name))
    teams, listing = _groups(groups, persons, lists, terms, problems)
    chosen = distinct(teams, problems, source=source.name, taken=persons)
    # Where an entry has no name, the numbers of rows are off; but then nothing is read.
    _refuse_unnamed(problems, source.name)
    _refuse_nobody(persons.table, source, terms)
    usable = _usable_by_base(persons.table)
    order = _placed(persons.table["names"], persons.table["key"], terms)
    columns = _columns(persons.table, PEOPLE.names[: PEOPLE.get_field_index("logins")])
    del persons
    pa.default_memory_pool().release_unused()  # what finding the order took
    users = _taken(columns, order)
    own = teams.table.take(pa.array(chosen))
    order = chosen[_placed(own["names"], own["key"], terms)]
    ordered = _taken(_columns(teams.table, GROUPS.names[: GROUPS.get_field_index("sid")]), order)
    memberships = lists.table(teams.table, chosen, terms)
    if len(ordered) and not len(memberships):
        warning = (
            f"no group lists a member (groups: {len(ordered)}). If that is wrong, export member,"
            " uniqueMember and memberUid, or let LDAP_USER read them"
        )
        source = replace(source, warnings=(*source.warnings, warning))
    return DirectoryState(
        users=IDP_USERS.from_arrow(users, distinct=True),
        groups=IDP_GROUPS.from_arrow(ordered, distinct=True),
        memberships=IDP_MEMBERSHIPS.from_arrow(memberships, distinct=True),
        findings=terms.notes.frame(),
        facts=_facts(source, usable, ordered, terms, ", ".join(sorted(listing))),
    )


def _people(batches: Iterable[Batch], terms: Terms, problems: list[str]) -> Rows:
    tables = Blocks(PEOPLE)
    entries: list[Entry] = []
    for batch in batches:
        if batch.rows is not None:
            tables.add(batch.rows)
        rows: list[Row] = []
        for key, entry in _named(batch.entries, problems):
            rows.append(user_row(entry, key=key, base=batch.base, terms=terms))
            entries.append(entry)
        if rows:
            tables.add(pa.Table.from_pylist(rows, PEOPLE))
    table = _named_by_dn(tables.table(), terms.mapping.name, terms)
    return Rows(table=table, entries=entries if terms.listed else None)


def _groups(
    batches: Iterable[Batch],
    persons: Rows,
    lists: MemberLists,
    terms: Terms,
    problems: list[str],
) -> tuple[Rows, set[str]]:
    """The rows of all groups, and which attributes list members; the members go to `lists`."""
    logins = Logins(persons.table)
    tables = Blocks(GROUPS)
    entries: list[Entry] = []
    row_of: dict[str, int] = {}
    listed_by: dict[str, list[str]] = {}
    listing: set[str] = set()
    for batch in batches:
        for members in batch.members:
            lists.add(members, len(tables))
            listing.add(members.attribute)
        if batch.rows is not None:
            tables.add(batch.rows)
        rows: list[Row] = []
        for key, entry in _named(batch.entries, problems):
            for member, dn in own_members(entry, logins, terms):
                lists.add_one(len(tables) + len(rows), member, dn)
                listed_by.setdefault(key, []).append(member)
            row_of.setdefault(key, len(entries))
            rows.append(group_row(entry, key=key, base=batch.base, terms=terms))
            entries.append(entry)
            listing.update(name for name in MEMBER_ATTRIBUTES if entry.has(name))
        if rows:
            tables.add(pa.Table.from_pylist(rows, GROUPS))
    found = _named_by_dn(tables.table(), terms.mapping.group_name, terms, any_attribute=True)
    for row, members in primary_members(persons.table, found):
        lists.add_people(row, members)
    if persons.entries is not None and any(entry.has("memberOf") for entry in persons.entries):
        columns = (persons.table["key"].to_pylist(), persons.entries)
        people = zip(*columns, persons.table["enabled"].to_pylist(), strict=True)
        of_key = {key: entries[row] for key, row in row_of.items()}
        for group, member, dn in members_named_by_people(people, of_key, listed_by, terms):
            lists.add_one(row_of[group], member, dn)
    return Rows(table=found, entries=entries if terms.listed else None), listing


def _named_by_dn(
    rows: pa.Table, attributes: Sequence[str], terms: Terms, *, any_attribute: bool = False
) -> pa.Table:
    """Rows in which entries without a name have the one that their DN begins with.

    A value there is one of the entry's attributes, though some files do not repeat it. It is not
    used where a name is there and can't be read: a bad value must not change a name.

    Args:
        rows: of `PEOPLE` or `GROUPS`.
        attributes: those that hold a name, the best first.
        terms: have noted which values can't be read.
        any_attribute: whether the DN's first attribute will do, if it is none of these.

    """
    nameless = np.flatnonzero(pc.fill_null(pc.list_value_length(rows["names"]), 0).to_numpy() == 0)
    if not len(nameless):
        return rows
    unread = terms.notes.unread(attributes)
    wanted = [name.partition(";")[0].lower() for name in attributes]
    found = []
    for row in nameless.tolist():
        dn = rows["dn"][row].as_py()
        own = {} if dn in unread else own_values(dn)
        usual = (own[name] for name in wanted if name in own)
        name = next(usual, next(iter(own.values()), "") if any_attribute else "")
        found.append([name.strip()] if name else [])
    place = rows.schema.get_field_index("names")
    field = rows.schema.field(place)
    # The new names are put behind the others, and taken from there.
    order = np.arange(len(rows))
    order[nameless] = np.arange(len(rows), len(rows) + len(found))
    names = [*rows["names"].chunks, pa.array(found, field.type)]
    return rows.set_column(place, field, pa.concat_arrays(names).take(pa.array(order)))


def _named(entries: Iterable[Entry], problems: list[str]) -> Iterator[tuple[str, Entry]]:
    """Entries with their keys; one whose name is none is a problem."""
    for entry in entries:
        try:
            yield dn_key(entry.dn), entry
        except InvalidDN as error:
            problems.append(f"{entry.where}: {error}" if entry.where else str(error))


def _refuse_unnamed(problems: list[str], source: str) -> None:
    """Fail if an entry can't be named: whose account or team it is would be a guess."""
    if problems:
        message = (
            f"{source}: {len(problems)} entries can't be told apart or named, so nothing"
            f" was read. Mend them in the directory, or leave them out with a filter:"
            f" {listed(problems, most=10)}"
        )
        raise DirectoryConfigError(message)


def _placed(names: pa.ChunkedArray, keys: pa.ChunkedArray, terms: Terms) -> Places:
    """Rows in directory order: as listed, or by name, then key."""
    if terms.listed:
        return np.arange(len(names))
    names = names.combine_chunks()
    first = casefolded(pc.list_flatten(pc.list_slice(names, 0, 1)).cast(pa.large_string()))
    some = pc.greater(pc.list_value_length(names), 0)
    by_name = pc.replace_with_mask(pa.repeat(pa.scalar("", first.type), len(names)), some, first)
    table = pa.table({"name": by_name, "key": keys})
    order = pc.sort_indices(table, sort_keys=[("name", "ascending"), ("key", "ascending")])
    return np.asarray(order, dtype=np.int64)


def _columns(rows: pa.Table, names: list[str]) -> dict[str, pa.ChunkedArray]:
    return {name: rows[name] for name in names}


def _taken(columns: dict[str, pa.ChunkedArray], order: Places) -> pa.Table:
    """Rows in an order, numbered. Takes the columns away, so that never all are there twice."""
    places = pa.array(order)
    taken = {}
    for name in list(columns):
        found = columns.pop(name).combine_chunks().take(places)
        taken[name] = found.dictionary_decode() if pa.types.is_dictionary(found.type) else found
    return pa.table({**taken, "position": pa.array(np.arange(len(order)))})


def _usable(users: pa.Table) -> pa.ChunkedArray:
    """Which users are enabled and have an address."""
    return pc.and_(users["enabled"], pc.greater(pc.list_value_length(users["emails"]), 0))


def _usable_by_base(users: pa.Table) -> Counter[str]:
    return _counted(users["base"].filter(_usable(users)))


def _refuse_nobody(users: pa.Table, source: Source, terms: Terms) -> None:
    """An answer without anybody is a broken read, not a company that everyone left."""
    if pc.any(_usable(users), min_count=0).as_py():
        return
    if not len(users):
        what = "there is not one user"
    elif not pc.any(users["enabled"]).as_py():
        what = f"all {len(users)} users are disabled or expired"
    else:
        what = f"none of {len(users)} users has a value of {terms.mapping.email!r}, the address"
    if left_out := source.left_out.get("users"):
        what += f" ({', '.join(f'{count} {why}' for why, count in left_out.items())})"
    message = f"{source.name}: {what}; that is taken for a failed read. {source.hint}"
    raise DirectoryIncompleteError(message)


def _facts(
    source: Source, people: Counter[str], teams: pa.Table, terms: Terms, member: str
) -> DirectoryFacts:
    groups = _counted(teams["base"])
    return DirectoryFacts(
        source=source.name,
        kind=source.kind,
        search_base=source.search_base,
        bases=tuple(BaseCount(base=b, users=people[b], groups=groups[b]) for b in source.bases),
        attributes={
            **terms.mapping.for_people(),
            "other_email": OTHER_ADDRESSES,
            "member": member,
        },
        warnings=(*source.warnings, *terms.notes.warnings()),
        server_kind=source.server_kind,
        left_out={what: dict(counts) for what, counts in source.left_out.items()},
    )


def _counted(values: pa.ChunkedArray) -> Counter[str]:
    counts = values.value_counts()
    return Counter({one["values"]: one["counts"] for one in counts.to_pylist()})
