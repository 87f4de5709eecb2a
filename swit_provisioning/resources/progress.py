"""How far an apply has come: a bar where the command line runs it, and log lines in the UI."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Protocol

import dagster as dg

from swit_provisioning.apply.progress import Headway, Meter
from swit_provisioning.reconcile.plan import Plan, Step

LINE_EVERY_SECONDS: Final = 15.0
"""Each line is an event that is stored: often enough for a person, and not for each change."""


class Display(Protocol):
    """Shows where a run stands, as often as it is told."""

    def show(self, headway: Headway) -> None:
        """Show it."""


class NoDisplay:
    """There is nobody in front of a terminal."""

    def show(self, headway: Headway) -> None:
        """Show nothing."""


CURRENT_DISPLAY: Final[ContextVar[Display]] = ContextVar("display", default=NoDisplay())  # noqa: B039 - it holds nothing
"""Set by the command line around the run it executes in its own process."""


class RunProgress:
    """One for all writers of a run, so that calls and seconds go on from op to op."""

    def __init__(self, display: Display, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is measured before the first writer begins."""
        self._display, self._clock = display, clock
        self._meter: Meter | None = None
        self._log: Callable[[str], object] = lambda _line: None
        self._next_line = 0.0

    def begin(self, plan: Plan, *, sent: Callable[[], int], log: Callable[[str], object]) -> None:
        """An op begins to send: `sent` counts the client's calls, `log` writes to the op's log."""
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


class ProgressResource(dg.ConfigurableResource[RunProgress]):
    """The progress of one run."""

    def create_resource(self, context: dg.InitResourceContext) -> RunProgress:
        """On the command line's display, if there is one."""
        del context
        return RunProgress(CURRENT_DISPLAY.get())
