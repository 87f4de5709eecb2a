"""How fast requests may go: one pace for all threads and steps."""

import math
import re
import threading
import time
from collections.abc import Callable
from typing import Protocol

START_PER_SECOND = 5.0
MOST_PER_SECOND = 20.0
_LEAST_PER_SECOND = 0.2
# Calls in flight are refused together; they count as one sign.
_SAME_BURST_SECONDS = 2.0


class Pace(Protocol):
    """Gives each request its turn. Safe for several threads."""

    def wait(self) -> None:
        """Block until the next request may go."""

    def throttled(self, retry_after: float | None) -> None:
        """Swit refused a request for haste; nothing goes for `retry_after` seconds, if given."""

    def succeeded(self) -> None:
        """Swit took a request."""


class FixedPace:
    """So many requests a second at most, evenly spaced."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the pace in requests per second; `clock` and `sleep` are in seconds."""
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_turn = -math.inf
        self._held_until = -math.inf

    @property
    def per_second(self) -> float:
        """The pace now, in requests per second."""
        with self._lock:
            return self._per_second

    def wait(self) -> None:
        """Block until the next request may go."""
        while True:
            turn, seconds = self._take_turn()
            if seconds > 0:
                self._sleep(seconds)
            with self._lock:
                # While this one slept, Swit may have asked everyone to wait longer.
                if turn >= self._held_until:
                    return

    def throttled(self, retry_after: float | None) -> None:
        """Hold everything for `retry_after` seconds; the pace stays."""
        with self._lock:
            self._hold(retry_after)

    def succeeded(self) -> None:
        """A fixed pace doesn't learn."""

    def _take_turn(self) -> tuple[float, float]:
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_turn, self._held_until)
            self._next_turn = turn + 1 / self._per_second
            return turn, turn - now

    def _hold(self, retry_after: float | None) -> None:
        if retry_after is not None:
            self._held_until = max(self._held_until, self._clock() + retry_after)


class AutoPace(FixedPace):
    """Finds the pace: one request per second more each second, half of it after a 429."""

    def __init__(
        self,
        start: float = START_PER_SECOND,
        most: float = MOST_PER_SECOND,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin with `start` requests per second, never go beyond `most`."""
        super().__init__(min(start, most), clock=clock, sleep=sleep)
        self._most = most
        self._halved_at = -math.inf

    def throttled(self, retry_after: float | None) -> None:
        """Halve the pace, once for all calls that were in flight together."""
        with self._lock:
            self._hold(retry_after)
            now = self._clock()
            if now - self._halved_at >= _SAME_BURST_SECONDS:
                self._halved_at = now
                self._per_second = max(self._per_second / 2, min(_LEAST_PER_SECOND, self._most))

    def succeeded(self) -> None:
        """Go a little faster."""
        with self._lock:
            self._per_second = min(self._per_second + 1 / self._per_second, self._most)


def estimated_pace(setting: str) -> float:
    """Calls a second to expect: the number, the most that `auto` may reach, or half of it."""
    if setting == "auto":
        return 10.0
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
        f"{text!r} is no pace; give auto, auto:10 (finds the pace, up to 10 requests a second)"
        " or a number of requests a second above 0, such as 4"
    )
    raise ValueError(message)
