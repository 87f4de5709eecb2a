"""What the sandbox was asked: every call with its arguments and its answer's status, and counts.

Tokens and client secrets are never kept.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_KEPT_ENTRIES = 10_000
_SUMMARY_LENGTH = 160
_SECRET = ("client_secret", "code", "code_verifier", "refresh_token", "access_token")


@dataclass(kw_only=True)
class CallEntry:
    """One call: `at` in seconds of the monotonic clock; `status` is `None` until it is answered.

    It stays `None` where the connection was closed instead of an answer.
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
        """Begin with no calls."""
        self._lock = threading.Lock()
        self._entries: deque[CallEntry] = deque(maxlen=_KEPT_ENTRIES)
        self._counts: Counter[str] = Counter()
        self._in_flight = 0
        self._most_in_flight = 0

    def arrived(self, method: str, call: str, arguments: Mapping[str, Any]) -> CallEntry:
        """Note a call that has just come in."""
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
        """Note what it was answered; `None`: nothing."""
        with self._lock:
            self._in_flight -= 1
            entry.status = status

    def of(self, pattern: str = "*") -> list[CallEntry]:
        """The calls so named (`team.create`, `team.*`), oldest first."""
        with self._lock:
            return [entry for entry in self._entries if fnmatchcase(entry.call, pattern)]

    @property
    def counts(self) -> Counter[str]:
        """How often each call came in, whatever it was answered."""
        with self._lock:
            return Counter(self._counts)

    @property
    def total(self) -> int:
        """How many calls of the API and SCIM came in; signing in doesn't count."""
        counts = self.counts
        return sum(n for call, n in counts.items() if not call.startswith("oauth."))

    @property
    def most_in_flight(self) -> int:
        """How many calls were being answered at one time, at most."""
        with self._lock:
            return self._most_in_flight

    def clear(self) -> None:
        """Forget all calls and counts."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()
            self._most_in_flight = self._in_flight
