"""The guards as asset checks on the plan: one failed, and nothing is written."""

from collections.abc import Iterator

import dagster as dg

from swit_provisioning.assets.guarding import (
    block,
    check_result,
    guard_specs,
    judged,
    root_run_id,
)
from swit_provisioning.resources.code_location import WRITING_JOBS
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store


@dg.multi_asset_check(specs=guard_specs("change_plan"))
def plan_is_safe(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    store: dg.ResourceParam[Store],
) -> Iterator[dg.AssetCheckResult]:
    """Judge the plan that this run has made, on exactly what would be sent."""
    plan_hash = store.plans.made_by(root_run_id(context.run)) or store.plans.latest()
    stored = store.plans.get(plan_hash) if plan_hash else None
    if stored is None:
        message = "There is no plan to judge. Launch the job `plan`."
        raise dg.Failure(message, allow_retries=False)
    verdicts = judged(stored.plan, settings, store)
    yield from (check_result(verdict, "change_plan", settings) for verdict in verdicts)
    if context.run.job_name not in WRITING_JOBS:
        # Where there is a gate, the gate says so: it knows which part of the plan is to be sent.
        stopped = [verdict.message for verdict in verdicts if verdict.stops]
        if stopped:
            block(context, settings, *stopped)
