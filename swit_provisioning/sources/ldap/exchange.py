"""Searches sent and answered over a connection, within limits of time and size.

ldap3 only encodes filters here: it takes seven times as long for an answer, waits and gathers
without an end, and hides some of what can be wrong with an answer.
"""

import math
import socket
import time
from functools import lru_cache
from typing import NoReturn

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import search_operation
from ldap3.utils.asn1 import encode  # type: ignore[attr-defined] # the stubs lack it

from swit_provisioning.sources.base import DirectoryIncompleteError
from swit_provisioning.sources.config import LdapLimits
from swit_provisioning.sources.ldap.wire import Answer, paging, request

_RECEIVE_BYTES = 1 << 18


class LostConnectionError(Exception):
    """Nothing more can be expected of the connection; the message says why."""


class BadRequestError(Exception):
    """The request can't be put together: its filter is none."""


@lru_cache(maxsize=100)
def encoded_filter(text: str) -> bytes:
    """Encode an LDAP filter (RFC 4515).

    Raises:
        BadRequestError: the text is not a filter.

    """
    try:
        made = search_operation(
            "",
            text,
            ldap3.BASE,
            ldap3.DEREF_NEVER,
            [],
            size_limit=0,
            time_limit=0,
            types_only=False,
            auto_escape=False,
            auto_encode=True,
            check_names=False,
        )
    except LDAPException as error:
        raise BadRequestError(str(error)) from error
    return bytes(encode(made["filter"]))


class Connection:
    """Sends and receives bytes; nothing that it does lasts longer than the limits allow."""

    def __init__(
        self, socket: socket.socket, server: object, *, seconds: float, limits: LdapLimits
    ) -> None:
        """Use a socket that is connected, alone.

        Args:
            socket: replaced where TLS begins.
            server: what error messages call the server.
            seconds: how long the server may be silent.
            limits: for everything else.

        """
        self.socket = socket
        self.limits = limits
        self._server = server
        self._seconds = seconds
        self._number = 0
        self._bytes = 0
        self._end = math.inf

    def begin(self) -> int:
        """Begin an operation, whose time runs from now; the number of its message."""
        self._end = time.monotonic() + self.limits.answer_seconds
        self._number += 1
        return self._number

    def send(self, data: bytes) -> None:
        """Send.

        Raises:
            LostConnectionError: it can't be sent.
            DirectoryIncompleteError: the whole read lasts too long.

        """
        try:
            self.wait_at_most(self._seconds)
            self.socket.sendall(data)
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    def receive(self) -> bytes:
        """What comes next.

        Raises:
            LostConnectionError: the connection ended, nothing came for too long, or the answer
                takes too long.
            DirectoryIncompleteError: the whole read lasts too long, or is too large.

        """
        chunk = None
        while chunk is None:
            waits = self.wait_at_most(self._seconds)
            try:
                chunk = self.socket.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                if waits < self._seconds:
                    continue  # it was cut short by a deadline, which is over now
                message = f"timed out: nothing came for {waits:g} seconds"
                raise LostConnectionError(message) from error
            except OSError as error:
                raise LostConnectionError(str(error)) from error
        if not chunk:
            message = "the server closed it before the answer was complete"
            raise LostConnectionError(message)
        self._bytes += len(chunk)
        if self._bytes > self.limits.read_bytes:
            self._refuse(f"the read has more than {self.limits.read_bytes} bytes.")
        return chunk

    def wait_at_most(self, seconds: float) -> float:
        """Let the next step on the socket take so long, or less where a deadline is near.

        Raises:
            LostConnectionError: the answer takes too long.
            DirectoryIncompleteError: the whole read lasts too long.

        """
        now = time.monotonic()
        if now >= self.limits.read_until:
            self._refuse(
                "the whole read took longer than DIRECTORY_TIMEOUT_MINUTES allows. Ask who runs the"
                " server why it is slow, or set DIRECTORY_TIMEOUT_MINUTES higher."
            )
        if now >= self._end:
            message = f"the answer was not complete after {self.limits.answer_seconds:g} seconds"
            raise LostConnectionError(message)
        waits = min(seconds, self._end - now, self.limits.read_until - now)
        self.socket.settimeout(waits)
        return waits

    def _refuse(self, problem: str) -> NoReturn:
        message = f"{self._server}: {problem} Nothing of it is used."
        raise DirectoryIncompleteError(message)


class Exchange:
    """Searches and their answers."""

    def __init__(self, connection: Connection) -> None:
        """Use this connection, alone."""
        self._connection = connection
        self._answer: Answer | None = None
        self._left_over = b""

    @property
    def awaited(self) -> Answer | None:
        """The answer that is still to come, with as much of it as has come."""
        return self._answer

    def ask(self, *searches: bytes, page: tuple[int, bytes] | None = None) -> None:
        """Send requests. Their answer has to be received before the next ones are sent.

        Args:
            searches: encoded search requests.
            page: how many entries, and the cookie of the page before; `None`: all at once.

        Raises:
            LostConnectionError: it can't be sent.

        """
        numbers = [self._connection.begin() for _ in searches]
        controls = () if page is None else (paging(*page),)
        most = self._connection.limits.answer_bytes
        self._answer = Answer(numbers[0], self._left_over, requests=len(numbers), most_bytes=most)
        messages = (
            request(number, search, *controls)
            for number, search in zip(numbers, searches, strict=True)
        )
        self._connection.send(b"".join(messages))

    def receive(self) -> Answer:
        """Wait for the whole answer.

        Raises:
            LostConnectionError: the connection ended, or the answer takes too long.
            DisconnectedError: the server says that it ends the connection.
            WireError: what came is no answer, or too long.

        """
        answer = self._answer
        if answer is None:
            message = "nothing was asked"
            raise RuntimeError(message)
        ended = answer.add()
        while not ended:
            ended = answer.add(self._connection.receive())
        self._answer = None
        self._left_over = answer.left_over
        return answer
