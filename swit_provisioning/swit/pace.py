"""How fast requests may go: one pace for all threads and steps, known or found (`finding`)."""

import math
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
