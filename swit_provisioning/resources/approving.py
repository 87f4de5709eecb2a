"""The rules of approving with the limits that the settings name. No Dagster."""

from dataclasses import replace
from datetime import timedelta

from swit_provisioning.apply.approving import Approver
from swit_provisioning.apply.plan_states import PENDING, PlanState, PlanStates
from swit_provisioning.reconcile.guards import without_advice
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.store import Store


def approver(settings: Settings, store: Store) -> Approver:
    """Who judges, approves and rejects in this state."""
    return Approver(store=store, limits=settings.limits(), max_age=max_age(settings))


def max_age(settings: Settings) -> timedelta:
    """`PLAN_MAX_AGE_HOURS`."""
    return timedelta(hours=settings.plan_max_age_hours)


def current_state(
    settings: Settings, store: Store, stored: StoredPlan
) -> tuple[StoredPlan, PlanState]:
    """The plan and its state; while it can be applied, with what the guards say of it now.

    Of any other plan the guards say what they found when it was made, and advise nothing.
    """
    states = PlanStates(store, max_age=max_age(settings))
    state = states.of(stored.plan_hash)
    if state.name not in PENDING:
        lifted = state.approval.guards if state.approval else ()
        past = tuple(
            {
                **verdict,
                "message": without_advice(verdict["message"]),
                "blocking": verdict["blocking"] and verdict["name"] not in lifted,
            }
            for verdict in stored.verdicts
        )
        return replace(stored, verdicts=past), state
    begun = state.application.application_id if state.application else None
    judged = approver(settings, store).judged(stored.plan, application_id=begun)
    verdicts = tuple(verdict.document() for verdict in judged)
    return replace(stored, verdicts=verdicts), states.of(stored.plan_hash, verdicts=verdicts)
