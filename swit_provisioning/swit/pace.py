"""How fast requests may go: one pace for all threads and steps, known or found (`finding`)."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

# Swit counts requests as they arrive, and what lies between holds some of them up: without any
# room, those and the ones that follow on time would be one too many. A 429 costs more than this.
_ROOM_SHARE: Final = 0.05


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

    @property
    def per_second(self) -> float:
        """The pace now, in requests per second."""
        with self._lock:
            return self._per_second

    def wait(self) -> float:
        """Block until the next request may go; its turn."""
        while True:
            turn, seconds = self._take_turn()
            if seconds > 0:
                self._sleep(seconds)
            with self._lock:
                # While this one slept, Swit may have asked everyone to wait longer.
                if turn >= self._held_until:
                    self._gone(turn)
                    return turn

    def throttled(self, turn: float, retry_after: float | None) -> None:
        """Hold everything for `retry_after` seconds; the pace stays."""
        del turn
        with self._lock:
            self._hold(retry_after)

    def succeeded(self, turn: float) -> None:
        """A fixed pace doesn't learn."""

    def _take_turn(self) -> tuple[float, float]:
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_turn, self._held_until)
            self._next_turn = turn + (1 + _ROOM_SHARE) / self._per_second
            return turn, turn - now

    def _gone(self, turn: float) -> None:
        """A request goes at this turn; the lock is held."""

    def _hold(self, retry_after: float | None) -> None:
        if retry_after is not None:
            self._held_until = max(self._held_until, self._clock() + retry_after)
