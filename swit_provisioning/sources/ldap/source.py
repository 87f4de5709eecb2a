"""A directory on LDAP servers, such as Active Directory. The first server that answers is read."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import partial

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from swit_provisioning.planning.snapshots import DirectorySnapshot
from swit_provisioning.planning.whereabouts import Presence, Whereabouts, strongest
from swit_provisioning.sources.assembly import Batch, Source, assemble
from swit_provisioning.sources.attributes import AttributeMapping
from swit_provisioning.sources.base import (
    DirectoryError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
    utc_now,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress
from swit_provisioning.sources.entries import EntryReader
from swit_provisioning.sources.groups import group_attributes
from swit_provisioning.sources.ldap.connection import Connection
from swit_provisioning.sources.ldap.dn import dn_key
from swit_provisioning.sources.ldap.lookup import Lookup
from swit_provisioning.sources.ldap.search import Query, entries_at, root_entry, search
from swit_provisioning.sources.ldap.session import logged_in
from swit_provisioning.sources.people import people_attributes
from swit_provisioning.sources.server_types import (
    KINDS,
    ROOT_ATTRIBUTES,
    Kind,
    is_person,
    other_kind,
    recognised,
    requesting_reference,
    with_reference_warning,
)

_ATTEMPTS = 3
_log = logging.getLogger(__name__)


class LdapDirectory:
    """Reads people and groups. One read uses one server from the first page to the last."""

    def __init__(
        self,
        config: LdapConfig,
        mapping: AttributeMapping | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Choose the servers. Nothing is sent yet.

        Args:
            config: servers, account, search bases.
            mapping: attributes to read; by default those of the reference program.
            clock: current time, which decides whether accounts have expired.
            sleep: waits for some seconds before a read is tried again.

        """
        self._config = config
        self._mapping = mapping or AttributeMapping()
        self._clock = clock
        self._sleep = sleep

    @property
    def description(self) -> str:
        """Search base and servers."""
        servers = ", ".join(str(server) for server in self._config.servers)
        return f"{self._config.search_base} on {servers}"

    def read(self) -> DirectorySnapshot:
        """Read everything from the first server that answers completely.

        If a server is unreachable, busy, or loses the connection, the next one is read from the
        start. All servers are tried three times. A server that refuses the account or limits the
        answer ends the read: a wrong password on more servers would only lock the account.

        Raises:
            DirectoryError: the message contains the server, the problem and what to do.

        """
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=1, max=10),
            retry=retry_if_exception_type(DirectoryUnavailableError),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        config = replace(self._config, limits=self._config.limits_from_now())
        passed_over: list[str] = []
        try:
            return retrying(self._attempt, config, passed_over)
        except DirectoryUnavailableError as error:
            message = f"{error} (tried {_ATTEMPTS} times)"
            raise DirectoryUnavailableError(message) from error

    def find(self, people: AbstractSet[str], groups: AbstractSet[str]) -> dict[str, Whereabouts]:
        """Look for people and groups by id on every server, each in the whole search base.

        A server that does not answer is no error: what the others do not have is `UNKNOWN` then.

        Args:
            people: ids of people.
            groups: ids of groups.

        """
        if not people and not groups:
            return {}
        limits = self._config.limits_from_now()
        config = replace(self._config, limits=limits)
        answers: dict[str, dict[str, Whereabouts]] = {}
        for server in config.servers:
            try:
                found = self._find_on(server, config, people, groups)
            except DirectoryError as error:
                unknown = Whereabouts(Presence.UNKNOWN, f"{server} could not be asked: {error}")
                found = dict.fromkeys((*people, *groups), unknown)
            for id_, whereabouts in found.items():
                answers.setdefault(id_, {})[str(server)] = whereabouts
        return {id_: strongest(each) for id_, each in answers.items()}

    def _find_on(
        self,
        server: ServerAddress,
        config: LdapConfig,
        people: AbstractSet[str],
        groups: AbstractSet[str],
    ) -> dict[str, Whereabouts]:
        with logged_in(config, server) as connection:
            kind = self._kind(connection, server)
            lookup = Lookup(connection, server, config, kind, self._reader())
            return {**lookup.people(people), **lookup.groups(groups)}

    def _reader(self) -> EntryReader:
        return EntryReader(
            mapping=self._mapping,
            now=self._clock(),
            ordered=False,
            reference_attribute=self._config.reference_attribute,
        )

    def _attempt(self, config: LdapConfig, passed_over: list[str]) -> DirectorySnapshot:
        failures: list[DirectoryError] = []
        for server in config.servers:
            try:
                return self._read_from(server, config, passed_over)
            except (DirectoryUnavailableError, DirectoryUntrustedError) as error:
                failures.append(error)
                passed_over.append(f"Passed over: {error}")
        # An unreachable server can recover by itself. A wrong certificate needs a person.
        kind = next(
            (type(error) for error in failures if isinstance(error, DirectoryUnavailableError)),
            type(failures[0]),
        )
        raise kind("; ".join(str(error) for error in failures)) from failures[0]

    def _read_from(
        self, server: ServerAddress, config: LdapConfig, passed_over: list[str]
    ) -> DirectorySnapshot:
        bases = [dn_key(base) for base in (*config.user_bases, *config.group_bases)]
        warnings = list(dict.fromkeys(passed_over))
        if server.tls == "none":
            warnings.append(
                f"LDAP_TLS=none: the password and all entries crossed the network to {server} in"
                " clear text, and the identity of the server was not verified"
            )
        with logged_in(config, server) as connection:
            kind = self._kind(connection, server)
            reader = self._reader()
            snapshot = assemble(
                self._people(connection, server, kind, reader),
                self._groups(connection, server, kind),
                source=Source(
                    name=str(server),
                    kind="ldap",
                    search_base=dn_key(config.search_base),
                    bases=tuple(dict.fromkeys(bases)),
                    hint="Check LDAP_USER_OUS, LDAP_USER_FILTER, LDAP_USER_ATTRIBUTES"
                    " (email=...) and the read access of LDAP_USER.",
                    warnings=tuple(warnings),
                    server_kind=kind.title,
                ),
                reader=reader,
                identify=partial(_kinds_of_entries, connection, server),
            )
        return with_reference_warning(snapshot, config.reference_attribute, server)

    def _kind(self, connection: Connection, server: ServerAddress) -> Kind:
        """Kind of the server: `LDAP_KIND`, or by default the kind that its root entry shows."""
        if self._config.kind == "auto":
            root = root_entry(connection, ROOT_ATTRIBUTES, server=server)
            kind = KINDS["other"] if root is None else recognised(root)
        else:
            kind = KINDS[self._config.kind]
        return requesting_reference(kind, self._config.reference_attribute, server)

    def _people(
        self, connection: Connection, server: ServerAddress, kind: Kind, reader: EntryReader
    ) -> Iterator[Batch]:
        own_filter = self._config.user_filter is not None
        for base in self._config.user_bases:
            query = Query(
                base=base,
                filter=self._config.user_filter or kind.user_filter,
                attributes=tuple(people_attributes(self._mapping, kind)),
                page_size=self._config.page_size,
            )
            for page in search(connection, query, server=server):
                people = [e for e in page if is_person(e.classes(), own_filter=own_filter)]
                if kind.state_attribute:
                    for entry in people:
                        if not entry.has(kind.state_attribute):
                            reader.findings.warn(
                                f"{kind.state_attribute} cannot be read, so it is not known whether"
                                " the accounts are disabled. Grant LDAP_USER read access to it"
                            )
                yield Batch(base=dn_key(base), entries=people)

    def _groups(self, connection: Connection, server: ServerAddress, kind: Kind) -> Iterator[Batch]:
        for base in self._config.group_bases:
            query = Query(
                base=base,
                filter=self._config.group_filter or kind.group_filter,
                attributes=tuple(group_attributes(self._mapping, kind)),
                page_size=self._config.page_size,
            )
            for page in search(connection, query, server=server):
                yield Batch(base=dn_key(base), entries=page)


def _kinds_of_entries(
    connection: Connection, server: ServerAddress, dns: Sequence[str]
) -> dict[str, str]:
    """What these entries are, except those that are missing, people or groups."""
    entries = entries_at(connection, dns, ("objectClass",), server=server)
    kinds = {dn: other_kind(entry.classes()) for dn, entry in entries.items()}
    return {dn: kind for dn, kind in kinds.items() if kind}


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning("directory read, attempt %d of %d: %s", state.attempt_number, _ATTEMPTS, error)
