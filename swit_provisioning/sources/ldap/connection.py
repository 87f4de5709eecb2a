"""A connection to an LDAP server: sends requests and receives answers, within limits.

ldap3 only encodes filters here. It takes seven times as long to decode an answer, waits without a
time limit, and hides some problems of an answer.
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
from swit_provisioning.sources.ldap import wire

_RECEIVE_BYTES = 1 << 18
_TLS_RECORDS = (0x15, 0x16)


class LostConnectionError(Exception):
    """The connection cannot be used any more. The message says why."""


class BadRequestError(Exception):
    """The request cannot be encoded: its filter is not valid."""


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
    """Sends and receives. No operation takes longer than the limits allow."""

    def __init__(
        self, socket: socket.socket, server: object, *, seconds: float, limits: LdapLimits
    ) -> None:
        """Use a socket that nothing else uses.

        Args:
            socket: replaced when TLS begins.
            server: name of the server in messages.
            seconds: how long the server may be silent.
            limits: all other limits.

        """
        self.socket = socket
        self.limits = limits
        self.awaited: wire.Answer | None = None
        """Answer that is not complete, with the entries that have arrived."""
        self._server = server
        self._seconds = seconds
        self._number = 0
        self._bytes = 0
        self._end = math.inf
        self._left_over = b""

    def begin(self) -> int:
        """Begin an operation and its time limit. Returns the number of its message."""
        self._end = time.monotonic() + self.limits.answer_seconds
        self._number += 1
        return self._number

    def send(self, operation: bytes, *controls: bytes) -> int:
        """Send one request. Returns the number of its message.

        Raises:
            LostConnectionError: it cannot be sent.
            DirectoryIncompleteError: the whole read takes too long.

        """
        number = self.begin()
        self._send(wire.request(number, operation, *controls))
        return number

    def call(self, operation: bytes, tag: int) -> wire.Result:
        """Send a request whose answer is one message with this tag, and wait for it.

        Raises:
            LostConnectionError, DisconnectedError, WireError: as `answer`.

        """
        number = self.send(operation)
        data = bytearray()
        result = None
        while result is None:
            data += self._receive()
            if data[0] in _TLS_RECORDS:
                message = "it is TLS"
                raise wire.WireError(message)
            result = wire.single_answer(data, number, tag, self.limits.login_bytes)
        return result

    def ask(self, *searches: bytes, page: tuple[int, bytes] | None = None) -> None:
        """Send searches. Their answer must be received before the next ones are sent.

        Args:
            searches: encoded search requests.
            page: size of the page, and the cookie of the page before; `None`: no paging.

        Raises:
            LostConnectionError, DirectoryIncompleteError: as `send`.

        """
        numbers = [self.begin() for _ in searches]
        controls = () if page is None else (wire.paging(*page),)
        self.awaited = wire.Answer(
            numbers[0],
            self._left_over,
            requests=len(numbers),
            most_bytes=self.limits.answer_bytes,
        )
        messages = (
            wire.request(number, search, *controls)
            for number, search in zip(numbers, searches, strict=True)
        )
        self._send(b"".join(messages))

    def answer(self) -> wire.Answer:
        """Wait for the whole answer to the searches.

        Raises:
            LostConnectionError: the connection ended, or the answer takes too long.
            DisconnectedError: the server announced that it closes the connection.
            WireError: what arrived is not an answer, or is too long.
            DirectoryIncompleteError: the whole read takes too long, or is too large.

        """
        answer = self.awaited
        if answer is None:
            message = "no search was sent"
            raise RuntimeError(message)
        ended = answer.add()
        while not ended:
            ended = answer.add(self._receive())
        self.awaited = None
        self._left_over = answer.left_over
        return answer

    def wait_at_most(self, seconds: float) -> float:
        """Limit the next step on the socket to these seconds, or to the nearest deadline.

        Raises:
            LostConnectionError: the answer takes too long.
            DirectoryIncompleteError: the whole read takes too long.

        """
        now = time.monotonic()
        if now >= self.limits.read_until:
            self._refuse(
                "the whole read took longer than DIRECTORY_TIMEOUT_MINUTES allows. Ask the"
                " administrator of the server why it is slow, or raise DIRECTORY_TIMEOUT_MINUTES."
            )
        if now >= self._end:
            message = f"the answer was not complete after {self.limits.answer_seconds:g} seconds"
            raise LostConnectionError(message)
        waits = min(seconds, self._end - now, self.limits.read_until - now)
        self.socket.settimeout(waits)
        return waits

    def _send(self, data: bytes) -> None:
        try:
            self.wait_at_most(self._seconds)
            self.socket.sendall(data)
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    def _receive(self) -> bytes:
        chunk = None
        while chunk is None:
            waits = self.wait_at_most(self._seconds)
            try:
                chunk = self.socket.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                if waits < self._seconds:
                    continue  # a deadline has passed, which `wait_at_most` reports
                message = f"timed out: the server sent nothing for {waits:g} seconds"
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

    def _refuse(self, problem: str) -> NoReturn:
        message = f"{self._server}: {problem} Nothing that was read is used."
        raise DirectoryIncompleteError(message)
