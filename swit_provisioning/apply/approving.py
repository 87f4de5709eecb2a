"""Who lets a plan past its limits, and who forbids it: one set of rules for the gate and a person.

An approval is for one plan and for the limits that it breaks when it is given. A rejection is for
one plan, too: for these very changes, also when a later read plans them again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from swit_provisioning.reconcile.guards import (
    NEVER_LIFTED,
    GuardName,
    Limits,
    Verdict,
    judge,
)
from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.reconcile.text import clock
from swit_provisioning.store.approvals import Approval
from swit_provisioning.store.database import utc_now
from swit_provisioning.store.errors import AmbiguousPlanError
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.store import Store

LIMIT_WINDOW: Final = timedelta(hours=24)
"""What ran without an approval in this time counts against the limits."""


class DecisionRefusedError(Exception):
    """A plan can't be approved or rejected; the message says why, and what to do instead."""

    def __init__(
        self, message: str, *, status: Literal["unknown plan", "stale", "blocked"]
    ) -> None:
        """Take the message and what it comes down to."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Approver:
    """Judges plans by the limits, and keeps what people decide about them."""

    store: Store
    limits: Limits
    max_age: timedelta
    """How old a plan, or its approval, may be."""
    clock: Callable[[], datetime] = utc_now

    def judged(
        self,
        plan: Plan,
        *,
        application_id: str | None = None,
        part: Plan | None = None,
        selection: str = "",
    ) -> tuple[Verdict, ...]:
        """Judge a plan by today's limits, what ran in the last 24 hours, and its approval, if any.

        What `application_id` itself has done already is part of the plan, so it is not counted
        twice. Of a plan of which only a part is sent the `part` is judged, by the approval of the
        whole; `selection` has the options of `apply` that choose it, for the messages.
        """
        approval = self.approval_of(plan)
        verdicts = judge(
            part or plan,
            self.limits,
            last_read=self.store.reads.last_accepted(),
            recent=self.store.journal.unapproved_since(
                self.clock() - LIMIT_WINDOW, but_not=application_id
            ),
            approval=frozenset(approval.guards) if approval else None,
            apply_command=f"swit-provisioning apply {plan.plan_id}{selection}",
        )
        return _with_void(verdicts, self.store.restorations.void_approval(plan.plan_hash))

    def approval_of(self, plan: Plan) -> Approval | None:
        """What was approved for this plan, unless it is spent or too old."""
        return self.store.approvals.of(plan.plan_hash, newer_than=self.max_age)

    def lift(
        self,
        plan: Plan,
        *,
        who: str,
        why: str,
        application_id: str | None = None,
        part: Plan | None = None,
    ) -> tuple[GuardName, ...]:
        """Approve whatever limits the plan breaks now, if it breaks any; which these are."""
        verdicts = self.judged(plan, application_id=application_id, part=part)
        broken = _names(v for v in verdicts if not v.passed and v.name not in NEVER_LIFTED)
        if broken:
            self.store.approvals.add(plan.plan_hash, who=who, why=why, guards=broken)
        return broken

    def approve(self, plan_id: str, *, who: str, why: str) -> tuple[GuardName, ...]:
        """Let this plan past the limits it breaks now; a rejection of it is lifted.

        `plan_id` is any part of its hash, from the first digit, that no other plan begins with.
        Returns the limits: none if it breaks none and so needs no approval.

        Raises:
            DecisionRefusedError: there is none or more than one, it was applied already, it is too
                old, or a guard stops it that no approval lifts.

        """
        stored = self._known(plan_id)
        self._must_not_be_applied(stored, verb="approve")
        if stored.forgotten:
            raise DecisionRefusedError(stored.forgotten_sentence, status="stale")
        self.must_be_young(stored)
        never = [v for v in self.judged(stored.plan) if v.stops and v.name in NEVER_LIFTED]
        if never:
            told = " ".join(f"{verdict.name}: {verdict.message}" for verdict in never)
            message = f"Plan {stored.plan_id} can't be approved, no approval lifts this. {told}"
            raise DecisionRefusedError(message, status="blocked")
        self.store.rejections.lift(stored.plan_hash, who=who)
        return self.lift(stored.plan, who=who, why=why)

    def reject(self, plan_id: str, *, who: str, why: str) -> None:
        """Forbid these very changes, until somebody approves the plan; its approvals are void.

        Raises:
            DecisionRefusedError: there is none or more than one, it was applied already, or it
                changes nothing: that one is every quiet night's plan.

        """
        stored = self._known(plan_id)
        if not stored.plan.changes:
            message = f"Plan {stored.plan_id} changes nothing, so there is nothing to reject."
            raise DecisionRefusedError(message, status="unknown plan")
        self._must_not_be_applied(stored, verb="reject")
        self.store.rejections.add(stored.plan_hash, who=who, why=why)
        self.store.approvals.spend(stored.plan_hash)

    def _known(self, plan_id: str) -> StoredPlan:
        try:
            plan_hash = self.store.plans.find(plan_id)
        except AmbiguousPlanError as error:
            raise DecisionRefusedError(str(error), status="unknown plan") from error
        stored = self.store.plans.get(plan_hash) if plan_hash else None
        if stored is None:
            message = f"There is no plan {plan_id}. `swit-provisioning plans` lists them."
            raise DecisionRefusedError(message, status="unknown plan")
        return stored

    def _must_not_be_applied(self, stored: StoredPlan, *, verb: str) -> None:
        applied = self.store.acceptances.newest_of(stored.plan_hash)
        if applied is not None and applied.finished_at is not None:
            by = f" by {applied.who}" if applied.who else ""
            message = (
                f"Plan {stored.plan_id} was applied{by} on {clock(applied.finished_at)}, so there"
                f" is nothing left to {verb}. To see what would change now: swit-provisioning plan"
            )
            raise DecisionRefusedError(message, status="unknown plan")

    def must_be_young(self, stored: StoredPlan) -> None:
        """Refuse a plan that is too old to be applied or approved.

        Raises:
            DecisionRefusedError: it is; `stale`.

        """
        age = self.clock() - stored.created_at
        if age > self.max_age:
            message = (
                f"Plan {stored.plan_id} is {hours(age)} hours old, PLAN_MAX_AGE_HOURS is"
                f" {hours(self.max_age)}. Make a new one: swit-provisioning plan"
            )
            raise DecisionRefusedError(message, status="stale")


def hours(time: timedelta) -> str:
    """`72`, `0.5`, or `1,234.5`."""
    return f"{round(time.total_seconds() / 3600, 1):,g}"


def _with_void(verdicts: tuple[Verdict, ...], void: Approval | None) -> tuple[Verdict, ...]:
    """Say of the first limit that stops the plan that its approval is void since a restore."""
    for place, verdict in enumerate(verdicts):
        if void is not None and verdict.stops and verdict.name in void.guards:
            note = (
                f"The approval by {void.who} of {clock(void.at)} ({void.why}) is void:"
                " the state came back from a backup since. If it still holds, approve this anew."
            )
            told = replace(verdict, message=f"{verdict.message} {note}")
            return (*verdicts[:place], told, *verdicts[place + 1 :])
    return verdicts


def _names(verdicts: Iterable[Verdict]) -> tuple[GuardName, ...]:
    return tuple(verdict.name for verdict in verdicts)
