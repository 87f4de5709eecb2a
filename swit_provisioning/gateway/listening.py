"""Where the gateway, or a login that waits for its browser, listens."""

import errno
import ipaddress
import socket
from typing import Final, NoReturn

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
