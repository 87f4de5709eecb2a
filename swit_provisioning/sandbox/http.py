"""Arguments, replies, rate limit and log of the sandbox's calls."""

import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from swit_provisioning.sandbox.model import RefusedError


class Arguments:
    """A query, a form or a JSON body. Every method raises `RefusedError` (400)."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values, which can have any type."""
        self.values = values

    def text(self, name: str) -> str:
        """A required text, not empty."""
        found = self.optional_text(name)
        if not found:
            raise RefusedError(400, f"{name} is required.")
        return found

    def optional_text(self, name: str) -> str | None:
        """A text; `None` if it is missing or null."""
        found = self.values.get(name)
        if found is not None and not isinstance(found, str):
            raise RefusedError(400, f"{name} must be a string.")
        return found

    def texts(self, name: str) -> list[str]:
        """A required list of texts."""
        found = self.values.get(name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise RefusedError(400, f"{name} must be a list of strings.")
        return list(found)

    def number(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """An integer within bounds; required without a default."""
        found = self.values.get(name, default)
        digits = str(found)
        if not digits.isascii() or not digits.isdigit() or not least <= int(digits) <= most:
            raise RefusedError(400, f"{name} must be a number from {least} to {most}.")
        return int(digits)

    def flag(self, name: str) -> bool:
        """`true` or `false` in any case; `false` if it is missing."""
        found = str(self.values.get(name, "false")).lower()
        if found not in ("true", "false"):
            raise RefusedError(400, f"{name} must be true or false.")
        return found == "true"


HangUp = Callable[[Scope], None]
"""Closes the connection of a request."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer. `body` is JSON; `raw` is sent instead if it is given."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: Literal["no", "instead", "midway"] = "no"
    """Whether the connection is closed instead of the answer, or in the middle of it."""

    def content(self) -> bytes:
        """The bytes of the body; empty for a 204."""
        if self.raw is not None:
            return self.raw
        no_content = 204
        if self.status == no_content:
            return b""
        return json.dumps(self.body, ensure_ascii=False).encode()


def refusal(status: int, message: str, **headers: str) -> Reply:
    """An error in Swit's form: a JSON object with `message` and an integer `code`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body={"message": message, "code": status}, headers=named)


class ClosedConnection(Response):
    """Sends half of the answer, or nothing, and closes the connection."""

    def __init__(self, reply: Reply, hang_up: HangUp) -> None:
        """Take the reply; half of it is sent if it `closes` midway."""
        super().__init__()
        self._reply = reply
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection and wait until it is closed."""
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
    """The reply as an HTTP response."""
    if reply.closes != "no":
        hang_up: HangUp = request.app.state.hang_up
        return ClosedConnection(reply, hang_up)
    return Response(
        reply.content(),
        status_code=reply.status,
        headers=dict(reply.headers),
        media_type=reply.media_type,
    )


RetryAfter = Literal["none", "seconds", "date"]


class RateLimit:
    """At most `per_second * window_seconds` accepted requests in any window.

    `retry_after` is the form of that header in a 429.
    """

    def __init__(
        self,
        per_second: float,
        *,
        window_seconds: float = 1.0,
        retry_after: RetryAfter = "seconds",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; `clock` returns seconds and never goes back."""
        self._most = max(1, math.floor(per_second * window_seconds))
        self._window = window_seconds
        self._retry_after = retry_after
        self._clock = clock
        self._taken: deque[float] = deque()

    def refused(self) -> Reply | None:
        """A 429 if this request exceeds the limit; otherwise count it."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        if len(self._taken) < self._most:
            self._taken.append(now)
            return None
        return too_many(self._taken[0] + self._window - now, self._retry_after)


def too_many(wait_seconds: float, retry_after: RetryAfter) -> Reply:
    """A 429 that asks to wait; the header has whole seconds, rounded up."""
    seconds = max(0, math.ceil(wait_seconds))
    if retry_after == "none":
        return refusal(429, "Too many requests.")
    if retry_after == "seconds":
        return refusal(429, "Too many requests.", Retry_After=str(seconds))
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return refusal(429, "Too many requests.", Retry_After=format_datetime(then, usegmt=True))


_KEPT_ENTRIES = 10_000
_SUMMARY_LENGTH = 160
_SECRET = ("client_secret", "code", "code_verifier", "refresh_token", "access_token")


@dataclass(kw_only=True)
class CallEntry:
    """One call: `at` in seconds of the monotonic clock.

    `status` is `None` until the answer, and stays `None` if the connection was closed instead.
    """

    number: int
    method: str
    call: str
    arguments: Mapping[str, Any]
    at: float
    status: int | None = None

    @property
    def summary(self) -> str:
        """The arguments in one line of at most 160 characters."""
        text = json.dumps(dict(self.arguments), ensure_ascii=False, default=str)
        return text if len(text) <= _SUMMARY_LENGTH else f"{text[: _SUMMARY_LENGTH - 1]}…"

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "number": self.number,
            "method": self.method,
            "call": self.call,
            "summary": self.summary,
            "status": self.status,
        }


class CallLog:
    """The newest 10,000 calls, and counts of all. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._entries: deque[CallEntry] = deque(maxlen=_KEPT_ENTRIES)
        self._counts: Counter[str] = Counter()
        self._in_flight = 0
        self._most_in_flight = 0

    def arrived(self, method: str, call: str, arguments: Mapping[str, Any]) -> CallEntry:
        """Record a call that has arrived."""
        shown = {k: "…" if k in _SECRET else v for k, v in arguments.items()}
        with self._lock:
            self._counts[call] += 1
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            entry = CallEntry(
                number=self._counts.total(),
                method=method,
                call=call,
                arguments=shown,
                at=time.monotonic(),
            )
            self._entries.append(entry)
            return entry

    def answered(self, entry: CallEntry, status: int | None) -> None:
        """Record the status of the answer; `None` for no answer."""
        with self._lock:
            self._in_flight -= 1
            entry.status = status

    def of(self, pattern: str = "*") -> list[CallEntry]:
        """The calls that match (`team.create`, `team.*`), oldest first."""
        with self._lock:
            return [entry for entry in self._entries if fnmatchcase(entry.call, pattern)]

    @property
    def counts(self) -> Counter[str]:
        """The number of arrivals of each call, whatever the answer."""
        with self._lock:
            return Counter(self._counts)

    @property
    def total(self) -> int:
        """The number of API and SCIM calls, without OAuth."""
        counts = self.counts
        return sum(n for call, n in counts.items() if not call.startswith("oauth."))

    @property
    def most_in_flight(self) -> int:
        """The maximum number of calls in flight at the same time."""
        with self._lock:
            return self._most_in_flight

    def clear(self) -> None:
        """Forget all calls and counts."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()
            self._most_in_flight = self._in_flight
