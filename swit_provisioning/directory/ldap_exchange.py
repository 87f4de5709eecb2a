"""Searches sent and answered over a connection that ldap3 has opened, secured and logged in.

ldap3 itself takes seven times as long for an answer, and hides some of what can be wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import ProtocolOp
from ldap3.utils.asn1 import encode  # type: ignore[attr-defined] # the stubs lack it

from swit_provisioning.directory.ldap_wire import Answer, paging, request

_RECEIVE_BYTES = 1 << 18


class LostConnectionError(Exception):
    """Nothing more can be expected of the connection; the message says why."""


class BadRequestError(Exception):
    """The request can't be put together: its filter is none."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A search, encoded; it is sent once for each page."""

    operation: bytes

    @classmethod
    def search(
        cls, base: str, filter_: str, scope: Literal["BASE", "SUBTREE"], names: Sequence[str]
    ) -> "Request":
        """Encode a search for these attributes.

        Raises:
            BadRequestError: the filter is none.

        """
        try:
            made = search_operation(
                base,
                filter_,
                scope,
                ldap3.DEREF_NEVER,
                list(names),
                size_limit=0,
                time_limit=0,
                types_only=False,
                auto_escape=False,
                auto_encode=True,
                check_names=False,
            )
        except LDAPException as error:
            raise BadRequestError(str(error)) from error
        return cls(operation=encode(ProtocolOp().setComponentByName("searchRequest", made)))


class Exchange:
    """One request at a time, and its answer."""

    def __init__(self, connection: ldap3.Connection) -> None:
        """Use this connection, alone; its receive timeout holds for each silence."""
        self._connection = connection
        self._seconds = connection.receive_timeout
        self._answer: Answer | None = None
        self._left_over = b""
        # ldap3 sets its timeout where TLS doesn't look.
        connection.socket.settimeout(self._seconds)

    @property
    def awaited(self) -> Answer | None:
        """The answer that is still to come, with as much of it as has come."""
        return self._answer

    def ask(self, asked: Request, page: tuple[int, bytes] | None = None) -> None:
        """Send a request; its answer has to be received before the next one is sent.

        Args:
            asked: what to search for.
            page: how many entries, and the cookie of the page before; `None`: all at once.

        Raises:
            LostConnectionError: it can't be sent.

        """
        number = self._connection.server.next_message_id()
        controls = () if page is None else (paging(*page),)
        self._answer = Answer(number, self._left_over)
        try:
            self._connection.socket.sendall(request(number, asked.operation, *controls))
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    def receive(self) -> Answer:
        """Wait for the whole answer.

        Raises:
            LostConnectionError: the connection ended, or nothing came for too long.
            DisconnectedError: the server says that it ends the connection.
            WireError: what came is no answer.

        """
        answer = self._answer
        if answer is None:
            message = "nothing was asked"
            raise RuntimeError(message)
        ended = answer.add()
        while not ended:
            ended = answer.add(self._chunk())
        self._answer = None
        self._left_over = answer.left_over
        return answer

    def _chunk(self) -> bytes:
        try:
            chunk: bytes = self._connection.socket.recv(_RECEIVE_BYTES)
        except TimeoutError as error:
            message = f"timed out: nothing came for {self._seconds} seconds"
            raise LostConnectionError(message) from error
        except OSError as error:
            raise LostConnectionError(str(error)) from error
        if not chunk:
            message = "the server closed it before the answer was complete"
            raise LostConnectionError(message)
        return chunk
