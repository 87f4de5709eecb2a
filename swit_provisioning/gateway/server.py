"""Runs the gateway until it is ended, where nobody outside can listen to the key on its way."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from typing import Final, NoReturn, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from swit_provisioning.gateway.app import Gateway
from swit_provisioning.settings import Settings, SettingsError

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_BACKLOG: Final = 512


class ListenError(Exception):
    """Nothing can listen there; the message says why."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of `host`: `localhost` mostly has two.

    Raises:
        ListenError: the port is taken, or the address is none of this machine's.

    """
    opened: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            try:
                opened.append(_listening(family, address))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
        if not opened:
            _give_up(host, port, "it is no address of this machine")
    except OSError as error:
        for each in opened:
            each.close()
        _give_up(host, port, error.strerror or str(error), error)
    return opened


def bracketed(host: str) -> str:
    """The host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    # Said to be TCP so that asyncio switches Nagle's delay off.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _give_up(host: str, port: int, why: str, error: OSError | None = None) -> NoReturn:
    message = f"Nothing can listen on {bracketed(host)}:{port}: {why}."
    raise ListenError(message) from error


HEADER_SECONDS: Final = 10.0
"""How long a connection may take for a request's headers, and stay open after an answer."""
MOST_OF_A_CLIENT: Final = 64
MOST_OF_ALL: Final = 512
"""Open connections; most systems let a process have 1,024 files."""


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn has it, with an end for every connection that waits for its client."""

    most_of_a_client = MOST_OF_A_CLIENT
    most_of_all = MOST_OF_ALL
    header_seconds = HEADER_SECONDS

    _waiting_since: float = 0.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Make room for it where there is none."""
        super().connection_made(transport)
        self._await_client()
        open_ones = [cast("GuardedProtocol", each) for each in self.connections]
        of_client = [each for each in open_ones if each.host == self.host]
        if len(of_client) > self.most_of_a_client:
            self._make_room(of_client)
        elif len(open_ones) > self.most_of_all:
            self._make_room(open_ones)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._cancel_end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that is whole waits for us and no longer for its client."""
        super().data_received(data)
        if self._at_work:
            self._cancel_end()

    def on_response_complete(self) -> None:
        """Wait for the client again: for its next request, or until it has read the answer."""
        super().on_response_complete()
        if not self._at_work:
            self._await_client()

    @property
    def host(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""

    @property
    def _at_work(self) -> bool:
        """Whether there is a request without an answer."""
        cycle = self.cycle
        return cast("object", cycle) is not None and not cycle.response_complete

    @property
    def _waits(self) -> bool:
        """Whether it is the client who has to do something."""
        return not self._at_work or (self.cycle.more_body and not self.cycle.response_started)

    def _await_client(self) -> None:
        self._cancel_end()
        self._waiting_since = self.loop.time()
        self._end = self.loop.call_later(self.header_seconds, self._hang_up)

    def _cancel_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _make_room(self, among: "list[GuardedProtocol]") -> None:
        """Close the one that has waited longest; this one itself where nobody waits."""
        waiting = (each for each in among if each._waits and each is not self)  # noqa: SLF001 - its own kind
        longest = min(waiting, key=lambda each: each._waiting_since, default=self)  # noqa: SLF001 - as above
        longest._hang_up()  # noqa: SLF001 - as above

    def _hang_up(self) -> None:
        self._cancel_end()
        # Its place is free at once, not only when the loop comes round to it.
        self.connections.discard(self)
        self.transport.abort()


_LONGEST_HEADERS: Final = 16 * 1024
_KEEP_ALIVE_SECONDS: Final = 5
_SHUTDOWN_SECONDS: Final = 10


def run(settings: Settings, *, behind_proxy: bool) -> None:
    """Answer until it is ended (Ctrl+C, SIGTERM); a run that was started goes on.

    Raises:
        SettingsError: there is no good key, or others could listen to it on its way.
        ListenError: nothing can listen on `HOST` and `PORT`.

    """
    _require_tls(settings, behind_proxy=behind_proxy)
    app = Gateway(settings, behind_proxy=behind_proxy).app()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=_ProxiedProtocol if behind_proxy else GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Believes X-Forwarded-For of 127.0.0.1, or of those that FORWARDED_ALLOW_IPS names.
        proxy_headers=behind_proxy,
        server_header=False,
        h11_max_incomplete_event_size=_LONGEST_HEADERS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # A line for each broken request would let anybody fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        sockets = listen(settings.host, settings.port)
    except ListenError as error:
        message = f"{error} End the program that uses it, or set HOST and PORT to another one."
        raise ListenError(message) from error
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


class _ProxiedProtocol(GuardedProtocol):
    """Behind a proxy all connections are the proxy's, and it guards against slow clients."""

    most_of_a_client = GuardedProtocol.most_of_all


def _require_tls(settings: Settings, *, behind_proxy: bool) -> None:
    if behind_proxy or is_loopback(settings.host):
        return
    problem = (
        f"HOST: {settings.host} can be reached from outside, and the gateway speaks no TLS: the key"
        " would cross the network in clear. Put a reverse proxy with TLS in front and start it with"
        " serve --behind-proxy, or let HOST be 127.0.0.1"
    )
    raise SettingsError([problem])
