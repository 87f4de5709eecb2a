"""Runs the gateway on loopback, or behind a reverse proxy that speaks TLS."""

import contextlib
import errno
import ipaddress
import logging
import socket
from typing import Final

import uvicorn

from swit_provisioning.gateway.routes import Gateway
from swit_provisioning.settings import Settings, SettingsError

_NOT_ON_THIS_MACHINE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_BACKLOG: Final = 512
_MAX_HEADER_BYTES: Final = 16 * 1024
_KEEP_ALIVE_SECONDS: Final = 5
_SHUTDOWN_SECONDS: Final = 10


class ListenError(Exception):
    """The address cannot be listened on; the message says why."""


def run(settings: Settings, *, behind_proxy: bool) -> None:
    """Serve until SIGINT or SIGTERM. Runs that were started go on.

    Raises:
        SettingsError: the key is missing or too short, or would cross the network unencrypted.
        ListenError: nothing can listen on `HOST` and `PORT`.

    """
    if not behind_proxy and not is_loopback(settings.host):
        problem = (
            f"HOST: {settings.host} can be reached from outside, and the gateway speaks no TLS: the"
            " key would cross the network unencrypted. Put a reverse proxy with TLS in front and"
            " start it with serve --behind-proxy, or set HOST to 127.0.0.1"
        )
        raise SettingsError([problem])
    config = uvicorn.Config(
        Gateway(settings, behind_proxy=behind_proxy).app(),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # X-Forwarded-For is trusted from 127.0.0.1, or from the proxies in FORWARDED_ALLOW_IPS.
        proxy_headers=behind_proxy,
        server_header=False,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # Uvicorn warns of each invalid request, so a client could fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        sockets = listen(settings.host, settings.port)
    except ListenError as error:
        message = f"{error} Stop the program that uses it, or set HOST and PORT to another address."
        raise ListenError(message) from error
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """The host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of `host`; `localhost` usually has two.

    Raises:
        ListenError: the port is in use, or no address belongs to this machine.

    """
    opened: list[socket.socket] = []
    reason = "it is no address of this machine"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            # With the protocol named, asyncio switches Nagle's algorithm off.
            made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            opened.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                made.bind(address)
            except OSError as error:
                if error.errno not in _NOT_ON_THIS_MACHINE:
                    raise
                opened.remove(made)
                made.close()
            else:
                made.listen(_BACKLOG)
    except OSError as error:
        for each in opened:
            each.close()
        opened, reason = [], error.strerror or str(error)
    if not opened:
        message = f"Nothing can listen on {bracketed(host)}:{port}: {reason}."
        raise ListenError(message)
    return opened
