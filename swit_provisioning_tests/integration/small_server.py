"""A small directory server with Active Directory's limits, for what a real one can't be told to do.

It holds entries in memory, gives a page of 1,000 and 1,500 values of an attribute at a time, and
can be told to spoil any of its answers. It stands for the limits, not for a whole directory.
"""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swit_provisioning.sources.config import Tls
from swit_provisioning_tests.integration.authority import Certificate
from swit_provisioning_tests.integration.filter_truth import Attributes, truth
from swit_provisioning_tests.sources.scripted_server import (
    Asked,
    Close,
    Reply,
    ScriptedServer,
    Silence,
    done,
    entry,
    reference,
)
from swit_provisioning_tests.sources.wire import PAGED_RESULTS, START_TLS

Entries = Mapping[str, Mapping[str, Sequence[str | bytes]]]
"""Values by attribute name by DN."""
Fault = Callable[[Asked, list[Reply]], Iterable[Reply]]
"""What is sent instead of the right answer to a request."""

_BASE, _ONE_LEVEL = 0, 1
_SIZE_LIMIT_EXCEEDED, _NO_SUCH_OBJECT, _WRONG_LOGIN, _UNWILLING = 4, 32, 49, 53
_RANGE = re.compile(r"range=(\d+)-(\d+|\*)")
_WRONG_PASSWORD = "80090308: LdapErr: DSID-0C090453, comment: AcceptSecurityContext error, data 52e"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Active Directory's own; `None` is no limit."""

    page: int | None = 1000
    """MaxPageSize: entries in one answer, of which without paging there is only one."""
    values: int | None = 1500
    """MaxValRange: values of one attribute in one answer."""


class SmallServer(ScriptedServer):
    """Listens on a port of its own while it is entered."""

    def __init__(
        self,
        entries: Entries,
        *,
        limits: Limits | None = None,
        fault: Fault | None = None,
        accounts: Mapping[str, str] | None = None,
        elsewhere: Sequence[str] = (),
        certificate: Certificate | None = None,
        mode: Tls = "none",
    ) -> None:
        """Say what it holds and what it does wrong.

        Args:
            entries: the whole directory, base and OUs too.
            limits: of its answers; Active Directory's where nothing is said.
            fault: spoils answers; may be set and taken away while it runs.
            accounts: passwords by name, compared without case; anybody may log in without them.
            elsewhere: continuation references at the end of every search below a base.
            certificate: with one it offers StartTLS.
            mode: how clients are told to come.

        """
        super().__init__(self._spoiled, root=_ROOT, tls=_context(certificate), mode=mode)
        self.entries: dict[str, tuple[str, Attributes]] = {}
        self.hold(entries)
        self.limits = limits or Limits()
        self.fault = fault
        self.accounts = accounts
        self.elsewhere = elsewhere
        self._waiting: dict[tuple[int, bytes], list[Reply]] = {}

    def hold(self, entries: Entries) -> None:
        """Hold these from now on, and nothing else."""
        self.entries = {
            dn.casefold(): (
                dn,
                {name: [_raw(v) for v in held] for name, held in attributes.items()},
            )
            for dn, attributes in entries.items()
        }

    def login(self, name: str, password: str) -> tuple[int, str]:
        """Active Directory says in the text why it refuses."""
        usual = super().login(name, password)
        if self.accounts is None:
            return usual
        known = {account.casefold(): secret for account, secret in self.accounts.items()}
        right = password and known.get(name.casefold()) == password
        return (0, "") if right else (_WRONG_LOGIN, _WRONG_PASSWORD)

    def _spoiled(self, asked: Asked) -> Iterable[Reply]:
        answer = list(self._answer(asked))
        return self.fault(asked, answer) if self.fault else answer

    def _answer(self, asked: Asked) -> Iterator[Reply]:
        if asked.cookie:
            # A cookie is good once, and on the connection that it was given to.
            rest = self._waiting.pop((asked.connection, asked.cookie), None)
            yield from [done(_UNWILLING)] if rest is None else self._page(asked, rest)
        elif asked.base.casefold() not in self.entries:
            yield done(_NO_SUCH_OBJECT, cookie=None, found=self._nearest(asked.base))
        else:
            found = list(self._found(asked))
            yield from self._page(asked, found) if asked.paged else self._at_once(asked, found)

    def _found(self, asked: Asked) -> Iterator[Reply]:
        known = {
            name.lower().partition(";")[0] for _, held in self.entries.values() for name in held
        }
        for key, (dn, held) in self.entries.items():
            if _in_scope(key, asked) and truth((asked.filter_tag, asked.filter), held, known):
                yield entry(dn, _chosen(held, asked.attributes, self.limits.values))
        if asked.scope != _BASE:
            yield from (reference(url) for url in self.elsewhere)

    def _page(self, asked: Asked, found: list[Reply]) -> Iterator[Reply]:
        size = min(asked.page_size, self.limits.page or asked.page_size)
        rest = found[size:]
        cookie = b"page after search %d" % asked.number if rest else b""
        if rest:
            self._waiting[asked.connection, cookie] = rest
        yield from found[:size]
        yield done(cookie=cookie)

    def _at_once(self, asked: Asked, found: list[Reply]) -> Iterator[Reply]:
        limits = [limit for limit in (asked.size_limit, self.limits.page) if limit]
        most = min(limits, default=len(found))
        yield from found[:most]
        yield done(_SIZE_LIMIT_EXCEEDED if len(found) > most else 0, cookie=None)

    def _nearest(self, base: str) -> str:
        """What exists of a DN: its nearest ancestor."""
        while base and base.casefold() not in self.entries:
            base = _parent(base)
        return base


