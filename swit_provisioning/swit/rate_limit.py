"""Rate limit of requests, for all threads and steps of a run: fixed or adaptive."""

import math
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, Protocol

START_PER_SECOND: Final = 5.0
MAX_PER_SECOND: Final = 20.0
_MIN_PER_SECOND: Final = 0.2

# Swit counts requests when they arrive, and the network delays some of them: without a margin
# these and the next ones would exceed the limit. A 429 costs more than the margin.
_MARGIN: Final = 0.05
_HISTORY_SECONDS: Final = 60.0

# Requests per second that each answer adds: before the first 429, below the limit that a 429
# showed, and beyond that limit.
_SEARCH_STEP: Final = 3.0
_RETURN_STEP: Final = 0.5
_PROBE_STEP: Final = 0.1
_PROBE_AFTER_SECONDS: Final = 60.0
"""How long the pace stays at the limit before it probes beyond it."""


class Pace(Protocol):
    """Decides when the next request may be sent. Thread-safe.

    The sender reports the answer to each request with the turn that the request had.
    """

    def wait(self) -> float:
        """Block until the next request may be sent; its turn, in seconds of the pace's clock."""

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Swit answered 429. Nothing is sent for `retry_after` seconds, if given."""

    def succeeded(self, turn: float) -> None:
        """Swit accepted a request."""


class FixedPace:
    """A fixed number of requests per second, evenly spaced."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the pace in requests per second; `clock` and `sleep` use seconds."""
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_turn = -math.inf
        self._held_until = -math.inf
        self._sent_at: list[float] = []

    @property
    def per_second(self) -> float:
        """The current pace in requests per second."""
        with self._lock:
            return self._per_second

    def wait(self) -> float:
        """Block until the next request may be sent; its turn."""
        turn: float | None = None
        while True:
            with self._lock:
                now = self._clock()
                if turn is None or turn < self._held_until:
                    # Taken again if a 429 came while this thread slept. Turns are evenly spaced;
                    # a late one does not let the next ones catch up.
                    turn = max(now, self._next_turn, self._held_until)
                    self._next_turn = turn + (1 + _MARGIN) / self._per_second
                seconds = max(turn, self._next_free()) - now
                if seconds <= 0:
                    self._sent_at.append(now)
                    if self._sent_at[0] < now - 2 * _HISTORY_SECONDS:
                        del self._sent_at[: bisect_right(self._sent_at, now - _HISTORY_SECONDS)]
                    return now
            self._sleep(seconds)

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Send nothing for `retry_after` seconds; the pace stays."""
        del turn
        with self._lock:
            self._hold(retry_after)

    def succeeded(self, turn: float) -> None:
        """Do nothing: the pace is fixed."""

    def _next_free(self) -> float:
        """When one more request keeps within the pace, even if threads woke up late."""
        count = max(math.floor(self._per_second), 1)
        if len(self._sent_at) < count:
            return -math.inf
        return self._sent_at[-count] + (1 + _MARGIN / 2) * count / self._per_second

    def _sent_before(self, turn: float, seconds: float) -> int:
        """The number of requests in the `seconds` up to `turn`, including the one at `turn`."""
        return bisect_right(self._sent_at, turn) - bisect_right(self._sent_at, turn - seconds)

    def _hold(self, retry_after: float | None) -> None:
        if retry_after is not None:
            self._held_until = max(self._held_until, self._clock() + retry_after)


class AutoPace(FixedPace):
    """Adapts the pace: each answer adds a little, a 429 halves it.

    A 429 also shows the limit: the number of requests that went through in the time that Swit
    asks to wait (one second if it does not say). The pace returns to that limit quickly and
    stays there for a minute, then probes beyond it.
    """

    def __init__(
        self,
        start: float = START_PER_SECOND,
        most: float = MAX_PER_SECOND,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with `start` requests per second, never exceed `most`."""
        super().__init__(min(start, most), clock=clock, sleep=sleep)
        self._most = most
        self._least = min(_MIN_PER_SECOND, most)
        self._limit: float | None = None
        self._halved_at = self._clock()

    @property
    def most_per_second(self) -> float:
        """The maximum, in requests per second."""
        return self._most

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Halve the pace, once for all requests that were in flight together."""
        with self._lock:
            self._hold(retry_after)
            if turn < self._halved_at:
                return
            window = min(max(retry_after or 1.0, 1.0), _HISTORY_SECONDS)
            # Less than a whole window of requests does not show the limit.
            if max(self._halved_at, self._sent_at[0]) <= turn - window:
                self._limit = max(self._sent_before(turn, window) - 1, 1) / window
            elif self._limit is None:
                self._limit = self._per_second
            self._per_second = max(min(self._per_second, self._limit) / 2, self._least)
            self._halved_at = self._clock()

    def succeeded(self, turn: float) -> None:
        """Raise the pace a little. Does nothing if the pace is not used, or is at the limit."""
        with self._lock:
            # The answer to a request that was sent before the last 429 says nothing about now.
            is_used = self._sent_before(turn, 1.0) >= self._per_second / 4
            if turn < self._halved_at or not is_used:
                return
            ceiling, step = self._most, _SEARCH_STEP
            if self._limit is not None:
                ceiling, step = min(self._most, max(self._limit, self._least)), _RETURN_STEP
                if self._per_second >= ceiling:
                    if self._clock() - self._halved_at < _PROBE_AFTER_SECONDS:
                        return
                    ceiling, step = self._most, _PROBE_STEP
            self._per_second = min(self._per_second + step, ceiling)


def estimated_pace(setting: str) -> float:
    """Requests a second to expect: the number, or half of what `auto` may reach."""
    if setting == "auto":
        return MAX_PER_SECOND / 2
    return float(setting.removeprefix("auto:")) / (2 if setting.startswith("auto:") else 1)


def parse_pace(text: str) -> Pace:
    """The pace that `auto`, `auto:N` (to N at most) or `N` (requests per second) names.

    Raises:
        ValueError: it is none of them; the message says so and gives examples.

    """
    match = re.fullmatch(r"(auto)?(:)?(\d+(?:\.\d+)?)?", text.strip(), re.IGNORECASE)
    auto, colon, number = match.groups() if match else (None, None, None)
    if auto and not colon and not number:
        return AutoPace()
    if number and bool(auto) == bool(colon) and float(number) > 0:
        return AutoPace(most=float(number)) if auto else FixedPace(float(number))
    message = (
        f"{text!r} is not a pace. Write auto, auto:10 (adapts, up to 10 requests per second) or a"
        " number of requests per second above 0, such as 4"
    )
    raise ValueError(message)
