"""The rate limit and the log of the sandbox's calls."""

import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from swit_provisioning.sandbox.records import RefusedError

_MAX_ENTRIES = 10_000
_MAX_SUMMARY_LENGTH = 160
_SECRETS = ("client_secret", "code", "code_verifier", "refresh_token", "access_token")


class RateLimit:
    """At most `per_second * window_seconds` accepted requests in any window.

    `retry_after` is the form of that header in a 429.
    """

    def __init__(
        self,
        per_second: float,
        *,
        window_seconds: float = 1.0,
        retry_after: Literal["none", "seconds", "date"] = "seconds",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; `clock` returns seconds and never goes back."""
        self._most = max(1, math.floor(per_second * window_seconds))
        self._window = window_seconds
        self._retry_after = retry_after
        self._clock = clock
        self._accepted: deque[float] = deque()

    def refused(self) -> RefusedError | None:
        """A 429 if this request exceeds the limit; otherwise count it."""
        now = self._clock()
        while self._accepted and self._accepted[0] <= now - self._window:
            self._accepted.popleft()
        if len(self._accepted) < self._most:
            self._accepted.append(now)
            return None
        seconds = max(0, math.ceil(self._accepted[0] + self._window - now))
        headers = {}
        if self._retry_after == "seconds":
            headers["Retry-After"] = str(seconds)
        elif self._retry_after == "date":
            then = datetime.now(UTC) + timedelta(seconds=seconds)
            headers["Retry-After"] = format_datetime(then, usegmt=True)
        return RefusedError(429, "Too many requests.", headers)


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
        text = json.dumps(self.arguments, ensure_ascii=False, default=str)
        is_short = len(text) <= _MAX_SUMMARY_LENGTH
        return text if is_short else f"{text[: _MAX_SUMMARY_LENGTH - 1]}…"

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
        self._entries: deque[CallEntry] = deque(maxlen=_MAX_ENTRIES)
        self._counts: Counter[str] = Counter()
        self._in_flight = 0
        self._most_in_flight = 0

    def arrived(self, method: str, call: str, arguments: Mapping[str, Any]) -> CallEntry:
        """Record a call that has arrived."""
        with self._lock:
            self._counts[call] += 1
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            entry = CallEntry(
                number=self._counts.total(),
                method=method,
                call=call,
                arguments={k: "…" if k in _SECRETS else v for k, v in arguments.items()},
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
        return sum(n for call, n in self.counts.items() if not call.startswith("oauth."))

    @property
    def most_in_flight(self) -> int:
        """The maximum number of calls in flight at the same time."""
        return self._most_in_flight

    def clear(self) -> None:
        """Forget all calls and counts."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()
            self._most_in_flight = self._in_flight
