"""The session of one run: both sides, the state, the lease, and the plan that the run may send.

The gate calls `Session.accept`, each step that sends calls `Session.send` or `Session.settle`. All
reasons to refuse a plan are judged here, before the gate accepts it and again before each step: a
run may have been suspended since, or be re-executed days later.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final, Self

import pandas as pd

from swit_provisioning.apply.approvals import PlanJudge
from swit_provisioning.apply.evidence import (
    Decision,
    Evidence,
    StalePlanError,
    accepted_frame,
    compared,
)
from swit_provisioning.apply.executor import Applier
from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.apply.outcomes import DONE, Outcome, bindings_to_remember
from swit_provisioning.apply.progress import RunProgress
from swit_provisioning.apply.run_model import (
    PlanRequest,
    RefusedError,
    RunIdentity,
    RunState,
)
from swit_provisioning.planning.actions import STEPS, Step
from swit_provisioning.planning.guards import GuardResult
from swit_provisioning.planning.model import Plan, PlanHash
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Policy
from swit_provisioning.planning.selection import (
    Selection,
    describe_not_selected,
    not_selected,
    selected_plan,
)
from swit_provisioning.sources.base import Directory, DirectoryError
from swit_provisioning.state.coordination import LeaseHeldError, LeaseLostError
from swit_provisioning.state.identities import OtherOrganizationError
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.plan_approvals import Acceptance, Approval
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import StoredPlan
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reader import read_organization

_NOTHING: Final = "Nothing was written"
_NOTHING_MORE: Final = "Nothing more was written"
_MOST_NAMED: Final = 20
_SETTLED: Final = DONE | {"rejected"}


@dataclass(kw_only=True, eq=False, repr=False)
class Session:
    """Everything that one run works with. Both sides are opened when they are first used."""

    run: RunIdentity
    judge: PlanJudge
    policy: Policy
    expected_organization: str | None
    evidence_max_age: timedelta
    """The highest age of both reads when the first change is sent: EVIDENCE_MAX_AGE_MINUTES."""
    concurrency: int
    """The number of changes that are sent at the same time."""
    open_directory: Callable[[], Directory]
    open_swit: Callable[[], AbstractContextManager[SwitClient]]
    progress: RunProgress
    mark_run_failed: Callable[[str], object]
    """Gets the dead run whose lease was taken over."""
    _opened: ExitStack = field(default_factory=ExitStack, init=False)
    _lease: HeldLease | None = field(default=None, init=False)
    _evidence: Evidence | None = field(default=None, init=False)
    _has_sent: bool = field(default=False, init=False)

    @property
    def store(self) -> Store:
        """The state."""
        return self.judge.store

    @cached_property
    def directory(self) -> Directory:
        """The directory. Nothing is connected before it is read."""
        return self.open_directory()

    @cached_property
    def swit(self) -> SwitClient:
        """The Swit client: one for all steps, so that one rate limit holds."""
        return self._opened.enter_context(self.open_swit())

    @property
    def calls(self) -> int:
        """API calls sent to Swit so far."""
        return self.swit.calls if "swit" in vars(self) else 0

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lease and close the connections."""
        with self._opened:
            if self._lease is not None:
                self._lease.close()

    def accept(self, request: PlanRequest) -> Decision:
        """Judge a plan; if nothing is against it, let this run send it.

        A guard, a rejection or a pause blocks the plan: `Decision.blocked_by` says why.

        Raises:
            RefusedError: anything else is against it, or both sides could not be read again.

        """
        self._refuse_other_runs()
        stored = self._requested(request.plan_id.strip())
        plan = stored.plan
        forbidden = self._forbidden(stored)
        if forbidden:
            results = self.judge.judge(plan)
            return Decision(plan=plan, results=results, blocked_by=(forbidden,))
        lease = self._take_lease(_NOTHING)
        # A plan that was sent in part continues under its first application in the journal.
        begun = self.store.acceptances.unfinished(plan.plan_hash)
        application_id = begun.application_id if begun else self.run.run_id
        entries = self.store.journal.latest(application_id, plan_hash=plan.plan_hash)
        unchosen = _unchosen(plan, request, entries)
        evidence = self._evidence_for(
            stored,
            selected_plan(plan, unchosen),
            application_id,
            entries,
            is_named=bool(request.plan_id),
        )
        part = selected_plan(plan, unchosen.keys() | evidence.moved)
        if request.approve.strip():
            self.judge.lift(
                plan,
                actor=self.run.actor,
                reason=request.approve.strip(),
                application_id=application_id,
                part=part,
            )
        results = self.judge.judge(
            plan,
            application_id=application_id,
            part=part,
            selection=request.options,
            applied_by=self.run.actor,
        )
        blocked_by = tuple(result.message for result in results if result.stops)
        if blocked_by:
            return Decision(plan=plan, results=results, blocked_by=blocked_by)
        approval = self._let_send(lease, plan, application_id, results)
        if not plan.changes:
            self._conclude(plan, application_id, is_complete=True)
            return Decision(plan=plan, results=results, approval=approval)
        chosen = selected_plan(plan, unchosen)
        return Decision(
            plan=plan,
            results=results,
            frame=accepted_frame(chosen, evidence, plan_hash=plan.plan_hash),
            evidence=evidence,
            approval=approval,
            remaining=describe_not_selected(plan, unchosen),
            counts=part.counts(),
        )

    def _let_send(
        self,
        lease: HeldLease,
        plan: Plan,
        application_id: str,
        results: tuple[GuardResult, ...],
    ) -> Approval | None:
        """Record that this run may send the plan; the approval that lifted a limit for it."""
        try:
            # A run that was suspended for too long accepts nothing: another one may have written.
            lease.check()
        except LeaseLostError as error:
            raise _refusal(_NOTHING, error, RunState.FAILED) from error
        is_lifted = any(result.lifted for result in results)
        approval = self.judge.approval_of(plan) if is_lifted else None
        self.store.acceptances.accept(
            self.run.root_run_id,
            plan_hash=plan.plan_hash,
            application_id=application_id,
            approval_id=approval.approval_id if approval else None,
            actor=self.run.actor,
            first_sync=not self.store.reads.last_accepted(),
        )
        return approval

    def _evidence_for(
        self,
        stored: StoredPlan,
        part: Plan,
        application_id: str,
        entries: Mapping[str, JournalEntry],
        *,
        is_named: bool,
    ) -> Evidence:
        """What is known of both sides, read again if that is old or if a person names the plan."""
        self._refuse_outdated(stored, application_id, entries, is_named=is_named)
        self._evidence = Evidence(read_at=stored.created_at)
        if is_named or self._is_too_old(self._evidence):
            self._evidence = self._read_again(stored, part, entries, stale_if_moved=is_named)
        return self._evidence

    def send(self, step: Step, accepted: pd.DataFrame, *, log: logging.Logger) -> list[Outcome]:
        """Send the changes of a step that are still undone; the outcomes of these.

        `accepted` is the frame of the asset `accepted_plan`.

        Raises:
            RefusedError: the plan may not be sent (any longer).
            StoreError, SwitDownError, SwitError: it stopped in the middle and can go on there.

        """
        return self._applier(accepted, log).send(step)

    def settle(
        self, steps: Sequence[Step], accepted: pd.DataFrame, *, log: logging.Logger
    ) -> list[Outcome]:
        """Send what is still undone of these steps; the final outcome of each of their changes.

        After the last step, and if nothing failed, the application of the plan is concluded.
        Raises as `send`.
        """
        applier = self._applier(accepted, log)
        outcomes = applier.settle(steps)
        if STEPS[-1] in steps and not any(outcome.outcome == "failed" for outcome in outcomes):
            self._conclude(applier.plan, applier.application_id, is_complete=applier.is_through)
        return outcomes

    def _conclude(self, plan: Plan, application_id: str, *, is_complete: bool) -> None:
        """Remember the matches; after all of the plan also the read, and spend the approval.

        A plan for one person leaves the other changes of the read undone, and so does one beside
        which changes wait: the read is not recorded.
        """
        bindings = bindings_to_remember(plan, self.store, application_id)
        self.store.identities.remember(bindings)
        if is_complete:
            if not plan.person and not plan.waiting:
                self.store.reads.accept(
                    plan.baselines.directory,
                    counts=plan.baselines.limited_counts(),
                    counted_by=plan.counted_by(),
                    presence=plan.baselines.presence,
                )
            self.store.acceptances.finish(application_id)
            for plan_hash in filter(None, (plan.plan_hash, PlanHash(plan.includes))):
                self.store.approvals.spend(plan_hash)

    def _applier(self, accepted: pd.DataFrame, log: logging.Logger) -> Applier:
        """The executor of the plan that the gate accepted for this run's root run."""
        self._refuse_other_runs()
        acceptance = self.store.acceptances.of(self.run.root_run_id)
        stored = self.store.plans.get(acceptance.plan_hash) if acceptance else None
        if acceptance is None or stored is None:
            message = "No plan was accepted for this run. Launch the job `sync`, or `apply`."
            raise RefusedError(message, RunState.FAILED)
        forbidden = self._forbidden(stored)
        if forbidden:
            raise _refusal(_NOTHING_MORE, forbidden, RunState.BLOCKED)
        lease = self._take_lease(_NOTHING_MORE)
        newest = self.store.acceptances.newest()
        if newest is not None and newest.application_id != acceptance.application_id:
            raise _overtaken(acceptance.plan_id, newest, _NOTHING_MORE)
        # The accepted ones include the changes that have moved: the steps record why they were not
        # sent.
        unchosen = {c.change_id for c in stored.plan.changes} - set(accepted["change_id"])
        part = stored.plan.without(unchosen)
        evidence = self._evidence or Evidence.of(accepted) or Evidence(read_at=stored.created_at)
        if not self._has_sent:
            self._refuse_expired(stored, _NOTHING_MORE)
            if self._is_too_old(evidence):
                entries = self.store.journal.latest(
                    acceptance.application_id, plan_hash=acceptance.plan_hash
                )
                evidence = self._read_again(stored, part, entries).with_earlier(evidence)
        self._evidence, self._has_sent = evidence, True
        if evidence.moved:
            log.warning(
                "%d changes are no longer called for and are not sent.", len(evidence.moved)
            )
        self.progress.begin(part, sent=lambda: self.swit.calls, log=log.info)
        return Applier(
            plan=stored.plan,
            application_id=acceptance.application_id,
            run_id=self.run.run_id,
            approval_id=acceptance.approval_id,
            client=self.swit,
            store=self.store,
            lease=lease,
            concurrency=self.concurrency,
            advance=self.progress.advance,
            left_out=unchosen,
            evidence=evidence,
        )

    def _refuse_other_runs(self) -> None:
        """Refuse other jobs than `sync` and `apply`, and automatic retries."""
        if not self.run.may_write:
            message = (
                "Nothing was written to Swit. Only the jobs sync and apply may write: launch the"
                " job sync to plan and apply in one run, or the job apply with a stored plan's"
                " plan_id."
            )
            raise RefusedError(message, RunState.WRONG_USE)
        if self.run.retry_of is not None:
            message = (
                "Nothing was written to Swit. Dagster started this run by itself to retry the run"
                f" {self.run.retry_of}, and a run that writes is never retried automatically."
                " To go on, run: swit-provisioning sync"
            )
            raise RefusedError(message, RunState.FAILED)

    def _requested(self, plan_id: str) -> StoredPlan:
        """The plan that the run is asked to send: the one named, else the one that it has made."""
        if plan_id:
            try:
                return self.judge.stored(plan_id)
            except RefusedError as error:
                raise _refusal(_NOTHING, error, error.state) from error
        plan_hash = self.store.plans.made_by(self.run.root_run_id)
        stored = self.store.plans.get(plan_hash) if plan_hash else None
        if stored is None:
            message = "This run has made no plan. Launch the job `sync`, or `apply` with a plan_id."
            raise RefusedError(message, RunState.UNKNOWN_PLAN)
        return stored

    def _forbidden(self, stored: StoredPlan) -> str:
        """Why a person or a restored state keeps the plan from being sent; empty: nothing does.

        Raises `RefusedError` (stale) for a plan that is older than the restored state.
        """
        restored = self.store.restorations.latest()
        if restored is not None and restored.planned_by in {None, self.run.root_run_id}:
            next_step = (
                f"Look at it: swit-provisioning show {stored.plan_id}; the next run sends it, or"
                " apply"
                if restored.planned_by
                else "Make one: swit-provisioning plan"
            )
            return (
                f"{restored.sentence}, so the first run after that only plans, and earlier"
                f" approvals do not count. {next_step}"
            )
        if restored is not None and stored.created_at < restored.noticed_at:
            message = (
                f"{_NOTHING_MORE}. Plan {stored.plan_id} was made before the state was restored"
                " from a backup. Make a new one: swit-provisioning plan"
            )
            raise RefusedError(message, RunState.STALE)
        rejection = self.store.rejections.of(stored.plan_hash)
        if rejection is not None:
            return rejection.sentence
        pause = self.store.pauses.now() if self.run.is_scheduled else None
        if pause is not None:
            return f"Scheduled runs are {pause.sentence}. To go on: swit-provisioning resume"
        return ""

    def _take_lease(self, nothing: str) -> HeldLease:
        if self._lease is None:
            try:
                self._lease = HeldLease.acquire(
                    self.store, holder=self.run.run_id, actor=self.run.actor
                )
            except LeaseHeldError as error:
                raise _refusal(nothing, error, RunState.BUSY) from error
            if self._lease.grant.taken_over_from:
                self.mark_run_failed(self._lease.grant.taken_over_from)
        return self._lease

    def _refuse_outdated(
        self,
        stored: StoredPlan,
        application_id: str,
        entries: Mapping[str, JournalEntry],
        *,
        is_named: bool,
    ) -> None:
        """Refuse a plan that is too old, or that another run has overtaken since it was read.

        Both sides are read again in any case for a plan that a person names, so its own earlier
        application does not count there, nor that of the plan beside which it waited, nor a run
        that was still writing during the first read.
        """
        nothing = _nothing_written(entries)
        newest = self.store.acceptances.newest()
        if newest is not None:
            is_other = newest.application_id != application_id
            is_newer = is_other and newest.accepted_at > stored.created_at
            is_it = newest.plan_hash == stored.plan_hash or self.judge.was_left_out_of(
                newest, stored.plan_hash
            )
            if is_newer and not (is_named and is_it):
                raise _overtaken(stored.plan_id, newest, nothing)
            ended = self.store.journal.last_call_ended(but_not=application_id)
            if not is_named and ended is not None and ended > stored.created_at:
                raise _overtaken(stored.plan_id, newest, nothing)
        self._refuse_expired(stored, nothing)

    def _refuse_expired(self, stored: StoredPlan, nothing: str) -> None:
        try:
            self.judge.refuse_expired(stored)
        except RefusedError as error:
            raise _refusal(nothing, error, error.state) from error

    def _is_too_old(self, evidence: Evidence) -> bool:
        """Whether both sides must be read again before the first change is sent."""
        return self.store.now() - evidence.read_at > self.evidence_max_age

    def _read_again(
        self,
        stored: StoredPlan,
        part: Plan,
        entries: Mapping[str, JournalEntry],
        *,
        stale_if_moved: bool = False,
    ) -> Evidence:
        """Read both sides, make a plan now, and compare `part` of the stored plan with it."""
        nothing = _nothing_written(entries)
        read_at = self.store.now()
        try:
            now = read_organization(self.swit, expected=self.expected_organization)
            self.store.organization.bind(now.facts.organization_id)
            directory = self.directory.read()
            fresh = make_plan(directory, now, self.policy, self.store.memory())
            return compared(
                part, fresh, now, entries, read_at=read_at, stale_if_moved=stale_if_moved
            )
        except (DirectoryError, SwitError, OtherOrganizationError) as error:
            raise _refusal(nothing, error, RunState.FAILED) from error
        except StalePlanError as error:
            reason = f"Plan {stored.plan_id} is stale: {error}"
            raise _refusal(nothing, reason, RunState.STALE) from error