def spoil(
    change: Callable[[list[Reply]], Iterable[Reply]], *, base: str = "", page: int = 1
) -> Fault:
    """Spoil the n-th page, from 1, of a search below `base`; all other answers are right.

    The page is counted on its connection, so a read that starts again meets the fault again.
    """
    pages: dict[int, int] = {}

    def fault(asked: Asked, answer: list[Reply]) -> Iterable[Reply]:
        if not asked.paged or not asked.base.casefold().endswith(base.casefold()):
            return answer
        pages[asked.connection] = pages.get(asked.connection, 0) + 1
        return change(answer) if pages[asked.connection] == page else answer

    return fault


def spoil_range(change: Callable[[list[Reply]], Iterable[Reply]], *, begin: int) -> Fault:
    """Spoil the answer to the request for an attribute's values from `begin` on."""
    return lambda asked, answer: change(answer) if asked.range_from == begin else answer


def ending(code: int) -> Callable[[list[Reply]], list[Reply]]:
    """The entries come, but the answer ends with this result code."""
    return lambda answer: [*answer[:-1], done(code, cookie=None)]


def broken_off(answer: list[Reply]) -> list[Reply]:
    """The connection is closed in the middle."""
    return [*answer[: len(answer) // 2], Close()]


def silent(answer: list[Reply]) -> list[Reply]:
    """Nothing more is said from the middle on."""
    return [*answer[: len(answer) // 2], Silence()]


def _chosen(held: Attributes, asked: Sequence[str], most: int | None) -> dict[str, Sequence[bytes]]:
    """The attributes that were asked for, as Active Directory sends them."""
    sent: dict[str, Sequence[bytes]] = {}
    for wanted in asked or ("*",):
        name, _, options = wanted.lower().partition(";")
        for stored, its_values in held.items():
            if name in {"*", stored.lower().partition(";")[0]}:
                sent |= _ranged(stored, its_values, _RANGE.fullmatch(options), most)
    return sent


def _ranged(
    name: str, held: Sequence[bytes], asked: re.Match[str] | None, most: int | None
) -> dict[str, Sequence[bytes]]:
    """All values; or a part of them and, if nobody asked for a part, the bare name beside it."""
    if asked is None and (most is None or len(held) <= most):
        return {name: held}
    low = int(asked[1]) if asked else 0
    high = len(held) if asked is None or asked[2] == "*" else int(asked[2]) + 1
    part = held[low : min(high, low + (most or len(held)))]
    last = "*" if low + len(part) >= len(held) else str(low + len(part) - 1)
    return ({} if asked else {name: []}) | {f"{name};range={low}-{last}": part}


def _in_scope(key: str, asked: Asked) -> bool:
    base = asked.base.casefold()
    if asked.scope == _BASE:
        return key == base
    if asked.scope == _ONE_LEVEL:
        return _parent(key) == base
    return key == base or key.endswith(f",{base}")


def _parent(dn: str) -> str:
    return re.split(r"(?<!\\),", dn, maxsplit=1)[1] if re.search(r"(?<!\\),", dn) else ""


def _raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _context(certificate: Certificate | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


_ROOT = (
    entry(
        "",
        {
            "supportedLDAPVersion": ["3"],
            "supportedControl": [PAGED_RESULTS],
            "supportedExtension": [START_TLS],
            "supportedCapabilities": ["1.2.840.113556.1.4.800"],  # "I am an Active Directory"
        },
    ),
    done(cookie=None),
)
