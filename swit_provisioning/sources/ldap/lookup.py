"""Look for people and groups by id on one server, in the whole search base."""

import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from swit_provisioning.planning.normalize import usable_addresses
from swit_provisioning.planning.whereabouts import Presence, Whereabouts
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.entries import Entry, EntryReader, directory_ids
from swit_provisioning.sources.groups import group_attributes
from swit_provisioning.sources.ldap.connection import Connection
from swit_provisioning.sources.ldap.dn import dn_key, is_below, is_dn
from swit_provisioning.sources.ldap.search import Query, entries_at, search
from swit_provisioning.sources.people import people_attributes, read_person
from swit_provisioning.sources.server_types import KINDS, Kind

_BATCH: Final = 100
"""Ids in one filter."""


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """Which entries a read takes: below which search bases, and matching which filter."""

    bases: tuple[str, ...]
    filter: str
    name: str
    """Part of the settings' names: `LDAP_USER_OUS`, `LDAP_USER_FILTER`."""


class Lookup:
    """Looks for people and groups over one connection."""

    def __init__(
        self,
        connection: Connection,
        server: ServerAddress,
        config: LdapConfig,
        kind: Kind,
        reader: EntryReader,
    ) -> None:
        """Take an authenticated connection.

        Args:
            connection: not used by anything else.
            server: name of the server in messages.
            config: search bases and filters.
            kind: of the server.
            reader: reads the addresses and the state of people.

        """
        # A setting can choose one of the ids for references. Objects are found by any of them.
        every_id = KINDS[kind.name].identity_attributes
        self._connection = connection
        self._server = server
        self._config = config
        self._kind = replace(kind, identity_attributes=every_id)
        self._reader = reader

    def people(self, ids: Collection[str]) -> dict[str, Whereabouts]:
        """Whereabouts of each of these people, by id.

        Raises:
            DirectoryError: the server did not answer to the end.

        """
        scope = _Scope(
            bases=self._config.user_bases,
            filter=self._config.user_filter or self._kind.user_filter,
            name="LDAP_USER",
        )
        attributes = people_attributes(self._reader.mapping, self._kind)
        return self._look(ids, attributes, lambda entry: self._judge_person(entry, scope))

    def groups(self, ids: Collection[str]) -> dict[str, Whereabouts]:
        """Whereabouts of each of these groups, by id.

        Raises:
            DirectoryError: the server did not answer to the end.

        """
        scope = _Scope(
            bases=self._config.group_bases,
            filter=self._config.group_filter or self._kind.group_filter,
            name="LDAP_GROUP",
        )
        # Not the members: a group can have half a million.
        members = {"member", "uniqueMember", "memberUid", "memberOf"}
        wanted = group_attributes(self._reader.mapping, self._kind)
        attributes = [name for name in wanted if name not in members]
        return self._look(ids, attributes, lambda entry: self._judge(entry, scope))

    def _look(
        self, ids: Collection[str], attributes: list[str], judge: Callable[[Entry], Whereabouts]
    ) -> dict[str, Whereabouts]:
        whereabouts = dict.fromkeys(sorted(ids), Whereabouts(Presence.ABSENT, "not found"))
        # All of them first: a connection answers one search at a time, and `judge` may search.
        for entry in list(self._entries(list(whereabouts), tuple(attributes))):
            for id_ in (*directory_ids(entry), dn_key(entry.dn)):
                if id_ in whereabouts:
                    whereabouts[id_] = judge(entry)
        return whereabouts

    def _entries(self, ids: list[str], attributes: tuple[str, ...]) -> Iterator[Entry]:
        terms = {id_: _filter_of(id_, self._kind.identity_attributes) for id_ in ids}
        by_filter = [term for term in terms.values() if term]
        for start in range(0, len(by_filter), _BATCH):
            query = Query(
                base=self._config.search_base,
                filter=f"(|{''.join(by_filter[start : start + _BATCH])})",
                attributes=attributes,
                page_size=self._config.page_size,
            )
            for page in search(self._connection, query, server=self._server):
                yield from page
        # A server without other ids: the id is a DN.
        dns = [id_ for id_, term in terms.items() if not term and is_dn(id_)]
        yield from entries_at(self._connection, dns, attributes, server=self._server).values()

    def _judge_person(self, entry: Entry, scope: _Scope) -> Whereabouts:
        key = dn_key(entry.dn)
        person = read_person(entry, key=key, base="", reader=self._reader)
        if not person.enabled:
            return Whereabouts(Presence.DISABLED, f"disabled: {entry.dn}", key)
        place = self._judge(entry, scope)
        has_address = usable_addresses([*person.emails, *(person.other_emails or ())])
        if place.presence is Presence.PRESENT and not has_address:
            return Whereabouts(Presence.NO_ADDRESS, f"no e-mail address: {entry.dn}", key)
        return place

    def _judge(self, entry: Entry, scope: _Scope) -> Whereabouts:
        key = dn_key(entry.dn)
        outside = self._outside(entry, key, scope)
        if outside:
            return Whereabouts(Presence.OUT_OF_SCOPE, outside, key)
        return Whereabouts(Presence.PRESENT, f"present on {self._server}: {entry.dn}", key)

    def _outside(self, entry: Entry, key: str, scope: _Scope) -> str | None:
        """Why a read does not take an entry; `None` if it does."""
        bases = [dn_key(base) for base in scope.bases]
        if not any(key == base or is_below(key, base) for base in bases):
            return f"moved to {entry.dn}, outside {scope.name}_OUS"
        query = Query(
            base=entry.dn,
            filter=scope.filter,
            attributes=("objectClass",),
            page_size=self._config.page_size,
        )
        pages = search(self._connection, query, server=self._server)
        if any(dn_key(found.dn) == key for page in pages for found in page):
            return None
        return f"not matched by {scope.name}_FILTER: {entry.dn}"


def _filter_of(id_: str, attributes: tuple[str, ...]) -> str | None:
    """A filter for an id in each of the attributes; `None` if it is no UUID."""
    try:
        number = uuid.UUID(id_)
    except ValueError:
        return None
    digits = number.hex
    written = {
        "entryUUID": str(number),
        "objectGUID": "".join(f"\\{octet:02x}" for octet in number.bytes_le),
        "nsUniqueId": "-".join(digits[start : start + 8] for start in range(0, 32, 8)),
    }
    return "".join(f"({name}={written[name]})" for name in attributes)
