"""How far a run has come: calls sent, calls a second, time left; for a display and for the log."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from swit_provisioning.planning.actions import STEPS, Step
from swit_provisioning.planning.model import READ_BEFORE, Plan


@dataclass(frozen=True, kw_only=True)
class Headway:
    """How far a run has come."""

    step: Step
    sent: int
    """Calls sent since the first writer began, repetitions and looks included."""
    planned: int
    """Those, and one for each change that is still undone."""
    per_second: float
    seconds_left: float | None
    """`None` while nothing was sent."""

    @property
    def sentence(self) -> str:
        """One line for a log."""
        left = "" if self.seconds_left is None else f", about {self.seconds_left:.0f} s left"
        what = self.step.replace("_", " ")
        return f"{what}: {self.sent} of {self.planned} calls, {self.per_second:.1f} a second{left}"


Display = Callable[[Headway], object]
"""Shows how far a run has come."""

CURRENT_DISPLAY: Final[ContextVar[Display]] = ContextVar("display", default=lambda _: None)
"""Set by the command line around the run that it executes in its own process."""

LINE_EVERY_SECONDS: Final = 15.0
"""How often a line is logged: Dagster stores each one as an event."""


class RunProgress:
    """The progress of one run: calls and seconds go on from step to step. Used by one thread."""

    def __init__(self, display: Display, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure nothing before the first step begins; `clock` returns seconds."""
        self._display, self._clock = display, clock
        self._log: Callable[[str], object] = lambda _line: None
        self._sent: Callable[[], int] | None = None
        self._sent_before, self._began, self._next_line = 0, 0.0, 0.0
        self._left: dict[Step, int] = {}
        self._begun: set[Step] = set()

    def begin(self, plan: Plan, *, sent: Callable[[], int], log: Callable[[str], object]) -> None:
        """Begin a step: `sent` counts the client's calls, `log` writes to the step's log."""
        self._log = log
        if self._sent is None:
            self._sent, self._sent_before, self._began = sent, sent(), self._clock()
            self._next_line = self._began + LINE_EVERY_SECONDS
            for step in STEPS:
                changes = len(plan.of_step(step))
                self._left[step] = changes + (step in READ_BEFORE) if changes else 0

    def advance(self, step: Step, done: int, planned: int) -> None:
        """Show and log that `done` of `planned` changes of this step have an outcome."""
        if self._sent is None:
            return
        self._begun.add(step)
        self._left[step] = planned - done
        for earlier in STEPS[: STEPS.index(step)]:
            # A run that continues another one skips the steps that are done.
            if earlier not in self._begun:
                self._left[earlier] = 0
        now, sent, left = self._clock(), self._sent() - self._sent_before, sum(self._left.values())
        per_second = sent / (now - self._began) if now > self._began else 0.0
        headway = Headway(
            step=step,
            sent=sent,
            planned=sent + left,
            per_second=per_second,
            seconds_left=left / per_second if per_second else None,
        )
        self._display(headway)
        if now >= self._next_line:
            self._next_line = now + LINE_EVERY_SECONDS
            self._log(headway.sentence)
