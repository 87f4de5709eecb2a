"""How fast requests may go: one pace for all threads and steps, known or found (`finding`)."""

import math
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, Protocol

# Swit counts requests as they arrive, and what lies between holds some of them up: without any
# room, those and the ones that follow on time would be one too many. A 429 costs more than this.
_ROOM_SHARE: Final = 0.05
_REMEMBERED_SECONDS: Final = 60.0


class Pace(Protocol):
    """Gives each request its turn. Safe for several threads.

    Whoever sends tells what came of a request by the turn that it had.
    """

    def wait(self) -> float:
        """Block until the next request may go; its turn, in seconds of the pace's own clock."""

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Swit refused a request for haste; nothing goes for `retry_after` seconds, if given."""

    def succeeded(self, turn: float) -> None:
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
        self._went: list[float] = []

    @property
    def per_second(self) -> float:
        """The pace now, in requests per second."""
        with self._lock:
            return self._per_second

    def wait(self) -> float:
        """Block until the next request may go; its turn."""
        turn: float | None = None
        while True:
            with self._lock:
                now = self._clock()
                if turn is None or turn < self._held_until:
                    # While this one slept, Swit may have asked everyone to wait longer.
                    turn = self._take_turn(now)
                seconds = max(turn, self._room_at()) - now
                if seconds <= 0:
                    self._note(now)
                    return now
            self._sleep(seconds)

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Hold everything for `retry_after` seconds; the pace stays."""
        del turn
        with self._lock:
            self._hold(retry_after)

    def succeeded(self, turn: float) -> None:
        """A fixed pace doesn't learn."""

    def _take_turn(self, now: float) -> float:
        """The turns are evenly spaced, and whoever comes late has saved nothing up."""
        turn = max(now, self._next_turn, self._held_until)
        self._next_turn = turn + (1 + _ROOM_SHARE) / self._per_second
        return turn

    def _room_at(self) -> float:
        """When the next one is not one too many, however late some before it have woken up."""
        most = max(math.floor(self._per_second), 1)
        if len(self._went) < most:
            return -math.inf
        return self._went[-most] + (1 + _ROOM_SHARE / 2) * most / self._per_second

    def _note(self, now: float) -> None:
        self._went.append(now)
        if self._went[0] < now - 2 * _REMEMBERED_SECONDS:
            del self._went[: bisect_right(self._went, now - _REMEMBERED_SECONDS)]

    def _recent(self, turn: float, seconds: float = 1.0) -> int:
        """How many requests went in the seconds up to this turn, itself among them."""
        return bisect_right(self._went, turn) - bisect_right(self._went, turn - seconds)

    def _hold(self, retry_after: float | None) -> None:
        if retry_after is not None:
            self._held_until = max(self._held_until, self._clock() + retry_after)


START_PER_SECOND: Final = 5.0
MOST_PER_SECOND: Final = 20.0
_LEAST_PER_SECOND: Final = 0.2

# What each answer adds to the requests per second: while no limit is known, on the way back to
# the one that is, and beyond it. Answers come at the pace itself, so 0.1 is a tenth a second.
_SEARCHING: Final = 3.0
_RETURNING: Final = 0.5
_PROBING: Final = 0.1

_NEARLY_SHARE: Final = 0.8
_LOWERED_SHARE: Final = 0.9
"""What is kept of the limit found if it is too much, though nearly as much goes through."""
_FIRST_PROBE_SECONDS: Final = 30.0
_LAST_PROBE_SECONDS: Final = 480.0
_SHORTEST_WINDOW_SECONDS: Final = 1.0
_LONGEST_WINDOW_SECONDS: Final = 60.0


class AutoPace(FixedPace):
    """Finds the pace by itself, and finds it again when Swit's limit changes.

    It grows with each answer until a 429 comes. Then it halves, and remembers how many requests
    went through in the time that Swit asks to wait (a second, where it doesn't say): that is the
    limit. It returns to it, with the room that every pace leaves, and stays there. It probes
    beyond it after a while, and later each time that the limit is still there.
    """

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
        self._limit: float | None = None
        self._halved_at = self._clock()
        self._probe_after = _FIRST_PROBE_SECONDS

    @property
    def most_per_second(self) -> float:
        """What it never goes beyond, in requests per second."""
        return self._most

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Halve the pace, once for all requests that were under way together."""
        with self._lock:
            self._hold(retry_after)
            if turn < self._halved_at:
                return
            self._learn(turn, retry_after)
            self._per_second = max(self._per_second / 2, self._least())
            self._halved_at = self._clock()

    def succeeded(self, turn: float) -> None:
        """Go a little faster, if this pace was made use of and nothing speaks against it."""
        with self._lock:
            # What was sent before the pace was halved says nothing about the pace now.
            if turn >= self._halved_at and self._recent(turn) >= self._per_second / 4:
                self._grow()

    def _grow(self) -> None:
        ceiling, growth = self._most, _SEARCHING
        if self._limit is not None:
            ceiling, growth = min(self._most, self._limit), _RETURNING
            if self._per_second >= ceiling:
                if self._clock() - self._halved_at < self._probe_after:
                    return
                ceiling, growth = self._most, _PROBING
        self._per_second = min(self._per_second + growth, ceiling)

    def _learn(self, turn: float, retry_after: float | None) -> None:
        """Remember the limit, and when to look whether it is still there."""
        window = min(max(retry_after or 0.0, _SHORTEST_WINDOW_SECONDS), _LONGEST_WINDOW_SECONDS)
        since = turn - self._halved_at
        if self._limit is None:
            # Before a whole window is over nobody knows what else was counted.
            known = self._went[0] <= turn - window
            self._limit = self._rate(turn, window) if known else self._per_second
        elif self._per_second > self._limit:
            self._probe_after = min(2 * self._probe_after, _LAST_PROBE_SECONDS)
            self._limit = self._rate(turn, window)
        elif since > window:
            # Within it, what had been sent before the pace was halved may still have counted.
            self._probe_after = _FIRST_PROBE_SECONDS
            rate = self._rate(turn, window)
            # One that was held up on its way is no sign of another limit; many are.
            held_up = rate >= _NEARLY_SHARE * self._limit
            self._limit = _LOWERED_SHARE * self._limit if held_up else rate
        self._limit = max(self._limit, self._least())
        self._per_second = min(self._per_second, self._limit)

    def _rate(self, turn: float, seconds: float) -> float:
        """Requests a second that went through before this turn, which did not; one at least."""
        return max(self._recent(turn, seconds) - 1, 1) / seconds

    def _least(self) -> float:
        return min(_LEAST_PER_SECOND, self._most)


def estimated_pace(setting: str) -> float:
    """Calls a second to expect: the number, the most that `auto` may reach, or half of it."""
    if setting == "auto":
        return MOST_PER_SECOND / 2
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
