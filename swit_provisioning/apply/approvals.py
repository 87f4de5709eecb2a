"""Who lets a plan past its limits, and who forbids it: one set of rules for the gate and a person.

An approval is for one plan and for the limits that it breaks when it is given. A rejection is for
one plan, too: for these very changes, also when a later read plans them again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.planning.guards import (
    NEVER_LIFTED,
    GuardName,
    Limits,
    Verdict,
    judge,
)
from swit_provisioning.planning.model import Plan, PlanHash, shown_id
from swit_provisioning.planning.normalize import clock
from swit_provisioning.planning.staleness import what_moved
from swit_provisioning.state.database import utc_now
from swit_provisioning.state.errors import AmbiguousPlanError
from swit_provisioning.state.plans import Acceptance, Approval, ListedPlan, Rejection, StoredPlan
from swit_provisioning.state.store import Store

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


StateName = Literal[
    "nothing to do",
    "applied",
    "rejected",
    "begun",
    "expired",
    "stale",
    "blocked",
    "waiting for approval",
    "approved",
    "ready",
]
PENDING: Final[frozenset[StateName]] = frozenset(
    {"begun", "blocked", "waiting for approval", "approved", "ready"}
)
"""States of a plan that the guards can still stop or let through."""
_MAKE_A_NEW_ONE: Final = "To make a new plan: swit-provisioning plan"


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """The state of one plan, who decided about it, and what to do next."""

    plan: ListedPlan
    name: StateName
    approval: Approval | None = None
    """The approval that is in force, or that lifted a limit for the run that applied the plan."""
    rejection: Rejection | None = None
    application: Acceptance | None = None
    """The last run that was allowed to send the plan as it was made last."""
    settled: int = 0
    """Changes that were applied or rejected; counted for a plan that is `begun`."""
    stale_because: str = ""
    """What made a `stale` plan stale, as a clause."""

    @property
    def stopped_by(self) -> list[str]:
        """Names of the guards that stop it, without those that its approval lifts."""
        lifted = self.approval.guards if self.approval else ()
        stops = (v["name"] for v in self.plan.verdicts if v["blocking"] and not v["passed"])
        return [str(name) for name in stops if name not in lifted]

    @property
    def sentences(self) -> list[str]:
        """The state in words: what it is, who approved it, who applied it, and when."""
        return [sentence for sentence in (self._state, self._approved, self._stopped) if sentence]

    @property
    def advice(self) -> str:
        """What to do next, with the command; empty if there is nothing to do."""
        plan_id = self.plan.plan_id
        if self.name == "begun" and NEVER_LIFTED & set(self.stopped_by):
            return _MAKE_A_NEW_ONE
        if self.name in {"ready", "approved"} or (self.name == "begun" and not self.stopped_by):
            words = "To send the rest" if self.name == "begun" else "To apply it"
            return f"{words}: swit-provisioning apply {plan_id}"
        if self.name in {"waiting for approval", "begun"}:
            return f'To approve it: swit-provisioning approve {plan_id} --reason "reason"'
        if self.name == "rejected":
            approve = f'swit-provisioning approve {plan_id} --reason "reason"'
            return f"If it is meant after all: {approve}"
        if self.name == "nothing to do":
            return ""
        return _MAKE_A_NEW_ONE

    @property
    def _state(self) -> str:
        made = self.application
        by = f" by {made.who}" if made is not None and made.who else ""
        run = f" (run {made.run_id})" if made is not None else ""
        if made is not None and made.finished_at is not None and self.name == "applied":
            return f"Applied{by} on {clock(made.finished_at)}{run}."
        if made is not None and self.name == "begun":
            changes = sum(self.plan.counts.values())
            return (
                f"Partly applied{by} on {clock(made.accepted_at)}{run}: {self.settled:,} of"
                f" {changes:,} changes are done."
            )
        return {
            "nothing to do": "Nothing to do.",
            "ready": "Ready to be applied.",
            "approved": "Approved, not applied yet.",
            "rejected": self.rejection.words if self.rejection else "Rejected.",
            "waiting for approval": "Waiting for an approval.",
            "blocked": "Blocked: no approval can lift this. Correct what the guard names.",
            "stale": f"Stale: {self.stale_because}.",
            "expired": f"Expired: it was made on {clock(self.plan.created_at)}, longer ago than"
            " PLAN_MAX_AGE_HOURS allows.",
        }[self.name]

    @property
    def _approved(self) -> str:
        approval = self.approval
        if approval is None or self.name == "rejected":
            return ""
        return f"Approved by {approval.who} on {clock(approval.at)}: {approval.why}"

    @property
    def _stopped(self) -> str:
        if self.name not in PENDING or not self.stopped_by:
            return ""
        return f"Stopped by {', '.join(self.stopped_by)}."


class PlanStates:
    """The states of plans; a plan is stale here when the newest one no longer does all it does."""

    def __init__(
        self, store: Store, *, max_age: timedelta, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Take the state, and how old a plan may be."""
        self._store, self._max_age, self._clock = store, max_age, clock
        self._newest: Plan | None = None

    def of(
        self, plan_hash: PlanHash, *, verdicts: Sequence[Mapping[str, Any]] | None = None
    ) -> PlanState:
        """The state of one stored plan, by what the guards say now if `verdicts` are given.

        Raises:
            KeyError: there is no such plan.

        """
        found = self._store.plans.listed(limit=1, plan_hash=plan_hash)
        if not found:
            raise KeyError(plan_hash)
        plan = found[0]
        return self._state(plan if verdicts is None else replace(plan, verdicts=tuple(verdicts)))

    def listed(self, *, limit: int) -> list[PlanState]:
        """The plans that were made last, newest first."""
        return [self._state(plan) for plan in self._store.plans.listed(limit=limit)]

    def _state(self, plan: ListedPlan) -> PlanState:
        rejection = self._store.rejections.of(plan.plan_hash)
        approval = self._store.approvals.of(plan.plan_hash, newer_than=self._max_age)
        application = self._store.acceptances.newest_of(plan.plan_hash)
        name = self._name(plan, rejection, approval, application)
        if application is not None and application.approval_id and name in {"applied", "begun"}:
            approval = self._store.approvals.get(application.approval_id)
        return PlanState(
            plan=plan,
            name=name,
            approval=approval,
            rejection=rejection,
            application=application,
            settled=self._settled(application) if application and name == "begun" else 0,
            stale_because=self._stale_because(plan) if name == "stale" else "",
        )

    def _settled(self, application: Acceptance) -> int:
        entries = self._store.journal.latest(
            application.application_id, plan_hash=application.plan_hash
        )
        return sum(entry.outcome in DONE | {"rejected"} for entry in entries.values())

    def _name(
        self,
        plan: ListedPlan,
        rejection: Rejection | None,
        approval: Approval | None,
        application: Acceptance | None,
    ) -> StateName:
        too_old = self._clock() - plan.created_at > self._max_age
        state: StateName | None = None
        if not plan.counts:
            state = "nothing to do"
        elif application is not None and application.finished_at is not None:
            state = "applied"
        elif rejection is not None:
            state = "rejected"
        elif too_old:
            state = "expired"
        elif self._overtaken_by(plan) or (application is None and self._stale_because(plan)):
            state = "stale"
        elif application is not None:
            state = "begun"
        return state or _standing(plan.verdicts, approval)

    def _stale_because(self, plan: ListedPlan) -> str:
        """Why the plan is stale; empty if it is not."""
        newer = self._overtaken_by(plan)
        if newer is not None:
            return f"a newer plan, {newer.plan_id}, was accepted on {clock(newer.accepted_at)}"
        if self._is_forgotten(plan.plan_hash):
            return "a person in it was forgotten since"
        newest = self._store.plans.latest()
        if newest is None or newest == plan.plan_hash:
            return ""
        if self._newest is None:
            self._newest = self._plan(newest)
        moved = what_moved(self._plan(plan.plan_hash), self._newest, frozenset())
        return (
            f"the newest plan, {shown_id(newest)}, no longer makes all its changes" if moved else ""
        )

    def _overtaken_by(self, plan: ListedPlan) -> Acceptance | None:
        """The newer plan that was accepted since this one was made: the gate refuses the rest."""
        newest = self._store.acceptances.newest()
        if newest is None or newest.plan_hash == plan.plan_hash:
            return None
        return newest if newest.accepted_at > plan.created_at else None

    def _is_forgotten(self, plan_hash: PlanHash) -> bool:
        """Somebody in it was forgotten since: it can't be applied."""
        stored = self._store.plans.get(plan_hash)
        return stored is not None and stored.forgotten

    def _plan(self, plan_hash: PlanHash) -> Plan:
        stored = self._store.plans.get(plan_hash)
        return stored.plan if stored else Plan(changes=())


def _standing(verdicts: tuple[Mapping[str, Any], ...], approval: Approval | None) -> StateName:
    """What the guards said when it was made, and what was approved since."""
    broken = {verdict["name"] for verdict in verdicts if not verdict["passed"]}
    if broken & NEVER_LIFTED:
        return "blocked"
    if not broken:
        return "ready"
    return "approved" if approval and broken <= set(approval.guards) else "waiting for approval"
