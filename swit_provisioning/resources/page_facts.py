"""What the page of a stored plan says beside the plan itself. No Dagster."""

from datetime import UTC, datetime

from swit_provisioning.apply.plan_states import PENDING, PlanState
from swit_provisioning.reconcile.estimate import calls_by_kind, estimate
from swit_provisioning.report.page import PlanFacts
from swit_provisioning.report.people import without_people_in
from swit_provisioning.report.summary import duration
from swit_provisioning.resources.expected_pace import expected_pace
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.store import Store


def page_facts(
    settings: Settings, store: Store, stored: StoredPlan, state: PlanState, *, no_names: bool
) -> PlanFacts:
    """Its id, when it was made, its state, what the guards say, how long it takes."""
    pace = expected_pace(settings, store)
    calls, seconds = estimate(stored.plan, pace.per_second)
    return PlanFacts(
        plan_id=stored.plan_id,
        created_at=stored.created_at,
        verdicts=stored.verdicts,
        calls=calls,
        by_kind=calls_by_kind(stored.plan),
        pace=pace.sentence,
        duration=duration(seconds),
        mode=settings.mode,
        state=tuple(map(without_people_in, state.sentences) if no_names else state.sentences),
        state_at=datetime.now(UTC),
        advice=state.advice,
        pending=state.name in PENDING,
    )
