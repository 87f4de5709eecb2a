"""A small LDAP server that answers each search as a test says, faults and all.

It speaks the wire format with its own dozen lines, so that what reads it is checked by something
that doesn't share its code.
"""

import re
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from swit_provisioning.directory.addresses import ServerAddress

PAGED = b"1.2.840.113556.1.4.319"
BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One search request."""

    base: str
    filter: bytes
    """As it came, without its outer tag and length."""
    attributes: tuple[str, ...]
    cookie: bytes
    paged: bool
    number: int
    """1 for the first search since the server was started."""

    @property
    def range_from(self) -> int | None:
        """Where a request for more values of an attribute begins."""
        found = re.fullmatch(r"\w+;range=(\d+)-\*", self.attributes[0])
        return int(found[1]) if found else None


class Close:
    """Instead of a message: the server closes the connection."""


class Silence:
    """Instead of a message: the server says nothing more."""


Reply = tuple[bytes, bytes] | Close | Silence
"""An operation and, behind it, controls; or the end."""


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def text(value: str | bytes, tag: int = 0x04) -> bytes:
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def number(value: int, tag: int = 0x02) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of what stands side by side in `data`."""
    position = 0
    while position < len(data):
        tag, size = data[position], data[position + 1]
        position += 2
        if size > 0x7F:
            more = size & 0x7F
            size = int.from_bytes(data[position : position + more], "big")
            position += more
        yield tag, data[position : position + size]
        position += size


def entry(dn: str, attributes: Mapping[str, Sequence[str | bytes]]) -> Reply:
    """An entry; a name may carry options: `member;range=0-1499`."""
    pairs = [
        tlv(0x30, text(name), tlv(0x31, *map(text, values))) for name, values in attributes.items()
    ]
    return tlv(0x64, text(dn), tlv(0x30, *pairs)), b""


def reference(*urls: str) -> Reply:
    """A continuation reference."""
    return tlv(0x73, *map(text, urls)), b""


def done(code: int = 0, *, cookie: bytes | None = b"", message: str = "", found: str = "") -> Reply:
    """The end of an answer; `cookie=None` leaves the paging control out."""
    controls = b""
    if cookie is not None:
        value = tlv(0x30, number(0), text(cookie))
        controls = tlv(0xA0, tlv(0x30, text(PAGED), text(value)))
    return tlv(0x65, number(code, 0x0A), text(found), text(message)), controls


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
    ) -> None:
        self.answer = answer
        self.root = [*root] or [done()]
        self.bind = bind
        self.searches: list[Asked] = []
        self.logins: list[tuple[str, str]] = []
        self.started_tls = 0
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(host="127.0.0.1", port=self._server.server_address[1], tls="none")

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
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while message := self._message():
                if not self._served(message):
                    return
        except OSError:
            return

    def _served(self, message: bytes) -> bool:
        (_, message_id), (operation, content), *controls = parts(message)
        script = self.server.script
        if operation == BIND:
            _, (_, name), (_, password) = parts(content)
            script.logins.append((name.decode(), password.decode()))
            code, said = script.bind
            self._send(message_id, (tlv(0x61, number(code, 0x0A), text(""), text(said)), b""))
            return True
        if operation == EXTENDED:
            script.started_tls += 1
            refusal = tlv(0x78, number(2, 0x0A), text(""), text("unsupported"))
            self._send(message_id, (refusal, b""))
            return True
        return operation == SEARCH and self._answered(message_id, content, controls)

    def _answered(
        self, message_id: bytes, content: bytes, controls: list[tuple[int, bytes]]
    ) -> bool:
        script = self.server.script
        asked = _asked(content, controls, len(script.searches) + 1)
        replies = script.root if asked.base == "" else script.answer(asked)
        if asked.base:
            script.searches.append(asked)
        for reply in replies:
            if isinstance(reply, Silence):
                script.closing.wait()
            if not isinstance(reply, tuple):
                return False
            self._send(message_id, reply)
        return True

    def _send(self, message_id: bytes, reply: tuple[bytes, bytes]) -> None:
        self.wfile.write(tlv(0x30, tlv(0x02, message_id), *reply))

    def _message(self) -> bytes:
        head = self.rfile.read(2)
        if len(head) < 2:
            return b""
        size = head[1]
        if size > 0x7F:
            size = int.from_bytes(self.rfile.read(size & 0x7F), "big")
        return self.rfile.read(size)


def _asked(content: bytes, controls: list[tuple[int, bytes]], count: int) -> Asked:
    fields = [value for _, value in parts(content)]
    cookie, paged = b"", False
    for _, listed in controls:
        for _, control in parts(listed):
            (_, kind), *_, (_, value) = parts(control)
            if kind == PAGED:
                paged = True
                (_, page) = next(parts(value))
                *_, (_, cookie) = parts(page)
    return Asked(
        base=fields[0].decode(),
        filter=fields[6],
        attributes=tuple(value.decode() for _, value in parts(fields[7])),
        cookie=cookie,
        paged=paged,
        number=count,
    )
