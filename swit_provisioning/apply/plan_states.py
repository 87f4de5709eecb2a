"""What has become of a stored plan, as far as the state database tells. Nothing is read anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from swit_provisioning.reconcile.guards import NEVER_LIFTED
from swit_provisioning.reconcile.plan import Plan, PlanHash
from swit_provisioning.reconcile.staleness import what_moved
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


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """One plan and what stands of it."""

    plan: ListedPlan
    name: StateName
    approval: Approval | None = None
    rejection: Rejection | None = None


class PlanStates:
    """The states of plans; a plan is stale here when the newest one no longer does all it does."""

    def __init__(
        self, store: Store, *, max_age: timedelta, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Take the state, and how old a plan may be."""
        self._store, self._max_age, self._clock = store, max_age, clock
        self._newest: Plan | None = None

    def listed(self, *, limit: int) -> list[PlanState]:
        """The plans that were made last, newest first."""
        return [self._state(plan) for plan in self._store.plans.listed(limit=limit)]

    def waiting(self, *, limit: int = 100) -> list[PlanState]:
        """Those of them that a person should look at."""
        return [s for s in self.listed(limit=limit) if s.name == "waiting for approval"]

    def _state(self, plan: ListedPlan) -> PlanState:
        rejection = self._store.rejections.of(plan.plan_hash)
        approval = self._store.approvals.of(plan.plan_hash, newer_than=self._max_age)
        return PlanState(
            plan=plan,
            name=self._name(plan, rejection, approval),
            approval=approval,
            rejection=rejection,
        )

    def _name(
        self, plan: ListedPlan, rejection: Rejection | None, approval: Approval | None
    ) -> StateName:
        application = self._store.acceptances.newest_of(plan.plan_hash)
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
        elif application is not None:
            state = "begun"
        elif self._is_stale(plan.plan_hash):
            state = "stale"
        return state or _standing(plan.verdicts, approval)

    def _is_stale(self, plan_hash: PlanHash) -> bool:
        if self._is_forgotten(plan_hash):
            return True
        newest = self._store.plans.latest()
        if newest is None or newest == plan_hash:
            return False
        if self._newest is None:
            self._newest = self._plan(newest)
        return bool(what_moved(self._plan(plan_hash), self._newest, frozenset()))

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
