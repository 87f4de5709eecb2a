"""How far a run has come: calls sent, calls a second, time left; for a display and for the log."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from swit_provisioning.planning.actions import STEPS, Step
from swit_provisioning.planning.estimate import READ_BEFORE
from swit_provisioning.planning.model import Plan


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


class Meter:
    """Measures one run of one plan. Used by one thread."""

    def __init__(
        self, plan: Plan, *, sent: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin now. `sent` says how many calls the client has sent, `clock` the seconds."""
        self._sent, self._clock = sent, clock
        self._sent_before, self._began = sent(), clock()
        self._left = {step: _expected(plan, step) for step in STEPS}
        self._begun: set[Step] = set()

    def headway(self, step: Step, done: int, planned: int) -> Headway:
        """Measure when `done` of `planned` changes of a step have an outcome."""
        self._begun.add(step)
        self._left[step] = planned - done
        for earlier in STEPS[: STEPS.index(step)]:
            # A run that continues another one skips the steps that are done.
            if earlier not in self._begun:
                self._left[earlier] = 0
        sent, left = self._sent() - self._sent_before, sum(self._left.values())
        seconds = self._clock() - self._began
        per_second = sent / seconds if seconds > 0 else 0.0
        return Headway(
            step=step,
            sent=sent,
            planned=sent + left,
            per_second=per_second,
            seconds_left=left / per_second if per_second else None,
        )


def _expected(plan: Plan, step: Step) -> int:
    changes = len(plan.of_step(step))
    return changes + (step in READ_BEFORE) if changes else 0


class Progress(Protocol):
    """Receives how far a step has come."""

    def advance(self, step: Step, done: int, planned: int) -> None:
        """`done` of `planned` changes of this step have an outcome."""


class Display(Protocol):
    """Shows how far a run has come."""

    def show(self, headway: Headway) -> None:
        """Show it."""


class NoDisplay:
    """Shows nothing: the run has no terminal."""

    def show(self, headway: Headway) -> None:
        """Show nothing."""


CURRENT_DISPLAY: Final[ContextVar[Display]] = ContextVar("display", default=NoDisplay())  # noqa: B039 - it holds nothing
"""Set by the command line around the run it executes in its own process."""

LINE_EVERY_SECONDS: Final = 15.0
"""How often a line is logged: Dagster stores each one as an event."""


class RunProgress:
    """The progress of one run: calls and seconds go on from step to step."""

    def __init__(self, display: Display, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure nothing before the first step begins."""
        self._display, self._clock = display, clock
        self._meter: Meter | None = None
        self._log: Callable[[str], object] = lambda _line: None
        self._next_line = 0.0

    def begin(self, plan: Plan, *, sent: Callable[[], int], log: Callable[[str], object]) -> None:
        """Begin a step: `sent` counts the client's calls, `log` writes to the step's log."""
        self._log = log
        if self._meter is None:
            self._meter = Meter(plan, sent=sent, clock=self._clock)
            self._next_line = self._clock() + LINE_EVERY_SECONDS

    def advance(self, step: Step, done: int, planned: int) -> None:
        """`done` of `planned` changes of this step have an outcome."""
        if self._meter is None:
            return
        headway = self._meter.headway(step, done, planned)
        self._display.show(headway)
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_EVERY_SECONDS
            self._log(headway.sentence)
