"""A directory server (LDAP, Active Directory): the first of several that answers to the end."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from swit_provisioning.planning.dn import dn_key, is_dn
from swit_provisioning.planning.schemas import IDP_FINDINGS
from swit_provisioning.planning.snapshots import DirectoryState, index_of, mask
from swit_provisioning.sources.assembly import (
    Batch,
    Source,
    assemble,
    group_attributes,
    people_attributes,
)
from swit_provisioning.sources.base import (
    AttributeMapping,
    DirectoryError,
    DirectoryUnavailableError,
    DirectoryUntrustedError,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress, is_person, other_kind
from swit_provisioning.sources.entries import Entry, Notes, Terms, utc_now
from swit_provisioning.sources.ldap.exchange import Connection
from swit_provisioning.sources.ldap.plain_rows import plain_groups, plain_people
from swit_provisioning.sources.ldap.search import Query, root_entry, search, single_entry
from swit_provisioning.sources.ldap.session import logged_in
from swit_provisioning.sources.server_types import (
    KINDS,
    ROOT_ATTRIBUTES,
    Kind,
    hold_references,
    recognised,
    with_reference,
)

_ATTEMPTS = 3
_MOST_LOOKED_UP = 200
"""Members that are neither among the people nor among the groups; each takes a request."""
_log = logging.getLogger(__name__)


class LdapDirectory:
    """Reads people and groups from one server; a read stays on it from first page to last."""

    def __init__(
        self,
        config: LdapConfig,
        mapping: AttributeMapping | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Say which servers; none is spoken to yet.

        Args:
            config: servers, account, bases.
            mapping: which attributes to take; the reference program's where nothing is said.
            clock: tells which accounts have expired.
            sleep: waits so many seconds before a read is tried again.

        """
        self._config = config
        self._mapping = mapping or AttributeMapping()
        self._clock = clock
        self._sleep = sleep

    @property
    def description(self) -> str:
        """The servers and the base."""
        servers = ", ".join(str(server) for server in self._config.servers)
        return f"{self._config.search_base} on {servers}"

    def read(self) -> DirectoryState:
        """Read everything from the first server that answers to the end.

        A server that can't be reached, breaks off or is busy is passed over for the next one;
        after the last one all are tried again, three times in all, each time from the start. One
        that refuses the account or cuts the answer short ends the read: asking others with a
        wrong password would only lock the account.

        Raises:
            DirectoryError: see the classes; the message names server, problem and what to do.

        """
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=1, max=10),
            retry=retry_if_exception_type(DirectoryUnavailableError),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        limits = replace(
            self._config.limits,
            read_until=min(
                self._config.limits.read_until, time.monotonic() + 60 * self._config.read_minutes
            ),
        )
        config = replace(self._config, limits=limits)
        passed_over: list[str] = []
        try:
            return retrying(self._attempt, config, passed_over)
        except DirectoryUnavailableError as error:
            message = f"{error} (tried {_ATTEMPTS} times)"
            raise DirectoryUnavailableError(message) from error

    def _attempt(self, config: LdapConfig, passed_over: list[str]) -> DirectoryState:
        failures: list[DirectoryError] = []
        for server in config.servers:
            try:
                return self._read_from(server, config, passed_over)
            except (DirectoryUnavailableError, DirectoryUntrustedError) as error:
                failures.append(error)
                passed_over.append(f"Passed over: {error}")
        # Only time can mend an unreachable server, and nothing but a person a wrong certificate.
        kind = next(
            (type(error) for error in failures if isinstance(error, DirectoryUnavailableError)),
            type(failures[0]),
        )
        raise kind("; ".join(str(error) for error in failures)) from failures[0]

    def _read_from(
        self, server: ServerAddress, config: LdapConfig, passed_over: list[str]
    ) -> DirectoryState:
        bases = [dn_key(base) for base in (*config.user_bases, *config.group_bases)]
        warnings = list(dict.fromkeys(passed_over))
        if server.tls == "none":
            warnings.append(
                f"LDAP_TLS=none: the password and all that was read crossed the network to {server}"
                " in clear text, and nobody proved that it is this server"
            )
        with logged_in(config, server) as connection:
            kind = self._kind(connection, server)
            terms = Terms(mapping=self._mapping, now=self._clock(), listed=False)
            state = assemble(
                self._people(connection, server, kind, terms),
                self._groups(connection, server, kind),
                source=Source(
                    name=str(server),
                    kind="ldap",
                    search_base=dn_key(config.search_base),
                    bases=tuple(dict.fromkeys(bases)),
                    hint="Look at LDAP_USER_OUS, LDAP_USER_FILTER, LDAP_USER_ATTRIBUTES"
                    " (email=...) and at what LDAP_USER may see.",
                    warnings=tuple(warnings),
                    server_kind=kind.title,
                ),
                terms=terms,
            )
            state = _without_other_kinds(state, connection, server)
        return hold_references(state, config.reference_attribute, server)

    def _kind(self, connection: Connection, server: ServerAddress) -> Kind:
        """The kind that `LDAP_KIND` names, else the one that the server's root entry tells."""
        if self._config.kind == "auto":
            root = root_entry(connection, ROOT_ATTRIBUTES, server=server)
            kind = KINDS["other"] if root is None else recognised(root)
        else:
            kind = KINDS[self._config.kind]
        return with_reference(kind, self._config.reference_attribute, server)

    def _people(
        self, connection: Connection, server: ServerAddress, kind: Kind, terms: Terms
    ) -> Iterator[Batch]:
        own_filter = self._config.user_filter is not None
        for base in self._config.user_bases:
            query = Query(
                base=base,
                filter=self._config.user_filter or kind.user_filter,
                attributes=tuple(people_attributes(self._mapping, kind)),
                page_size=self._config.page_size,
            )
            for found in search(connection, query, server=server):
                plain, odd = plain_people(
                    found.page,
                    base=dn_key(base),
                    mapping=self._mapping,
                    own_filter=own_filter,
                    now=terms.now,
                    needed=kind.state_attribute,
                )
                entries = [
                    entry
                    for entry in found.entries(odd)
                    if is_person(entry.classes(), own_filter=own_filter)
                ]
                _warn_of_unknown_state(entries, kind, terms.notes)
                yield Batch(base=dn_key(base), entries=entries, rows=plain)

    def _groups(self, connection: Connection, server: ServerAddress, kind: Kind) -> Iterator[Batch]:
        for base in self._config.group_bases:
            query = Query(
                base=base,
                filter=self._config.group_filter or kind.group_filter,
                attributes=tuple(group_attributes(self._mapping, kind)),
                page_size=self._config.page_size,
            )
            for found in search(connection, query, server=server):
                plain = plain_groups(found.page, base=dn_key(base), mapping=self._mapping)
                yield Batch(
                    base=dn_key(base),
                    entries=found.entries(plain.odd, without=plain.taken),
                    rows=plain.rows,
                    members=plain.members,
                )


