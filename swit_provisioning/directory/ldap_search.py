"""One search, page by page: it ends without an error only if every entry and value has come."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from urllib.parse import unquote, urlsplit

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException

from swit_provisioning.directory.entries import Entry
from swit_provisioning.directory.errors import (
    DirectoryConfigError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.directory.ldap_results import SUCCESS, failure
from swit_provisioning.reconcile.dn import InvalidDN, dn_key

_PAGED_RESULTS = "1.2.840.113556.1.4.319"
_RANGE = re.compile(r"range=(\d+)-(\d+|\*)")
# Parts of every Active Directory that the root's search points to. No people and no groups are in
# them; every other reference means that something is kept elsewhere, so the answer isn't whole.
_WITHOUT_PEOPLE = ("cn=configuration,", "dc=domaindnszones,", "dc=forestdnszones,")

Values = tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to search for, below which entry."""

    base: str
    filter: str
    attributes: tuple[str, ...]
    """Asked for by name; whatever else a server sends is ignored."""
    page_size: int


def search(connection: ldap3.Connection, query: Query, *, server: object) -> Iterator[Entry]:
    """Yield all entries below the base, the base itself too, that match the filter.

    Coming to the end is the proof that the answer is complete: each page said success and told
    where the next begins, and each attribute sent in ranges was read up to its last value.

    Args:
        connection: logged in, used by nobody else.
        query: what to ask for.
        server: what error messages call the server.

    Raises:
        DirectoryError: anything else; the message says after how many entries.

    """
    return _Search(connection, query, f"{server}: reading {query.base!r}").entries()


def root_entry(
    connection: ldap3.Connection, attributes: tuple[str, ...], *, server: object
) -> Entry | None:
    """What the server says about itself; nothing where it doesn't show that to this account.

    Raises:
        DirectoryError: the server failed, which is something else than that it may not be seen.

    """
    query = Query(base="", filter="(objectClass=*)", attributes=attributes, page_size=1)
    return _Search(connection, query, f"{server}: reading its root entry (LDAP_KIND=auto)").root()


