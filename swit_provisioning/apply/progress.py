"""How far a run has come, in calls: sent of planned, how many a second, how long it takes still."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from swit_provisioning.reconcile.estimate import READ_BEFORE
from swit_provisioning.reconcile.plan import STEPS, Plan, Step


@dataclass(frozen=True, kw_only=True)
class Headway:
    """Where a run stands."""

    step: Step
    sent: int
    """Calls sent since the first writer began, repetitions and looks included."""
    planned: int
    """Those, and one for each change that is still undone."""
    per_second: float
    seconds_left: float | None
    """`None` where nothing was sent yet, so that nobody can say."""

    @property
    def sentence(self) -> str:
        """The same for a log."""
        left = "" if self.seconds_left is None else f", about {self.seconds_left:.0f} s left"
        what = self.step.replace("_", " ")
        return f"{what}: {self.sent} of {self.planned} calls, {self.per_second:.1f} a second{left}"


class Meter:
    """Measures one run of one plan; told by the thread that waits for the others."""

    def __init__(
        self, plan: Plan, *, sent: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin now. `sent` says how many calls the client has sent, `clock` the seconds."""
        self._sent, self._clock = sent, clock
        self._sent_before, self._began = sent(), clock()
        self._left = {step: _expected(plan, step) for step in STEPS}
        self._told: set[Step] = set()

    def headway(self, step: Step, done: int, planned: int) -> Headway:
        """Where the run stands once `done` of `planned` changes of a step have an outcome."""
        self._told.add(step)
        self._left[step] = planned - done
        for earlier in STEPS[: STEPS.index(step)]:
            # A run that goes on where another one stopped passes over what is done.
            if earlier not in self._told:
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
