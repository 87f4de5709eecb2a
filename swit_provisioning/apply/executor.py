"""Sends a plan step by step: pending changes in order, independent changes in parallel."""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import Final, cast

from swit_provisioning.apply.attempt import (
    Accounts,
    Attempt,
    TeamsNow,
    reject_silent_failures,
    sent_memberships,
)
from swit_provisioning.apply.evidence import Evidence
from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.apply.outcomes import DONE, Dependencies, Outcome, OutcomeKind, Record
from swit_provisioning.apply.senders import send
from swit_provisioning.planning.actions import DEPARTURES, Step
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.staleness import concerns_only, without_users
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError

GRACE_SECONDS: Final = 5.0
"""Seconds that an interrupt waits for calls in flight."""


def run_in_parallel(
    before: Mapping[str, Collection[str]],
    work: Callable[[str], None],
    *,
    at_once: int,
    stop: Callable[[], None],
    grace_seconds: float = GRACE_SECONDS,
) -> Generator[str, None, None]:
    """Do the work of every item in at most `at_once` threads; yield each item that is finished.

    `before` maps an item to the items that must finish before it. Of the items that may start, the
    first in `before` starts. After the first error no other item starts; the running ones finish,
    and the error is raised. An interrupt (`KeyboardInterrupt` and others that are no `Exception`),
    also while it waits after an error, and closing the generator early call `stop` first, which
    keeps the work from sending anything more, and wait `grace_seconds` at most. The threads are
    daemons, so none of them keeps the process alive.
    """
    items, place = list(before), {item: number for number, item in enumerate(before)}
    ready: list[int] = []
    begun: set[str] = set()
    ended: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
    order: TopologicalSorter[str] = TopologicalSorter(before)
    order.prepare()

    def run(item: str) -> None:
        error: BaseException | None = None
        try:
            work(item)
        except BaseException as raised:  # noqa: BLE001 - it is raised where the items are given out
            error = raised
        ended.put((item, error))

    try:
        try:
            while order.is_active():
                for item in order.get_ready():
                    heappush(ready, place[item])
                while ready and len(begun) < at_once:
                    item = items[heappop(ready)]
                    begun.add(item)
                    threading.Thread(target=run, args=(item,), name="apply", daemon=True).start()
                item, error = ended.get()
                begun.remove(item)
                if error is not None:
                    raise error  # noqa: TRY301 - the one place that lets the others through
                order.done(item)
                yield item
        except Exception:
            _wait(begun, ended)  # an interrupt meanwhile reaches the outer handlers
            raise
    except Exception:  # an error of the work: nothing runs any longer
        raise
    except BaseException:
        stop()
        _wait(begun, ended, until=time.monotonic() + grace_seconds)
        raise


def _wait(
    begun: set[str],
    ended: SimpleQueue[tuple[str, BaseException | None]],
    *,
    until: float | None = None,
) -> None:
    while begun:
        left = None if until is None else max(until - time.monotonic(), 0.001)
        try:
            begun.remove(ended.get(timeout=left)[0])
        except Empty:
            return


def predecessors(changes: Sequence[Change]) -> dict[str, set[str]]:
    """Change id -> ids of the changes of the same step that must be finished before it.

    These are the changes that it depends on, an earlier change of the same object, and, because
    Swit appends in the order of arrival, the change that arrives before it under the same parent.
    """
    before: dict[str, set[str]] = {}
    newest: dict[str, str] = {}
    arrived: dict[str, str] = {}
    for change in changes:
        waits = {needed for needed in change.depends_on if needed in before}
        if change.object_id in newest:
            waits.add(newest[change.object_id])
        parent = change.after.get("parent_id")
        if parent in arrived:
            waits.add(arrived[parent])
        if parent is not None:
            arrived[parent] = change.change_id
        newest[change.object_id] = change.change_id
        before[change.change_id] = waits
    return before


CHANGES_IN_A_ROW: Final = 5
"""The number of consecutive failed changes after which Swit counts as down."""


class SwitDownError(Exception):
    """Swit does not answer; the pending changes are not sent."""


class Breaker:
    """Counts consecutive failures in a step. Safe for several threads."""

    def __init__(self) -> None:
        """Start with no failure."""
        self._lock = threading.Lock()
        self._failed: list[SwitError] = []

    def note(self, attempt: Attempt, answer: Answer) -> None:
        """Count the answer of one more change, in the order in which they end.

        Raises:
            SwitDownError: too many changes failed in a row.

        """
        with self._lock:
            # A batch that failed for a single user has changed others: Swit is not down.
            if answer.outcome in DONE | {"rejected"} or attempt.changed_members:
                self._failed.clear()
            elif answer.outcome == "failed" and attempt.error is not None:
                self._failed.append(attempt.error)
            if len(self._failed) >= CHANGES_IN_A_ROW:
                message = (
                    f"Swit is down, or can't be reached: {len(self._failed)} changes failed one"
                    f" after the other, the last with {self._failed[-1]} Nothing more was sent."
                    " Re-execute from failure once Swit answers: it continues where it stopped."
                )
                raise SwitDownError(message)


