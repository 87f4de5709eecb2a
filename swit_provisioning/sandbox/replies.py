"""What the sandbox sends back: a status and a body, or a connection that is closed instead."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HangUp = Callable[[Scope], None]
"""Closes the connection that a request came on."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer. `body` is JSON; `raw`, where given, is sent instead of it."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: Literal["no", "instead", "midway"] = "no"
    """Whether the connection is closed instead of an answer, or in the middle of it."""

    def content(self) -> bytes:
        """The bytes of the body: none for a 204."""
        if self.raw is not None:
            return self.raw
        no_content = 204
        if self.status == no_content:
            return b""
        return json.dumps(self.body, ensure_ascii=False).encode()


def refusal(status: int, message: str, **headers: str) -> Reply:
    """An error as Swit words one: a JSON object with `message` and an integer `code`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body={"message": message, "code": status}, headers=named)


class ClosedConnection(Response):
    """Sends half of the answer, or none, and hangs up."""

    def __init__(self, reply: Reply, hang_up: HangUp) -> None:
        """Send half of this reply if it `closes` midway."""
        super().__init__()
        self._reply = reply
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until it is closed."""
        if self._reply.closes == "midway":
            await self._send_half(send)
        self._hang_up(scope)
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _send_half(self, send: Send) -> None:
        content = self._reply.content()
        headers = [
            (b"content-type", self._reply.media_type.encode()),
            (b"content-length", str(len(content)).encode()),
        ]
        start = {"type": "http.response.start", "status": self._reply.status, "headers": headers}
        await send(start)
        half = content[: len(content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def response_to(request: Request, reply: Reply) -> Response:
    """The reply as the HTTP server sends it."""
    if reply.closes != "no":
        hang_up: HangUp = request.app.state.hang_up
        return ClosedConnection(reply, hang_up)
    return Response(
        reply.content(),
        status_code=reply.status,
        headers=dict(reply.headers),
        media_type=reply.media_type,
    )