class _Search:
    def __init__(self, connection: ldap3.Connection, query: Query, doing: str) -> None:
        self._connection = connection
        self._query = query
        self._doing = doing
        self._asked = {name.lower() for name in query.attributes}
        self._got = 0

    def entries(self) -> Iterator[Entry]:
        cookie: bytes | None = None
        seen: set[bytes] = set()
        while True:
            page = self._request(
                self._query.base,
                self._query.filter,
                ldap3.SUBTREE,
                self._query.attributes,
                paged_size=self._query.page_size,
                paged_criticality=True,
                paged_cookie=cookie,
            )
            # Before the entries: asking for the rest of a group's members makes a new result.
            cookie = self._next_cookie()
            if cookie and not page and cookie in seen:
                self._fail("the server sends empty pages without end")
            for raw in page:
                yield self._entry(raw)
            if not cookie:
                return
            seen.add(cookie)

    def root(self) -> Entry | None:
        query = self._query
        try:
            found = self._request(query.base, query.filter, ldap3.BASE, query.attributes)
        except DirectoryConfigError:  # hidden from this account, or from everybody
            return None
        return self._entry(found[0]) if found else None

    def _request(
        self,
        base: str,
        filter_: str,
        scope: Literal["BASE", "SUBTREE"],
        attributes: tuple[str, ...],
        **paging: Any,  # noqa: ANN401 - ldap3's
    ) -> list[Mapping[str, Any]]:
        """Send one request and take its answer, if that is one."""
        try:
            self._connection.search(
                base, filter_, scope, ldap3.DEREF_NEVER, list(attributes), **paging
            )
            result, response = self._connection.result, self._connection.response or []
        except LDAPCommunicationError as error:
            message = f"{self._doing}: the connection was lost after {self._got} entries ({error})"
            raise DirectoryUnavailableError(message) from error
        except LDAPException as error:
            message = f"{self._doing}: the request can't be made ({error}); look at the filter"
            raise DirectoryConfigError(message) from error
        except (ValueError, LookupError, TypeError) as error:
            self._fail(f"the answer is not LDAP ({error})")
        found = [one for one in response if one["type"] == "searchResEntry"]
        self._got += len(found) if scope == ldap3.SUBTREE else 0
        if result["result"] != SUCCESS:
            raise failure(result, doing=self._doing, got=self._got)
        for one in response:
            if one["type"] == "searchResRef":
                self._refuse_reference(one["uri"])
        return found

    def _next_cookie(self) -> bytes:
        control = (self._connection.result.get("controls") or {}).get(_PAGED_RESULTS)
        if control is None:
            self._fail("the server didn't say whether there are more pages")
        return bytes(control["value"]["cookie"])

    def _refuse_reference(self, urls: list[str]) -> None:
        if not all(_holds_no_people(url) for url in urls):
            self._fail(
                f"a part of it is kept elsewhere ({urls[0]}). References aren't followed, because"
                " that would send the password there: choose bases in LDAP_USER_OUS and"
                " LDAP_GROUP_OUS that this server keeps whole"
            )

    def _entry(self, raw: Mapping[str, Any]) -> Entry:
        dn = bytes(raw["raw_dn"]).decode(errors="surrogateescape")
        attributes: dict[str, Values] = {}
        ranges: dict[str, tuple[str, Values]] = {}
        for name, values in raw["raw_attributes"].items():
            kind, *options = name.lower().split(";")
            limits = [option for option in options if option.startswith("range=")]
            plain = ";".join([kind, *(option for option in options if option not in limits)])
            if limits:
                ranges[plain] = (limits[0], tuple(values or ()))
            else:
                attributes[plain] = tuple(values or ())
        # Beside `member;range=0-1499` Active Directory sends an empty `member`.
        for name, (limits_text, values) in ranges.items():
            attributes[name] = self._completed(dn, name, limits_text, values)
        return Entry(dn=dn, attributes=attributes)

    def _completed(self, dn: str, name: str, limits: str, first: Values) -> Values:
        """Ask for the rest of an attribute's values until the server says `-*`."""
        if name not in self._asked:
            self._fail(f"only a part of {name} of {dn!r} was sent, unasked")
        values: list[bytes] = []
        more = first
        while True:
            low, high = self._limits(dn, name, limits)
            values_end = low + len(more) - 1
            if low != len(values) or (high is not None and high != values_end) or not more:
                problem = f"{name};{limits} of {dn!r} came with {len(more)} values"
                self._fail(f"{problem} after {len(values)}")
            values.extend(more)
            if high is None:
                return tuple(values)
            limits, more = self._next_range(dn, name, len(values))

    def _next_range(self, dn: str, name: str, begin: int) -> tuple[str, Values]:
        wanted = f"{name};range={begin}-*"
        found = self._request(dn, "(objectClass=*)", ldap3.BASE, (wanted,))
        sent = [
            (text.lower().partition(";")[2], tuple(values or ()))
            for entry in found
            for text, values in entry["raw_attributes"].items()
            if text.lower().startswith(f"{name};range=")
        ]
        if len(sent) != 1:
            self._fail(f"{name} of {dn!r} stopped after {begin} values")
        return sent[0]

    def _limits(self, dn: str, name: str, text: str) -> tuple[int, int | None]:
        matched = _RANGE.fullmatch(text)
        if matched is None:
            self._fail(f"{name};{text} of {dn!r} is no range")
        return int(matched[1]), None if matched[2] == "*" else int(matched[2])

    def _fail(self, problem: str) -> NoReturn:
        message = f"{self._doing}: {problem} (after {self._got} entries). Nothing of it is used."
        raise DirectoryIncompleteError(message)


def _holds_no_people(url: str) -> bool:
    try:
        key = dn_key(unquote(urlsplit(url).path.removeprefix("/")))
    except (InvalidDN, ValueError):
        return False
    return key.startswith(_WITHOUT_PEOPLE)
