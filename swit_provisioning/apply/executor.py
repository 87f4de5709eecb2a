"""Carries out a plan, step by step: what is still undone, in order, side by side where it may."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Final, cast

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.lease import HeldLease, Progress
from swit_provisioning.apply.needs import Needs
from swit_provisioning.apply.outcomes import DONE, Outcome, OutcomeKind
from swit_provisioning.apply.record import Record
from swit_provisioning.apply.sending import send
from swit_provisioning.apply.teams import TeamsNow
from swit_provisioning.reconcile.plan import Change, Plan, Step
from swit_provisioning.store.journal import Answer, Application
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient

# Swit appends in the order of arrival, and a name is free only once its holder has another one.
_ONE_AFTER_THE_OTHER: Final[frozenset[Step]] = frozenset(
    {
        "delete_teams",
        "free_team_names",
        "create_teams",
        "update_teams",
        "delete_emptied_teams",
        "sort_teams",
    }
)
_LEAVING: Final = frozenset({"user.deactivate", "user.remove"})


class Applier:
    """Sends one plan on the account of one application, and goes on where it stopped."""

    def __init__(  # noqa: PLR0913 - what it works with and for; each is named
        self,
        *,
        plan: Plan,
        application_id: str,
        run_id: str,
        approval_id: int | None = None,
        client: SwitClient,
        store: Store,
        lease: HeldLease,
        concurrency: int,
        progress: Progress,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read what of the plan is done; send nothing yet.

        `concurrency` is how many changes are on their way at once; `wait` sleeps (seconds) before
        a creation is sent again.
        """
        self.plan = plan
        self.application_id = application_id
        application = Application(
            application_id=application_id,
            plan_id=plan.plan_id,
            run_id=run_id,
            approval_id=approval_id,
        )
        self._record = Record(store=store, plan=plan, application=application)
        self._needs = Needs(plan, self._record)
        self._leavers = frozenset(c.object_id for c in plan.changes if c.action in _LEAVING)
        self._client = client
        self._lease = lease
        self._concurrency = concurrency
        self._progress = progress
        self._wait = wait

    def send(self, step: Step) -> list[Outcome]:
        """Send what is still undone of a step; the outcomes of what was tried now.

        Raises:
            LeaseLostError: this run may not write any longer; nothing more was sent.
            StoreError: the journal can't be written; nothing more was sent.

        """
        changes = self.plan.of_step(step)
        undone = [change for change in changes if self._is_undone(change)]
        planned, before = len(changes), len(changes) - len(undone)
        side_by_side = step not in _ONE_AFTER_THE_OTHER
        pool = ThreadPoolExecutor(self._concurrency if side_by_side else 1, "apply")
        now, stopped = TeamsNow(), threading.Event()
        try:
            waiting = [pool.submit(self._unless, stopped, change, now) for change in undone]
            for count, future in enumerate(as_completed(waiting), start=before + 1):
                future.result()
                self._progress.advance(step, count, planned)
        finally:
            # However it ends: what is on its way is let through, the rest is not begun.
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
        return [self._outcome(change) for change in undone]

    def settle(self, steps: Sequence[Step]) -> list[Outcome]:
        """Send what is still undone of these steps; the final outcome of all their changes.

        Raises as `send`.
        """
        for step in steps:
            self.send(step)
        return self.outcomes(steps)

    def outcomes(self, steps: Iterable[Step]) -> list[Outcome]:
        """What came of each change of these steps so far, in the plan's order."""
        return [self._outcome(change) for step in steps for change in self.plan.of_step(step)]

    def _is_undone(self, change: Change) -> bool:
        answer = self._record.answer(change)
        if answer is None or answer.outcome in ("failed", "skipped"):
            return True
        return answer.outcome in DONE and self._needs.may_join_now(change)

    def _unless(self, stopped: threading.Event, change: Change, now: TeamsNow) -> None:
        if stopped.is_set():
            return
        try:
            self._one(change, now)
        except BaseException:
            stopped.set()
            raise

    def _one(self, change: Change, now: TeamsNow) -> None:
        before, missing = self._record.answer(change), self._needs.unmet(change)
        if missing is not None:
            skipped = Answer(outcome="skipped", message=missing)
            if before != skipped:
                self._record.unsent(change, skipped)
            return
        if before is not None and before.left_out and not self._needs.may_join_now(change):
            return
        self._lease.check()
        attempt = Attempt(
            change=change,
            client=self._client,
            record=self._record,
            lease=self._lease,
            again=self._record.may_have_been_sent(change),
            leavers=self._leavers,
            wait=self._wait,
        )
        entry_id = self._record.intent(change, self._lease)
        began = time.monotonic()
        answer = send(attempt, now)
        seconds = round(time.monotonic() - began, 3)
        self._record.outcome(
            change, entry_id, replace(answer, calls=attempt.calls, seconds=seconds)
        )

    def _outcome(self, change: Change) -> Outcome:
        answer = self._record.answer(change)
        if answer is None:
            message = "it was not sent, or its answer was never noted"
            answer = Answer(outcome="failed", message=message)
        return Outcome(
            change=change,
            outcome=cast(OutcomeKind, answer.outcome),
            message=answer.message,
            http_status=answer.http_status,
            calls=answer.calls,
        )
