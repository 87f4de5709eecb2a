"""A simulated Swit with a rate limit, on a clock that only sleeping advances."""

import heapq
from dataclasses import dataclass, field

from swit_provisioning.sandbox.traffic import RateLimit
from swit_provisioning.swit.rate_limit import Pace


@dataclass
class Clock:
    """A clock in seconds, which sleeping advances at once."""

    now: float = 100.0
    naps: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@dataclass(kw_only=True)
class SimulatedSwit(Clock):
    """Answers after `latency` seconds, at most `in_flight` requests at a time."""

    limit: RateLimit | None = None
    latency: float = 0.02
    in_flight: int = 8
    taken: int = 0
    refused: int = 0
    _due: list[tuple[float, float, bool, float | None]] = field(default_factory=list)
    pace: Pace | None = None

    def limited(
        self, per_second: float, window_seconds: float = 1.0, *, tells: bool = True
    ) -> None:
        self.limit = RateLimit(
            per_second,
            window_seconds=window_seconds,
            retry_after="seconds" if tells else "none",
            clock=self.read,
        )

    def sleep(self, seconds: float) -> None:
        self._go_on_to(self.now + seconds)

    def send(self, pace: Pace, count: int) -> float:
        """Seconds until `count` requests were accepted; refused ones are repeated."""
        self.pace, began, wanted = pace, self.now, self.taken + count
        while self.taken + sum(not due[2] for due in self._due) < wanted:
            turn = pace.wait()
            if len(self._due) >= self.in_flight:
                self._go_on_to(self._due[0][0])
            reply = self.limit.refused() if self.limit else None
            after = reply.headers.get("Retry-After") if reply else None
            wait = None if after is None else float(after)
            heapq.heappush(self._due, (self.now + self.latency, turn, reply is not None, wait))
        self._go_on_to(self.now + self.latency)
        return self.now - began

    def _go_on_to(self, then: float) -> None:
        while self._due and self._due[0][0] <= then:
            self.now, turn, refused, wait = heapq.heappop(self._due)
            assert self.pace is not None
            if refused:
                self.refused += 1
                self.pace.throttled(turn, wait)
            else:
                self.taken += 1
                self.pace.succeeded(turn)
        self.now = then
