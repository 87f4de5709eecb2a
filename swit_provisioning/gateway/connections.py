"""Connections that cost the other side nothing must not cost this one much.

Whoever opens connections and sends nothing, or a header now and then, has them closed again: after
some seconds, and at once when newer ones need the place. So a new client always gets in, and
sends its request long before it is the oldest that waits.
"""

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

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