def _unchosen(
    plan: Plan, request: PlanRequest, entries: Mapping[str, JournalEntry]
) -> dict[str, str]:
    """Change id -> why it is not sent now.

    Raises `RefusedError` (wrong use) for a selection that contains no pending changes.
    """
    try:
        choice = Selection.parse(request.only, request.exclude, request.limit)
    except ValueError as error:
        raise _refusal(_NOTHING, error, RunState.WRONG_USE) from error
    settled = {name for name, entry in entries.items() if entry.outcome in _SETTLED}
    unchosen = not_selected(plan, choice, settled)
    if unchosen and all(
        change.change_id in settled for change in selected_plan(plan, unchosen).changes
    ):
        message = (
            f"{_NOTHING}. The selection contains no pending changes: choose other actions, or leave"
            " --only, --except and --limit out."
        )
        raise RefusedError(message, RunState.WRONG_USE)
    return unchosen


def _refusal(nothing: str, reason: object, state: RunState) -> RefusedError:
    """Return (not raise) a refusal that begins with what was written."""
    return RefusedError(f"{nothing}. {reason}", state)


def _nothing_written(entries: Collection[object]) -> str:
    """How a refusal begins, by what the journal has of the plan."""
    return _NOTHING_MORE if entries else _NOTHING


def _overtaken(plan_id: str, newest: Acceptance, nothing: str) -> RefusedError:
    """Return (not raise) the refusal of an old plan: it must not undo a newer one."""
    message = (
        f"{nothing}. The run {newest.run_id} has accepted the plan {newest.plan_id} since, so the"
        f" remaining changes of plan {plan_id} are out of date."
        " Make a new one: swit-provisioning sync"
    )
    return RefusedError(message, RunState.STALE)
