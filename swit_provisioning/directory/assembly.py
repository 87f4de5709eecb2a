"""Entries from any source, put together into one `DirectoryState`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from swit_provisioning.directory.entries import Entry, Terms, directory_id
from swit_provisioning.directory.errors import DirectoryConfigError, DirectoryIncompleteError
from swit_provisioning.directory.groups import group_row, membership_rows
from swit_provisioning.directory.notes import listed
from swit_provisioning.directory.people import Logins, Row, user_row
from swit_provisioning.directory.primary_groups import PrimaryGroups
from swit_provisioning.reconcile.dn import InvalidDN, dn_key
from swit_provisioning.reconcile.frames import IDP_GROUPS, IDP_MEMBERSHIPS, IDP_USERS
from swit_provisioning.reconcile.state import BaseCount, DirectoryFacts, DirectoryState

Found = tuple[str, Entry]
"""The base (or file) that gave an entry, and the entry."""


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


def assemble(
    people: Iterable[Found], groups: Iterable[Found], *, source: Source, terms: Terms
) -> DirectoryState:
    """Make the frames of what a source gave; both iterables are run through once, in order.

    An entry that two bases gave is one entry. Names of people, groups and members meet as
    `dn_key`.

    Raises:
        DirectoryConfigError: an entry has no usable DN, or two entries have the same one.
        DirectoryIncompleteError: there is no user, or no enabled one with an address.

    """
    distinct = _Distinct(terms)
    users: list[Row] = []
    logins = Logins()
    primaries = PrimaryGroups()
    for key, base, entry in distinct.of(people):
        users.append(user_row(entry, key=key, base=base, terms=terms))
        logins.add(entry, key=key, terms=terms)
        primaries.add(entry, key=key, terms=terms)
    teams: list[Row] = []
    listing: set[str] = set()
    members: dict[str, list[dict[str, str]]] = {}
    for key, base, entry in distinct.of(groups):
        teams.append(group_row(entry, key=key, base=base, terms=terms))
        members[key] = list(
            membership_rows(entry, key=key, logins=logins, primaries=primaries, terms=terms)
        )
        listing.update(name for name in ("member", "uniqueMember") if entry.has(name))
    distinct.raise_problems(source.name)
    users, teams = _placed(users, terms), _placed(teams, terms)
    _refuse_nobody(users, source, terms)
    return DirectoryState.checked(
        users=IDP_USERS.frame(users),
        groups=IDP_GROUPS.frame(teams),
        memberships=IDP_MEMBERSHIPS.frame(row for team in teams for row in members[team["key"]]),
        findings=terms.notes.frame(),
        facts=_facts(source, users, teams, terms, ", ".join(sorted(listing))),
    )


class _Distinct:
    """Lets each entry through once, and remembers what can't be told apart."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._seen: dict[str, Entry] = {}
        self._problems: list[str] = []

    def of(self, found: Iterable[Found]) -> Iterator[tuple[str, str, Entry]]:
        """Yield key, base and entry of those not seen before in this call."""
        here: set[str] = set()
        for base, entry in found:
            try:
                key = dn_key(entry.dn)
            except InvalidDN as error:
                self._problems.append(f"{entry.where}: {error}" if entry.where else str(error))
                continue
            other = self._seen.setdefault(key, entry)
            if other is entry and key:
                here.add(key)
                yield key, base, entry
            elif not key or key not in here or not self._same(entry, other, key):
                self._problems.append(f"{other} and {entry} have one and the same DN")

    def _same(self, entry: Entry, other: Entry, key: str) -> bool:
        """Whether two finds are one entry: in a file all of it, from a server who it is."""
        if self._terms.listed:
            return (entry.dn, entry.attributes) == (other.dn, other.attributes)
        return entry.dn == other.dn or directory_id(entry, key) == directory_id(other, key) != key

    def raise_problems(self, source: str) -> None:
        """Fail if an entry can't be named: whose account or team it is would be a guess."""
        if self._problems:
            message = (
                f"{source}: {len(self._problems)} entries can't be told apart or named, so nothing"
                f" was read. Mend them in the directory, or leave them out with a filter:"
                f" {listed(self._problems, most=10)}"
            )
            raise DirectoryConfigError(message)


def _placed(rows: list[Row], terms: Terms) -> list[Row]:
    """Put rows in directory order and number them: as listed, or by name, then key."""
    ordered = rows if terms.listed else sorted(rows, key=_by_name)
    return [{**row, "position": position} for position, row in enumerate(ordered)]


def _by_name(row: Row) -> tuple[str, str]:
    return (row["names"][0].casefold() if row["names"] else "", row["key"])


def _usable(row: Row) -> bool:
    return bool(row["enabled"] and row["emails"])


def _refuse_nobody(users: list[Row], source: Source, terms: Terms) -> None:
    """An answer without anybody is a broken read, not a company that everyone left."""
    if any(_usable(row) for row in users):
        return
    if not users:
        what = "there is not one user"
    elif not any(row["enabled"] for row in users):
        what = f"all {len(users)} users are disabled or expired"
    else:
        what = f"none of {len(users)} users has a value of {terms.mapping.email!r}, the address"
    message = f"{source.name}: {what}; that is taken for a failed read. {source.hint}"
    raise DirectoryIncompleteError(message)


def _facts(
    source: Source, users: list[Row], teams: list[Row], terms: Terms, member: str
) -> DirectoryFacts:
    people = Counter(row["base"] for row in users if _usable(row))
    groups = Counter(row["base"] for row in teams)
    return DirectoryFacts(
        source=source.name,
        kind=source.kind,
        search_base=source.search_base,
        bases=tuple(BaseCount(base=b, users=people[b], groups=groups[b]) for b in source.bases),
        attributes={**terms.mapping.for_people(), "member": member},
        warnings=(*source.warnings, *terms.notes.warnings()),
        server_kind=source.server_kind,
    )
