"""How many requests a second the sandbox takes before it answers 429, and how it says so."""

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from swit_provisioning.sandbox.replies import Reply, refusal

RetryAfter = Literal["none", "seconds", "date"]


class RateLimit:
    """At most `per_second * window_seconds` requests within any window; refused ones don't count.

    `retry_after` says whether a 429 carries that header, in seconds or as an HTTP date.
    """

    def __init__(
        self,
        per_second: float,
        *,
        window_seconds: float = 1.0,
        retry_after: RetryAfter = "seconds",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing taken; `clock` is in seconds and never goes back."""
        self._most = max(1, math.floor(per_second * window_seconds))
        self._window = window_seconds
        self._retry_after = retry_after
        self._clock = clock
        self._taken: deque[float] = deque()

    def refused(self) -> Reply | None:
        """A 429 if this request is one too many; else it is counted."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        if len(self._taken) < self._most:
            self._taken.append(now)
            return None
        return too_many(self._taken[0] + self._window - now, self._retry_after)


def too_many(wait_seconds: float, retry_after: RetryAfter) -> Reply:
    """A 429 that asks to wait (whole seconds, rounded up, as the header has no other)."""
    seconds = max(0, math.ceil(wait_seconds))
    if retry_after == "none":
        return refusal(429, "Too many requests.")
    if retry_after == "seconds":
        return refusal(429, "Too many requests.", Retry_After=str(seconds))
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return refusal(429, "Too many requests.", Retry_After=format_datetime(then, usegmt=True))
