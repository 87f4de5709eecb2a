"""Entries from any source, put together into one `DirectoryState`."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swit_provisioning.planning.dn import InvalidDN, dn_key, is_dn, own_values
from swit_provisioning.planning.dn_columns import casefolded
from swit_provisioning.planning.schemas import IDP_GROUPS, IDP_MEMBERSHIPS, IDP_USERS
from swit_provisioning.planning.snapshots import BaseCount, DirectoryFacts, DirectoryState
from swit_provisioning.sources.base import (
    AttributeMapping,
    DirectoryConfigError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.sources.entries import Entry, Terms, directory_id, listed
from swit_provisioning.sources.ldap.fingerprints import fingerprints, some_twice
from swit_provisioning.sources.ldap.member_lists import MemberLists
from swit_provisioning.sources.ldap.page import Places
from swit_provisioning.sources.ldap.plain_members import MEMBER_ATTRIBUTES, Members
from swit_provisioning.sources.server_types import (
    OTHER_ADDRESSES,
    Kind,
    is_enabled,
    primary_group_sid,
    primary_members,
    security_id,
)

# Many small pieces of memory are never given back in full: pages are put together in time, and
# the holes that they leave are given back at once.
_BLOCK_ROWS = 20_000


class Blocks:
    """Gathers small tables of one kind."""

    def __init__(self, schema: pa.Schema) -> None:
        """Start with no rows."""
        self._blocks: list[pa.Table] = [schema.empty_table()]
        self._pieces: list[pa.Table] = []
        self._rows = 0
        self._before = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return self._before + self._rows

    def add(self, piece: pa.Table) -> None:
        """Add some rows behind those that are there."""
        self._pieces.append(piece)
        self._rows += len(piece)
        if self._rows > _BLOCK_ROWS:
            self._put_together()

    def table(self) -> pa.Table:
        """All of them."""
        self._put_together()
        return pa.concat_tables(self._blocks)

    def _put_together(self) -> None:
        if self._pieces:
            self._blocks.append(pa.concat_tables(self._pieces).combine_chunks())
        self._before += self._rows
        self._pieces, self._rows = [], 0
        pa.default_memory_pool().release_unused()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """People or groups as they came."""

    table: pa.Table
    """`key`, `dn`, `directory_id`, `base`, and more."""
    entries: list[Entry] | None
    """What each row was made of, for a file; nothing for a server."""

    def only(self, chosen: Places) -> "Rows":
        """Some of the rows, in order."""
        if len(chosen) == len(self.table):
            return self
        entries = None if self.entries is None else [self.entries[row] for row in chosen.tolist()]
        return Rows(table=self.table.take(pa.array(chosen)), entries=entries)

    def said(self, row: int) -> str:
        """What messages call a row."""
        return (
            repr(self.table["dn"][row].as_py()) if self.entries is None else str(self.entries[row])
        )

    def who(self, row: int) -> dict[str, str]:
        """Key, DN, id and base of a row."""
        some = self.table.select(["key", "dn", "directory_id", "base"]).slice(row, 1)
        who: dict[str, str] = some.to_pylist()[0]
        return who


def distinct(rows: Rows, problems: list[str], *, source: str, taken: Rows | None = None) -> Places:
    """The rows that count, in order: of several finds of one entry the first.

    Args:
        rows: as they came.
        problems: take a sentence for every two entries with one DN.
        source: what messages call the server.
        taken: rows whose keys no other row may have.

    Raises:
        DirectoryIncompleteError: one search of a server gave an entry twice.
        DirectoryUnavailableError: an entry of a server was moved while it was read.

    """
    chosen = _by_key(rows, problems, source, taken)
    if rows.entries is None:
        _refuse_moved(rows.only(chosen), source)
    return chosen


def _by_key(rows: Rows, problems: list[str], source: str, taken: Rows | None) -> Places:
    keys = rows.table["key"]
    alone = not _some_twice(keys) and not _some_empty(keys)
    if alone and not (taken and _shared(taken.table["key"], keys)):
        return np.arange(len(keys))
    elsewhere = {} if taken is None else _places(taken.table["key"])
    seen: dict[str, int] = {}
    for row, key in enumerate(keys.to_pylist()):
        first = seen.setdefault(key, row)
        if taken is not None and key in elsewhere:
            problems.append(_one_dn(taken.said(elsewhere[key]), rows.said(row)))
        elif not key or (first != row and not _same(rows, first, row, source)):
            problems.append(_one_dn(rows.said(first), rows.said(row)))
    return np.array(list(seen.values()), dtype=np.int64)


def _same(rows: Rows, first: int, row: int, source: str) -> bool:
    """Whether two rows are one entry: in a file all of it, from a server who it is."""
    if rows.entries is not None:
        entry, other = rows.entries[first], rows.entries[row]
        return (entry.dn, entry.attributes) == (other.dn, other.attributes)
    one, two = rows.who(first), rows.who(row)
    if one["dn"] != two["dn"]:
        if one["directory_id"] == two["directory_id"] != one["key"]:
            _moved(one, two, source)
        return False
    if one["base"] == two["base"]:
        message = (
            f"{source}: reading {two['base']!r}: {two['dn']!r} came twice in one search, so the"
            " server lost its place and other entries may be missing. Nothing of it is used. If a"
            " load balancer is before it, name one server in LDAP_SERVER_DOMAIN"
        )
        raise DirectoryIncompleteError(message)
    return True


def _refuse_moved(rows: Rows, source: str) -> None:
    """Fail if two rows with different keys have one id."""
    ids = rows.table["directory_id"]
    if not _some_twice(ids):
        return
    seen: dict[str, int] = {}
    for row, id_ in enumerate(ids.to_pylist()):
        first = seen.setdefault(id_, row)
        if first != row:
            _moved(rows.who(first), rows.who(row), source)


def _moved(one: dict[str, str], two: dict[str, str], source: str) -> NoReturn:
    message = (
        f"{source}: reading {two['base']!r}: {two['dn']!r} has the id {two['directory_id']!r}, and"
        f" so has {one['dn']!r} (below {one['base']!r}): the entry was moved while it was read."
        " Nothing of it is used. If it stays so, two entries have one id: leave one out with a"
        " filter"
    )
    raise DirectoryUnavailableError(message)


def _some_twice(texts: pa.ChunkedArray) -> bool:
    """Whether a text comes twice; once in many millions of times that is said wrongly."""
    numbers = [fingerprints(chunk) for chunk in texts.chunks]
    return bool(numbers) and some_twice(np.concatenate(numbers))


def _some_empty(texts: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.equal(pc.binary_length(texts), 0), min_count=0).as_py())


def _shared(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_in(keys, value_set=others), min_count=0).as_py())


def _places(keys: pa.ChunkedArray) -> dict[str, int]:
    return {key: place for place, key in enumerate(keys.to_pylist())}


def _one_dn(one: str, other: str) -> str:
    return f"{one} and {other} have one and the same DN"


Row = dict[str, Any]

SMTP = "smtp:"

_TEXTS = pa.list_(pa.string())
BASE = pa.dictionary(pa.int32(), pa.large_string())  # the same for most
PEOPLE = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("emails", _TEXTS),
        ("other_emails", _TEXTS),
        ("names", _TEXTS),
        ("phone_numbers", _TEXTS),
        ("language", pa.large_string()),
        ("primary_group", pa.large_string()),
        ("enabled", pa.bool_()),
        ("base", BASE),
        ("logins", _TEXTS),
        ("primary_group_sid", BASE),
    ]
)
"""`idp_users` but for the position, and what groups name people by."""


def people_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """The attributes to ask a server for; `uid` is what a posixGroup calls its members by."""
    return [*kind.user_attributes, "uid", *mapping.of_users()]


def user_row(entry: Entry, *, key: str, base: str, terms: Terms) -> Row:
    """One row of `PEOPLE`."""
    mapping = terms.mapping
    emails, other_emails = _addresses(entry, terms)
    return {
        "key": key,
        "dn": entry.dn,
        "directory_id": directory_id(entry, key),
        "emails": emails,
        "other_emails": other_emails or None,
        "names": terms.first_of(entry, mapping.name),
        "phone_numbers": terms.texts(entry, mapping.phone_number),
        "language": terms.first(entry, mapping.language),
        "primary_group": terms.first(entry, mapping.primary_group),
        "enabled": is_enabled(entry, terms),
        "base": base,
        "logins": terms.texts(entry, "uid"),
        "primary_group_sid": primary_group_sid(entry, terms),
    }


def _addresses(entry: Entry, terms: Terms) -> tuple[list[str], list[str]]:
    """The person's addresses, or else Exchange's main one; and all others that Exchange has."""
    own = terms.texts(entry, terms.mapping.email)
    exchange = [
        (text[: len(SMTP)], text[len(SMTP) :].strip())
        for text in terms.texts(entry, OTHER_ADDRESSES)
        if text.casefold().startswith(SMTP)
    ]
    own = own or [address for mark, address in exchange if mark.isupper()]
    known = {address.casefold() for address in own}
    return own, [address for _, address in exchange if address.casefold() not in known]


class Logins:
    """Who is called what: user keys and DNs by `uid`, for the member lists of posixGroups."""

    def __init__(self, people: pa.Table) -> None:
        """Take `key`, `dn` and `logins` of all people."""
        self._table = people

    def find(self, uid: str) -> tuple[str, str] | None:
        """Key and DN of the one person with this login; nobody where there are two."""
        found = self._people.get(uid.casefold(), set())
        return next(iter(found)) if len(found) == 1 else None

    @cached_property
    def _people(self) -> dict[str, set[tuple[str, str]]]:
        """Put together when the first group asks: where none does, that saves time and memory."""
        people: dict[str, set[tuple[str, str]]] = {}
        columns = (self._table[name].to_pylist() for name in ("key", "dn", "logins"))
        for key, dn, logins in zip(*columns, strict=True):
            for uid in logins or ():
                people.setdefault(uid.casefold(), set()).add((key, dn))
        return people


GROUPS = pa.schema(
    [
        ("key", pa.large_string()),
        ("dn", pa.large_string()),
        ("directory_id", pa.large_string()),
        ("names", pa.list_(pa.string())),
        ("order", pa.float64()),
        ("parents", pa.list_(pa.string())),
        ("base", BASE),
        ("sid", pa.large_string()),
    ]
)
"""`idp_groups` but for the position, and what users name their primary group by."""

# `uniqueMember` may carry a bit string behind the DN: Name and Optional UID, RFC 4517 3.3.21.
_OPTIONAL_UID = re.compile(r"#'[01]*'B\s*\Z")


def group_attributes(mapping: AttributeMapping, kind: Kind) -> list[str]:
    """The attributes to ask a server for."""
    members = ("member", "uniqueMember", "memberUid", "memberOf")
    return [*kind.group_attributes, *members, *mapping.of_groups()]


def group_row(entry: Entry, *, key: str, base: str, terms: Terms) -> Row:
    """One row of `GROUPS`."""
    return {
        "key": key,
        "dn": entry.dn,
        "directory_id": directory_id(entry, key),
        "names": terms.first_of(entry, terms.mapping.group_name),
        "order": _order(entry, terms),
        "parents": _parents(entry, terms),
        "base": base,
        "sid": security_id(entry) or None,
    }


def own_members(entry: Entry, logins: Logins, terms: Terms) -> Iterator[tuple[str, str]]:
    """Keys and DNs of the members that the entry lists, in whichever of the three attributes."""
    for dn in terms.texts(entry, "member"):
        yield terms.reference_key(dn, entry, "member"), dn
    for text in terms.texts(entry, "uniqueMember"):
        dn = _OPTIONAL_UID.sub("", text)
        yield terms.reference_key(dn, entry, "uniqueMember"), dn
    for uid in terms.texts(entry, "memberUid"):
        person = logins.find(uid)
        if person is not None:
            yield person
        elif is_dn(uid):  # not what the schema says, but some directories hold DNs here
            yield dn_key(uid), uid
        else:
            terms.left_out(
                "unknown login",
                entry,
                "memberUid",
                f"The login {uid!r} is not that of exactly one user, so nothing comes of it. Give"
                " one user this `uid`, or take it out of the group.",
            )
            yield dn_key("uid=" + re.sub(r'([\\,+"<>;=# ])', r"\\\1", uid)), uid


def members_named_by_people(
    people: Iterable[tuple[str, Entry, bool]],
    groups: Mapping[str, Entry],
    listed: Mapping[str, Sequence[str]],
    terms: Terms,
) -> Iterator[tuple[str, str, str]]:
    """Group key, person key and DN of members that only `memberOf` of people names.

    It is used for groups that list nobody. A group's own list counts before it: a person who is
    neither in that list nor in the list of a group below is a finding. Some servers put the groups
    above into `memberOf`, too; of these the person is no direct member.

    Args:
        people: key, entry, and whether the account is enabled.
        groups: all groups by key.
        listed: group key -> keys of the members that the group lists.
        terms: takes the findings.

    """
    holders: dict[str, set[str]] = {}
    for group, members in listed.items():
        for member in members:
            holders.setdefault(member, set()).add(group)
    above = _Above(groups, holders, terms)
    for key, person, enabled in people:
        keys = {
            terms.reference_key(dn, person, "memberOf"): dn
            for dn in terms.texts(person, "memberOf")
        }
        named = {group: dn for group, dn in keys.items() if group in groups}
        direct = holders.get(key, set()) | {group for group in named if not listed.get(group)}
        reached = direct.union(*(above.of(group) for group in direct))
        for group, dn in named.items():
            if group not in reached and enabled:
                terms.left_out(
                    "not in the group's list",
                    person,
                    "memberOf",
                    f"The attribute names {dn}, but that group lists its members, and the person is"
                    " not one of them. The list counts. Add the person to the group, or remove the"
                    " value.",
                )
            elif not listed.get(group) and not above.is_above_another(group, direct):
                yield group, key, person.dn


class _Above:
    """The groups above a group: those that list it, those that its `memberOf` names, and so on."""

    def __init__(
        self, groups: Mapping[str, Entry], holders: Mapping[str, AbstractSet[str]], terms: Terms
    ) -> None:
        self._parents = {
            key: {*holders.get(key, ()), *(_parents(entry, terms) or ())}
            for key, entry in groups.items()
        }
        self._found: dict[str, frozenset[str]] = {}

    def of(self, group: str) -> frozenset[str]:
        """Keys of all groups above; the group itself is among them if it is in a circle."""
        if group not in self._found:
            found: set[str] = set()
            pending = [group]
            while pending:
                new = self._parents.get(pending.pop(), set()) - found
                found |= new
                pending.extend(new)
            self._found[group] = frozenset(found)
        return self._found[group]

    def is_above_another(self, group: str, others: Iterable[str]) -> bool:
        """Whether a group is above one of the others, and that one is not above it in turn."""
        return any(
            group in self.of(other) and other not in self.of(group)
            for other in others
            if other != group
        )


def _parents(entry: Entry, terms: Terms) -> list[str] | None:
    """The keys in `memberOf`; nothing at all where the group has no such attribute."""
    if not entry.has("memberOf"):
        return None
    keys = (terms.reference_key(dn, entry, "memberOf") for dn in terms.texts(entry, "memberOf"))
    return list(dict.fromkeys(keys))


def _order(entry: Entry, terms: Terms) -> float | None:
    name = terms.mapping.order
    text = terms.first(entry, name)
    if name is None or text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    terms.not_a_number(entry, name, text)
    return None


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
