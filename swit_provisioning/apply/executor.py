"""Carries out a plan, step by step: what is still undone, in order, side by side where it may."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, cast

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.breaker import Breaker, SwitDownError
from swit_provisioning.apply.lease import HeldLease, Progress
from swit_provisioning.apply.needs import Needs
from swit_provisioning.apply.order import predecessors
from swit_provisioning.apply.outcomes import DONE, Outcome, OutcomeKind
from swit_provisioning.apply.readback import Accounts, reject_what_was_not_done, sent_memberships
from swit_provisioning.apply.record import Record
from swit_provisioning.apply.sending import send
from swit_provisioning.apply.side_by_side import side_by_side
from swit_provisioning.apply.teams import TeamsNow
from swit_provisioning.reconcile.plan import Change, Plan, Step
from swit_provisioning.reconcile.staleness import spares_all, without_users
from swit_provisioning.store.errors import StoreError
from swit_provisioning.store.journal import Answer, Application
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError

STOPPED: Final = (StoreError, SwitDownError, SwitError)
"""What `send` raises: it has stopped in the middle, and can go on there."""

_IS_BACK: Final = "in the directory again since the plan was made"
_HAS_MOVED: Final = "no longer called for: one of both sides has changed since the plan was made"

_LEAVING: Final = frozenset({"user.deactivate", "user.remove"})


@dataclass(frozen=True, kw_only=True)
class _Now:
    """What is known while one step is sent."""

    accounts: Accounts
    teams: TeamsNow = field(default_factory=TeamsNow)
    breaker: Breaker = field(default_factory=Breaker)


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
        left_out: Collection[str] = (),
        back: Collection[str] = (),
        moved: Collection[str] = (),
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read what of the plan is done; send nothing yet.

        `left_out` are ids of changes that are for a later part of the plan, `back` ids of users
        who would have left and are in the directory again, `moved` ids of changes that are no
        longer called for.

        `concurrency` is how many changes are on their way at once; `wait` sleeps (seconds) before
        a creation is sent again.
        """
        self.plan = plan
        self._left_out, self._back = frozenset(left_out), frozenset(back)
        self._moved = frozenset(moved)
        self.application_id = application_id
        application = Application(
            application_id=application_id,
            plan_hash=plan.plan_hash,
            run_id=run_id,
            approval_id=approval_id,
        )
        self._record = Record(store=store, plan=plan, application=application)
        self._needs = Needs(plan, self._record)
        self._leavers = frozenset(c.object_id for c in plan.changes if c.action in _LEAVING)
        self._client = client.only_while(lease.check)
        self._lease = lease
        self._concurrency = concurrency
        self._progress = progress
        self._wait = wait

    def send(self, step: Step) -> list[Outcome]:
        """Send what is still undone of a step; the outcomes of what was tried now.

        Raises:
            LeaseLostError: this run may not write any longer; nothing more was sent.
            StoreError: the journal can't be written; nothing more was sent.
            SwitDownError: Swit doesn't answer; what was not sent stays so.
            SwitError: users could not be read again before primary teams are set.

        """
        changes = self._of_step(step)
        undone = {c.change_id: c for c in changes if self._is_undone(c)}
        now = _Now(accounts=self._read_back(undone.values()))
        through = side_by_side(
            predecessors(list(undone.values())),
            lambda change_id: self._one(undone[change_id], now),
            at_once=self._concurrency,
            stop=self._lease.stop,
        )
        # Closed here: a traceback would keep it open, and the threads would go on sending.
        with closing(through):
            for count, _ in enumerate(through, start=len(changes) - len(undone) + 1):
                self._progress.advance(step, count, len(changes))
        return [self._outcome(change) for change in undone.values()]

    def settle(self, steps: Sequence[Step]) -> list[Outcome]:
        """Send what is still undone of these steps; the final outcome of all their changes.

        Raises as `send`.
        """
        for step in steps:
            self.send(step)
        return self.outcomes(steps)

    def outcomes(self, steps: Iterable[Step]) -> list[Outcome]:
        """What came of each change of these steps so far, in the plan's order."""
        return [self._outcome(change) for step in steps for change in self._of_step(step)]

    def _of_step(self, step: Step) -> list[Change]:
        return [c for c in self.plan.of_step(step) if c.change_id not in self._left_out]

    @property
    def is_through(self) -> bool:
        """Whether nothing was left for a later part."""
        return not self._left_out

    def _is_undone(self, change: Change) -> bool:
        answer = self._record.answer(change)
        if answer is None or answer.outcome in ("failed", "skipped"):
            return True
        return answer.outcome in DONE and self._needs.may_join_now(change)

    def _read_back(self, undone: Iterable[Change]) -> Accounts:
        """Before primary teams are set: who is in which team now, if that was changed here."""
        waits = any(c.action == "primary.update" and self._needs.unmet(c) is None for c in undone)
        if not waits or not any(sent_memberships(self.plan, self._record)):
            return Accounts()
        accounts = Accounts.read(self._client)
        reject_what_was_not_done(self.plan, self._record, accounts)
        return accounts

    def _one(self, change: Change, now: _Now) -> None:
        before, missing = self._record.answer(change), self._unmet(change)
        change = without_users(change, self._back)
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
            accounts=now.accounts,
            again=self._record.may_have_been_sent(change),
            leavers=self._leavers,
            wait=self._wait,
        )
        entry_id = self._record.intent(change, self._lease)
        began = time.monotonic()
        with self._lease.call_in_flight():
            answer = send(attempt, now.teams)
        seconds = round(time.monotonic() - began, 3)
        self._record.outcome(
            change, entry_id, replace(answer, calls=attempt.calls, seconds=seconds)
        )
        now.breaker.note(attempt, answer)

    def _unmet(self, change: Change) -> str | None:
        if spares_all(change, self._back):
            return _IS_BACK
        if change.change_id in self._moved:
            return _HAS_MOVED
        return self._needs.unmet(change)

    def _outcome(self, change: Change) -> Outcome:
        answer = self._record.answer(change)
        if answer is None:
            lost = self._record.may_have_been_sent(change)
            message = "what came of it was never noted" if lost else "it was not sent"
            answer = Answer(outcome="failed", message=message)
        return Outcome(
            change=change,
            outcome=cast(OutcomeKind, answer.outcome),
            message=answer.message,
            http_status=answer.http_status,
            calls=answer.calls,
        )
