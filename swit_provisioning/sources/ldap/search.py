"""Search page by page. A search that ends without an error has returned every entry."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from ldap3.core.results import RESULT_CODES

from swit_provisioning.sources.base import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.sources.entries import Entry, Value
from swit_provisioning.sources.ldap import wire
from swit_provisioning.sources.ldap.connection import (
    BadRequestError,
    Connection,
    LostConnectionError,
    encoded_filter,
)
from swit_provisioning.sources.ldap.dn import InvalidDN, dn_key, is_dn

_BASE_OBJECT, _SUBTREE = 0, 2
_REQUESTS_AT_ONCE = 10
"""Fewer than the 20 searches at a time that Active Directory allows by default."""
SUCCESS = 0
REFERRAL = 10
NO_SUCH_OBJECT = 32
INVALID_CREDENTIALS = 49

_UNAVAILABLE = {51, 52}
# Problems of configuration. Every other code means an incomplete read.
_CONFIG = {7, 8, 12, 13, 18, 32, 34, 48, 49, 50}

_ENCRYPT = "The server requires an encrypted connection. Set LDAP_TLS=ldaps or LDAP_TLS=starttls."
_RAISE_LIMIT = "limit ended the search. Raise this limit for LDAP_USER"
_ADVICE: Mapping[int, str] = {
    3: f"The server's time {_RAISE_LIMIT}.",
    4: (
        f"The server's size {_RAISE_LIMIT} (OpenLDAP: limits dn.exact=... size=unlimited), or set"
        " LDAP_PAGE_SIZE below the limit (389 Directory Server limits each page), such as"
        " LDAP_PAGE_SIZE=200."
    ),
    7: "The server does not accept passwords. Ask its administrator to allow simple binds.",
    8: _ENCRYPT,
    10: (
        "Another server holds this part of the directory. Referrals are not followed, because that"
        " would send the password to that server. Name it in LDAP_SERVER_DOMAIN."
    ),
    11: (
        f"The server's administrative {_RAISE_LIMIT} (389 Directory Server:"
        " nsPagedLookThroughLimit of that account), or lower LDAP_PAGE_SIZE."
    ),
    12: (
        "The server does not offer paged results to LDAP_USER. A long answer cannot be read safely"
        " without them. Allow them."
    ),
    13: _ENCRYPT,
    18: "The server cannot use the filter. Check LDAP_USER_FILTER and LDAP_GROUP_FILTER.",
    32: (
        "The entry does not exist, or LDAP_USER may not see it. Check LDAP_SEARCH_BASE,"
        " LDAP_USER_OUS and LDAP_GROUP_OUS (separate several by `;` if one contains a comma)."
    ),
    34: (
        "The server does not accept this distinguished name. Check LDAP_SEARCH_BASE, LDAP_USER_OUS,"
        " LDAP_GROUP_OUS and LDAP_USER."
    ),
    48: "The account may not log in with a password. Check LDAP_USER.",
    49: "Check LDAP_USER and LDAP_PASSWORD.",
    50: "LDAP_USER may not read this. Grant it read access.",
    51: "The server is busy. Try again later.",
    52: "The server is stopping or starting. Try again later.",
}
_DEFAULT_ADVICE = "Nothing that was read is used. Ask the administrator of the server."

# Active Directory gives the reason for result 49 in its text.
_WRONG_LOGIN = "the account does not exist, or the password is wrong"
_AD_REFUSALS = {
    "data 525": "the account does not exist",
    "data 52e": _WRONG_LOGIN,
    "data 530": "the account may not log in at this time",
    "data 531": "the account may not log in from here",
    "data 532": "the password has expired",
    "data 533": "the account is disabled",
    "data 701": "the account has expired",
    "data 773": "the password must be changed first",
    "data 775": "the account is locked",
}


def failure(result: wire.Result, *, doing: str, got: int | None = None) -> DirectoryError:
    """Error for a result code other than 0.

    Args:
        result: result of the server.
        doing: server and operation, with which the message begins.
        got: number of entries that had arrived; `None` for operations without entries.

    """
    code = result.code
    said = result.message.strip("\0 \n")
    parts = [f"{doing}: the server answered {code} {RESULT_CODES.get(code, '')}".rstrip()]
    if said:
        parts.append(f" ({said})")
    if got is not None:
        parts.append(f" after {got} entries")
    if code == NO_SUCH_OBJECT and result.matched_dn:
        parts.append(f"; the nearest existing entry is {result.matched_dn!r}")
    reason = next((text for mark, text in _AD_REFUSALS.items() if mark in said.lower()), None)
    if code == INVALID_CREDENTIALS:
        parts.append(f": {reason or _WRONG_LOGIN}")
    message = f"{''.join(parts)}. {_ADVICE.get(code, _DEFAULT_ADVICE)}"
    if code in _UNAVAILABLE:
        return DirectoryUnavailableError(message)
    return DirectoryConfigError(message) if code in _CONFIG else DirectoryIncompleteError(message)


# Every Active Directory refers to these parts of itself, which hold no people and no groups. Any
# other reference means that another server holds entries, so the result is not complete.
_WITHOUT_PEOPLE = ("cn=configuration,", "dc=domaindnszones,", "dc=forestdnszones,")

# A page is empty if the account may see none of its entries. More than this means a defect.
_MOST_EMPTY_PAGES = 10_000
_RANGE = re.compile(r"range=(\d+)-(\d+|\*)")


@dataclass(frozen=True, kw_only=True)
class Query:
    """Parameters of a search."""

    base: str
    filter: str
    attributes: tuple[str, ...]
    """Requested attributes. `member;range=0-999` also requests all values, a thousand first."""
    page_size: int


def search(connection: Connection, query: Query, *, server: object) -> Iterator[list[Entry]]:
    """Yield the entries at and below the base that match the filter, page by page.

    Reaching the end proves that the result is complete: each page ended with success and said
    whether another one follows, and all values of attributes that were sent in ranges were read.

    Args:
        connection: authenticated, not used by anything else.
        query: what to search for.
        server: name of the server in messages.

    Raises:
        DirectoryError: the result is not complete. The message says after how many entries.

    """
    return _Search(connection, query, f"{server}: reading {query.base!r}").pages()


def root_entry(
    connection: Connection, attributes: tuple[str, ...], *, server: object
) -> Entry | None:
    """Root entry of the server (rootDSE), or `None` if it is hidden from this account.

    Raises:
        DirectoryError: the server failed.

    """
    query = Query(base="", filter="(objectClass=*)", attributes=attributes, page_size=1)
    return _Search(connection, query, f"{server}: reading its root entry (LDAP_KIND=auto)").single()


def entries_at(
    connection: Connection, dns: Sequence[str], attributes: tuple[str, ...], *, server: object
) -> dict[str, Entry]:
    """Entries by these DNs, except those that do not exist, are hidden or are on other servers.

    Raises:
        DirectoryError: the connection was lost, or the answer is not LDAP.

    """
    found: dict[str, Entry] = {}
    for begin in range(0, len(dns), _REQUESTS_AT_ONCE):
        some = dns[begin : begin + _REQUESTS_AT_ONCE]
        query = Query(base=some[0], filter="(objectClass=*)", attributes=attributes, page_size=1)
        entries = _Search(connection, query, f"{server}: reading {some[0]!r}").at(some)
        by_key = {dn_key(entry.dn): entry for entry in entries if is_dn(entry.dn)}
        found |= {dn: by_key[key] for dn in some if (key := dn_key(dn)) in by_key}
    return found


class _Search:
    def __init__(self, connection: Connection, query: Query, doing: str) -> None:
        self._connection = connection
        self._limits = connection.limits
        self._query = query
        self._doing = doing
        self._asked = {name.lower().partition(";range=")[0] for name in query.attributes}
        self._got = 0
        self._ahead: wire.Answer | None = None
        """Answer to the next page, if it had to be received before a range was requested."""

    def pages(self) -> Iterator[list[Entry]]:
        query = self._query
        request = self._request(query.base, query.filter, _SUBTREE, query.attributes)
        first_dns: set[str] = set()
        empty_pages: set[bytes] = set()
        pages = 0
        self._ask(request, page=(query.page_size, b""))
        while True:
            answer = self._ahead or self._answer()
            self._ahead = None
            self._got += len(answer.entries)
            self._check(answer)
            cookie = answer.result.cookie
            if cookie is None:
                self._fail("the server did not say whether there are more pages")
            pages += 1
            if cookie and pages >= self._limits.pages:
                self._fail(f"there are more than {self._limits.pages} pages. Raise LDAP_PAGE_SIZE")
            if cookie and not answer.entries:
                # Cookies alone do not show a loop: some servers send the same one with each page.
                if cookie in empty_pages or len(empty_pages) > _MOST_EMPTY_PAGES:
                    self._fail("the server sends an endless series of empty pages")
                empty_pages.add(cookie)
            if cookie:
                # Requested before the entries are used: the server works in the meantime.
                self._ask(request, page=(query.page_size, cookie))
            if answer.entries:
                first = answer.entries[0].dn
                if first in first_dns:
                    self._fail(
                        f"the server sent the page that begins with {first!r} twice, so other pages"
                        " may be missing. If there is a load balancer, name one server behind it"
                        " in LDAP_SERVER_DOMAIN"
                    )
                first_dns.add(first)
            yield self._completed(answer)
            if not cookie:
                return

    def at(self, dns: Sequence[str]) -> list[Entry]:
        """Entries with these DNs. Errors of the server only mean that there is none."""
        attributes = self._query.attributes
        self._ask(*(self._request(dn, "(objectClass=*)", _BASE_OBJECT, attributes) for dn in dns))
        return self._answer().entries

    def single(self) -> Entry | None:
        """The entry at the base, unless it is hidden."""
        query = self._query
        self._ask(self._request(query.base, "(objectClass=*)", _BASE_OBJECT, query.attributes))
        answer = self._answer()
        try:
            self._check(answer)
        except DirectoryConfigError:  # hidden from this account, or from everybody
            return None
        return next(iter(self._completed(answer)), None)

    def _request(self, base: str, filter_: str, scope: int, attributes: tuple[str, ...]) -> bytes:
        try:
            return wire.search_request(base, scope, encoded_filter(filter_), attributes)
        except BadRequestError as error:
            message = f"{self._doing}: the filter is not valid ({error}). Correct it."
            raise DirectoryConfigError(message) from error

    def _ask(self, *requests: bytes, page: tuple[int, bytes] | None = None) -> None:
        try:
            self._connection.ask(*requests, page=page)
        except LostConnectionError as error:
            raise self._lost(error) from error

    def _answer(self) -> wire.Answer:
        try:
            return self._connection.answer()
        except (LostConnectionError, wire.DisconnectedError, wire.WireError) as error:
            partial = self._connection.awaited
            self._got += len(partial.entries) if partial else 0
            if isinstance(error, wire.WireError):
                self._fail(f"the answer is not LDAP ({error})")
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> DirectoryUnavailableError:
        message = f"{self._doing}: the connection was lost after {self._got} entries ({error})"
        return DirectoryUnavailableError(message)

    def _check(self, answer: wire.Answer) -> None:
        """Fail unless the answer is successful and complete."""
        if answer.result.code != SUCCESS:
            raise failure(answer.result, doing=self._doing, got=self._got)
        for url in answer.references:
            try:
                key = dn_key(unquote(urlsplit(url).path.removeprefix("/")))
            except (InvalidDN, ValueError):
                key = ""
            if not key.startswith(_WITHOUT_PEOPLE):
                self._fail(
                    f"another server holds a part of it ({url}). References are not followed,"
                    " because that would send the password there. Choose bases in LDAP_USER_OUS and"
                    " LDAP_GROUP_OUS that this server holds completely"
                )

    def _completed(self, answer: wire.Answer) -> list[Entry]:
        """Entries of an answer, with all values of attributes that were sent in ranges."""
        if not answer.names.has_options:
            return answer.entries
        found = []
        for entry in answer.entries:
            attributes: dict[str, Sequence[Value]] = {}
            ranges: dict[str, tuple[str, Sequence[Value]]] = {}
            for name, values in entry.attributes.items():
                plain, limits = _without_range(name)
                if limits:
                    ranges[plain] = limits, values
                else:
                    attributes[plain] = values
            # Beside `member;range=0-1499` Active Directory sends an empty `member`.
            for name, (limits, first) in ranges.items():
                attributes[name] = self._all_values(entry.dn, name, limits, first)
            found.append(Entry(dn=entry.dn, attributes=attributes))
        return found

    def _all_values(
        self, dn: str, name: str, limits: str, first: Sequence[Value]
    ) -> Sequence[Value]:
        """Request the remaining values of an attribute until the server says `-*`."""
        if name not in self._asked:
            self._fail(f"the server sent only a range of {name} of {dn!r}, which was not requested")
        values: list[Value] = []
        more = first
        ranges = 1
        while True:
            matched = _RANGE.fullmatch(limits)
            if matched is None:
                self._fail(f"{name};{limits} of {dn!r} is not a valid range")
            low, high = int(matched[1]), None if matched[2] == "*" else int(matched[2])
            values_end = low + len(more) - 1
            if low != len(values) or (high is not None and high != values_end) or not more:
                problem = f"{name};{limits} of {dn!r} came with {len(more)} values"
                self._fail(f"{problem} after {len(values)}")
            values.extend(more)
            if high is None:
                return values
            ranges += 1
            if ranges > self._limits.ranges:
                self._fail(f"{name} of {dn!r} comes in more than {self._limits.ranges} ranges")
            limits, more = self._next_range(dn, name, len(values))

    def _next_range(self, dn: str, name: str, begin: int) -> tuple[str, Sequence[Value]]:
        if self._connection.awaited is not None:
            self._ahead = self._answer()
        self._ask(self._request(dn, "(objectClass=*)", _BASE_OBJECT, (f"{name};range={begin}-*",)))
        answer = self._answer()
        self._check(answer)
        sent = [
            (limits, values)
            for entry in answer.entries
            for written, values in entry.attributes.items()
            for plain, limits in [_without_range(written)]
            if plain == name and limits
        ]
        if len(sent) != 1:
            self._fail(f"{name} of {dn!r} stopped after {begin} values")
        return sent[0]

    def _fail(self, problem: str) -> NoReturn:
        message = (
            f"{self._doing}: {problem} (after {self._got} entries). Nothing that was read is used."
        )
        raise DirectoryIncompleteError(message)


def _without_range(name: str) -> tuple[str, str]:
    """Split `member;x-y;range=0-1499` into the name with its other options, and the range."""
    kind, *options = name.split(";")
    limits = [option for option in options if option.startswith("range=")]
    plain = ";".join([kind, *(option for option in options if option not in limits)])
    return plain, limits[0] if limits else ""