STOPPED: Final = (StoreError, SwitDownError, SwitError)
"""The errors that stop `send` in the middle of a step; it can be continued there."""


class Applier:
    """Sends one plan for one application, and continues where an earlier run stopped."""

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
        advance: Callable[[Step, int, int], object],
        left_out: Collection[str] = (),
        evidence: Evidence | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read which changes have an outcome; send nothing yet.

        `left_out` are ids of changes that were not chosen; `evidence` names further changes, and
        users, that are left alone. `concurrency` is the number of changes in flight; `advance` gets
        how many changes of a step have an outcome, of how many; `wait` sleeps (seconds) before a
        creation is sent again.
        """
        self.plan = plan
        self._left_out = frozenset(left_out)
        self._returning = evidence.returning if evidence else frozenset()
        self._moved = evidence.moved if evidence else frozenset()
        self.application_id = application_id
        application = Application(
            application_id=application_id,
            plan_hash=plan.plan_hash,
            run_id=run_id,
            approval_id=approval_id,
        )
        self._record = Record(store=store, plan=plan, application=application)
        self._needs = Dependencies(plan, self._record)
        self._departing = frozenset(c.object_id for c in plan.changes if c.action in DEPARTURES)
        self._client = client.only_while(lease.check)
        self._lease = lease
        self._concurrency = concurrency
        self._advance = advance
        self._wait = wait

    def send(self, step: Step) -> list[Outcome]:
        """Send the pending changes of a step; the outcomes of these.

        Raises:
            LeaseLostError: this run may not write any longer; nothing more was sent.
            StoreError: the journal can't be written; nothing more was sent.
            SwitDownError: Swit does not answer; the remaining changes stay pending.
            SwitError: users could not be read again before primary teams are set.

        """
        changes = self._of_step(step)
        undone = {c.change_id: c for c in changes if self._is_undone(c)}
        accounts, teams, breaker = self._read_back(undone.values()), TeamsNow(), Breaker()
        through = run_in_parallel(
            predecessors(list(undone.values())),
            lambda change_id: self._send_one(undone[change_id], accounts, teams, breaker),
            at_once=self._concurrency,
            stop=self._lease.stop,
        )
        # Close it here: a traceback would keep it open, and the threads would continue to send.
        with closing(through):
            for count, _ in enumerate(through, start=len(changes) - len(undone) + 1):
                self._advance(step, count, len(changes))
        return [self._outcome(change) for change in undone.values()]

    def settle(self, steps: Sequence[Step]) -> list[Outcome]:
        """Send the pending changes of these steps; the final outcomes of all their changes.

        Raises as `send`.
        """
        for step in steps:
            self.send(step)
        return self.outcomes(steps)

    def outcomes(self, steps: Iterable[Step]) -> list[Outcome]:
        """The outcomes of these steps so far, in the order of the plan."""
        return [self._outcome(change) for step in steps for change in self._of_step(step)]

    def _of_step(self, step: Step) -> list[Change]:
        return [c for c in self.plan.of_step(step) if c.change_id not in self._left_out]

    @property
    def is_through(self) -> bool:
        """Whether every change of the plan was chosen."""
        return not self._left_out

    def _is_undone(self, change: Change) -> bool:
        answer = self._record.answer(change)
        if answer is None or answer.outcome in ("failed", "skipped"):
            return True
        return answer.outcome in DONE and self._needs.may_join_now(change)

    def _read_back(self, undone: Iterable[Change]) -> Accounts:
        """Read the users before primary teams are set, if this run has changed memberships."""
        waits = any(c.action == "primary.update" and self._needs.unmet(c) is None for c in undone)
        if not waits or not any(sent_memberships(self.plan, self._record)):
            return Accounts()
        accounts = Accounts.read(self._client)
        reject_silent_failures(self.plan, self._record, accounts)
        return accounts

    def _send_one(
        self, change: Change, accounts: Accounts, teams: TeamsNow, breaker: Breaker
    ) -> None:
        before, missing = self._record.answer(change), self._needs.unmet(change)
        if concerns_only(change, self._returning):
            missing = "in the directory again since the plan was made"
        elif change.change_id in self._moved:
            missing = "no longer called for: one of both sides has changed since the plan was made"
        change = without_users(change, self._returning)
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
            accounts=accounts,
            teams=teams,
            again=self._record.may_have_been_sent(change),
            departing=self._departing,
            wait=self._wait,
        )
        entry_id = self._record.intent(change, self._lease)
        began = time.monotonic()
        with self._lease.call_in_flight():
            answer = send(attempt)
        seconds = round(time.monotonic() - began, 3)
        self._record.outcome(
            change, entry_id, replace(answer, calls=attempt.calls, seconds=seconds)
        )
        breaker.note(attempt, answer)

    def _outcome(self, change: Change) -> Outcome:
        answer = self._record.answer(change)
        if answer is None:
            lost = self._record.may_have_been_sent(change)
            message = "its outcome was never recorded" if lost else "it was not sent"
            answer = Answer(outcome="failed", message=message)
        return Outcome(
            change=change,
            outcome=cast(OutcomeKind, answer.outcome),
            message=answer.message,
            http_status=answer.http_status,
            calls=answer.calls,
        )
