"""What the page of a stored plan says beside the plan itself. No Dagster."""

from swit_provisioning.reconcile.estimate import estimate
from swit_provisioning.report.page import PlanFacts
from swit_provisioning.report.summary import duration
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.swit.finding import estimated_pace


def page_facts(settings: Settings, stored: StoredPlan) -> PlanFacts:
    """Its id, when it was made, what the guards said, how long it takes."""
    calls, seconds = estimate(stored.plan, estimated_pace(settings.swit_requests_per_second))
    return PlanFacts(
        plan_id=stored.plan_id,
        created_at=stored.created_at,
        verdicts=stored.verdicts,
        calls=calls,
        duration=duration(seconds),
        mode=settings.mode,
    )
