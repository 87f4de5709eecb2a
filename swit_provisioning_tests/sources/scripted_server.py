"""A small LDAP server that answers each search as a test says, faults and all."""

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from swit_provisioning.sources.config import ServerAddress, Tls
from swit_provisioning_tests.sources.wire import (
    BIND,
    EXTENDED,
    PAGED_RESULTS,
    SEARCH,
    START_TLS,
    number,
    parts,
    text,
    tlv,
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One search request."""

    base: str
    scope: int
    """0: the entry itself, 1: its children, 2: all below and itself."""
    size_limit: int
    filter: bytes
    """As it came, without its outer tag and length."""
    filter_tag: int
    attributes: tuple[str, ...]
    cookie: bytes
    paged: bool
    page_size: int
    number: int
    """1 for the first search since the server was started."""
    connection: int
    """1 for the first connection since the server was started."""

    @property
    def range_from(self) -> int | None:
        """Where a request for more values of an attribute begins."""
        found = re.fullmatch(r"\w+;range=(\d+)-\*", self.attributes[0] if self.attributes else "")
        return int(found[1]) if found else None


class Close:
    """Instead of a message: the server closes the connection."""


class Silence:
    """Instead of a message: the server says nothing more."""


@dataclass(frozen=True)
class Sent:
    """Instead of a message: these bytes as they are."""

    data: bytes


@dataclass(frozen=True)
class Drip:
    """Instead of a message: these bytes, one every so many seconds."""

    data: bytes
    seconds: float = 0.02


Reply = tuple[bytes, bytes] | Sent | Drip | Close | Silence
"""An operation and, behind it, controls; bytes; or the end."""


def entry(dn: str, attributes: Mapping[str, Sequence[str | bytes]]) -> Reply:
    """An entry; a name may carry options: `member;range=0-1499`."""
    pairs = [
        tlv(0x30, text(name), tlv(0x31, *map(text, values))) for name, values in attributes.items()
    ]
    return tlv(0x64, text(dn), tlv(0x30, *pairs)), b""


def reference(*urls: str) -> Reply:
    """A continuation reference."""
    return tlv(0x73, *map(text, urls)), b""


def done(
    code: int = 0,
    *,
    cookie: bytes | None = b"",
    message: str = "",
    found: str = "",
    referrals: Sequence[str] = (),
) -> Reply:
    """The end of an answer; `cookie=None` leaves the paging control out."""
    controls = b""
    if cookie is not None:
        value = tlv(0x30, number(0), text(cookie))
        controls = tlv(0xA0, tlv(0x30, text(PAGED_RESULTS), text(value)))
    result = (number(code, 0x0A), text(found), text(message), _referral(referrals))
    return tlv(0x65, *result), controls


def _referral(urls: Sequence[str]) -> bytes:
    return tlv(0xA3, *map(text, urls)) if urls else b""


def garbage() -> Reply:
    """An entry whose lengths don't add up."""
    return tlv(0x64, b"\x04\x7fcn=x"), b""


class ScriptedServer:
    """Listens on a port of its own while it is entered; any account may log in.

    Its root entry (rootDSE) is answered with `root`, and counts as no search.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Iterable[Reply]],
        *,
        bind: tuple[int, str] = (0, ""),
        root: Iterable[Reply] = (),
        tls: ssl.SSLContext | None = None,
        mode: Tls = "none",
    ) -> None:
        """Say what it answers.

        Args:
            answer: makes the replies to each search.
            bind: the result of every login.
            root: its root entry; nothing that anybody would know it by where nothing is said.
            tls: its certificate; without one StartTLS is refused.
            mode: how clients are told to come; `ldaps` needs `tls`.

        """
        self.answer = answer
        self.bind = bind
        self.root = [*root] or [done()]
        self.tamper: dict[int, Callable[[bytes], Iterable[Reply]]] = {}
        """What is sent instead of the whole answer to a `BIND`, or to an `EXTENDED` request."""
        self.referrals: Sequence[str] = ()
        """Offered with the result of every login."""
        self.tls = tls
        self.mode = mode
        self.searches: list[Asked] = []
        self.logins: list[tuple[str, str]] = []
        self.connections = 0
        self.started_tls = 0
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self._server.server_address[1], tls=self.mode)

    def login(self, name: str, password: str) -> tuple[int, str]:
        """Result code and text for a login."""
        self.logins.append((name, password))
        return self.bind

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of whoever still waits, and stop."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    script: ScriptedServer


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    request: socket.socket
    disable_nagle_algorithm = True

    def handle(self) -> None:
        script = self.server.script
        script.connections += 1
        self.number = script.connections
        try:
            if script.mode == "ldaps":
                self._encrypt()
            while message := self._message():
                if not self._served(message):
                    return
        except (OSError, ValueError):  # the client went away, also in the middle of a handshake
            return

    def finish(self) -> None:
        """Close; what is wrapped in TLS isn't the socket that the server knows of."""
        super().finish()
        self.request.close()

    def _encrypt(self) -> None:
        assert self.server.script.tls is not None
        self.request = self.server.script.tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def _served(self, message: bytes) -> bool:
        (_, message_id), (operation, content), *controls = parts(message)
        if operation == BIND:
            _, (_, name), (_, password) = parts(content)
            code, said = self.server.script.login(name.decode(), password.decode())
            elsewhere = _referral(self.server.script.referrals)
            result = tlv(0x61, number(code, 0x0A), text(""), text(said), elsewhere)
            return self._sent(message_id, [(result, b"")], BIND)
        if operation == EXTENDED:
            return self._extended(message_id, content)
        return operation == SEARCH and self._answered(message_id, content, controls)

    def _extended(self, message_id: bytes, content: bytes) -> bool:
        """StartTLS, where there is a certificate; nothing else is offered."""
        script = self.server.script
        (_, name), *_ = parts(content)
        wanted = name.decode() == START_TLS
        script.started_tls += wanted
        offered = wanted and script.tls is not None
        code, said = (0, "") if offered else (2, "unsupported")
        result = tlv(0x78, number(code, 0x0A), text(""), text(said))
        goes_on = self._sent(message_id, [(result, b"")], EXTENDED)
        if goes_on and offered:
            self._encrypt()
        return goes_on

    def _answered(
        self, message_id: bytes, content: bytes, controls: list[tuple[int, bytes]]
    ) -> bool:
        script = self.server.script
        asked = _asked(content, controls, len(script.searches) + 1, self.number)
        if asked.base:
            script.searches.append(asked)
        return self._sent(message_id, script.answer(asked) if asked.base else script.root)

    def _sent(self, message_id: bytes, replies: Iterable[Reply], operation: int = 0) -> bool:
        """Send; whether the connection goes on."""
        closing = self.server.script.closing
        tamper = self.server.script.tamper.get(operation)
        for reply in replies:
            if isinstance(reply, tuple):
                message = tlv(0x30, tlv(0x02, message_id), *reply)
                if tamper is not None:
                    return self._sent(message_id, tamper(message))
                self.wfile.write(message)
            elif isinstance(reply, Sent):
                self.wfile.write(reply.data)
            elif isinstance(reply, Drip):
                for byte in reply.data:
                    self.wfile.write(bytes((byte,)))
                    if closing.wait(reply.seconds):
                        return False
            else:
                if isinstance(reply, Silence):
                    closing.wait()
                return False
        return True

    def _message(self) -> bytes:
        head = self.rfile.read(2)
        if len(head) < 2:
            return b""
        size = head[1]
        if size > 0x7F:
            size = int.from_bytes(self.rfile.read(size & 0x7F), "big")
        return self.rfile.read(size)


def _asked(content: bytes, controls: list[tuple[int, bytes]], count: int, connection: int) -> Asked:
    fields = list(parts(content))
    base, scope, _, size_limit, _, _, condition, attributes = fields
    cookie, paged, page_size = b"", False, 0
    for _, listed in controls:
        for _, control in parts(listed):
            (_, kind), *_, (_, value) = parts(control)
            if kind.decode() == PAGED_RESULTS:
                paged = True
                (_, page) = next(parts(value))
                (_, size), (_, cookie) = parts(page)
                page_size = int.from_bytes(size, "big")
    return Asked(
        base=base[1].decode(),
        scope=scope[1][0],
        size_limit=int.from_bytes(size_limit[1], "big"),
        filter=condition[1],
        filter_tag=condition[0],
        attributes=tuple(value.decode() for _, value in parts(attributes[1])),
        cookie=cookie,
        paged=paged,
        page_size=page_size,
        number=count,
        connection=connection,
    )
