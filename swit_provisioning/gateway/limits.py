"""How much and how slowly a client may send: a body that is too long is not even read."""

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY: Final = 64 * 1024
"""Bytes: the longest form that is asked for has a few hundred."""
BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive."""

_CLOSE: Final = (b"connection", b"close")


class _RefusedBodyError(Exception):
    """The body is too long, or too slow."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"message": message}, status_code=status)


class BodyLimits:
    """ASGI middleware: refuses long bodies (413) and slow ones (408).

    A connection on which a body was left unread is closed after the answer: whatever comes after
    it could not be told from the rest of the body without reading that.
    """

    def __init__(
        self, app: ASGIApp, *, longest: int = LONGEST_BODY, seconds: float = BODY_SECONDS
    ) -> None:
        """Take the application, and the most bytes and seconds of a body."""
        self._app = app
        self._longest = longest
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, longest=self._longest, seconds=self._seconds)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not body.is_read:
                    message["headers"] = [*message.get("headers", []), _CLOSE]
            await send(message)

        try:
            body.refuse_announced()
            await self._app(scope, body.receive, sending)
        except _RefusedBodyError as refused:
            if not started:
                await refused.response(scope, receive, sending)
        except ClientDisconnect:
            # Nobody is left to answer.
            return


class _Body:
    """The body of one request, as far as it was read."""

    def __init__(self, scope: Scope, receive: Receive, *, longest: int, seconds: float) -> None:
        headers = Headers(scope=scope)
        self._announced = headers.get("content-length", "0")
        self.is_read = self._announced == "0" and "transfer-encoding" not in headers
        self._receive = receive
        self._longest = longest
        self._seconds = seconds
        self._length = 0
        self._until: float | None = None

    def refuse_announced(self) -> None:
        # h11 lets nothing but digits through.
        if int(self._announced) > self._longest:
            raise self._too_long()

    async def receive(self) -> Message:
        if self.is_read:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            words = f"The body did not arrive within {self._seconds:g} seconds."
            raise _RefusedBodyError(408, words) from None
        self._length += len(message.get("body", b""))
        if self._length > self._longest:
            raise self._too_long()
        self.is_read = not message.get("more_body", False)
        return message

    def _too_long(self) -> _RefusedBodyError:
        return _RefusedBodyError(413, f"The body is longer than {self._longest} bytes.")
