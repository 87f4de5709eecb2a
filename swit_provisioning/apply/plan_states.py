"""What has become of a stored plan, as far as the state database tells. Nothing is read anew."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.reconcile.guards import NEVER_LIFTED
from swit_provisioning.reconcile.plan import Plan, PlanHash, shown_id
from swit_provisioning.reconcile.staleness import what_moved
from swit_provisioning.reconcile.text import clock
from swit_provisioning.store.acceptances import Acceptance
from swit_provisioning.store.approvals import Approval
from swit_provisioning.store.database import utc_now
from swit_provisioning.store.plans import ListedPlan
from swit_provisioning.store.rejections import Rejection
from swit_provisioning.store.store import Store

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