def _without_other_kinds(
    state: DirectoryState, connection: Connection, server: ServerAddress
) -> DirectoryState:
    """The state without members that are no people and no groups, such as computers.

    Each of them becomes a finding that says what it is. Only the first ones are looked up.
    """
    rows = state.memberships
    unknown = rows[~mask(state.users["key"], index_of(rows["member"]))]
    unknown = unknown[~mask(state.groups["key"], index_of(unknown["member"]))]
    others: dict[str, str] = {}
    for dn in sorted(set(unknown["member_dn"]))[:_MOST_LOOKED_UP]:
        if not is_dn(dn):
            continue
        entry = single_entry(connection, dn, ("objectClass",), server=server)
        kind = other_kind(entry.classes()) if entry else None
        if kind is not None:
            others[dn] = kind
    if not others:
        return state
    other = unknown[unknown["member_dn"].isin(list(others))]
    named = dict(zip(state.groups["key"], state.groups["dn"], strict=True))
    found = [
        {
            "kind": "unknown member",
            "dn": named[group],
            "attribute": "member",
            "reason": f"The member {dn} is {others[dn]}, neither a person nor a group, so it is"
            " ignored. Nothing has to be done.",
        }
        for group, dn in zip(other["group"], other["member_dn"], strict=True)
    ]
    findings = pd.concat([state.findings, IDP_FINDINGS.frame(found)], ignore_index=True)
    memberships = rows.drop(index=other.index).reset_index(drop=True)
    return replace(state, findings=findings, memberships=memberships)


def _warn_of_unknown_state(entries: list[Entry], kind: Kind, notes: Notes) -> None:
    for entry in entries:
        if kind.state_attribute and not entry.has(kind.state_attribute):
            notes.warn(
                f"{kind.state_attribute} can't be read, so whether they are disabled"
                " isn't known; give LDAP_USER the right to"
            )


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning("directory read, attempt %d of %d: %s", state.attempt_number, _ATTEMPTS, error)
