"""Asset checks: the guards on the plan, and what Swit rejected."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from swit_provisioning.apply.change_log import mass_refusals
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.apply_assets import outcomes_preview
from swit_provisioning.defs.common import block, check_result, guard_specs
from swit_provisioning.operations.names import (
    FEW_REJECTED,
    NO_CHANGE_REJECTED,
    WRITERS,
    WRITING_JOBS,
)
from swit_provisioning.settings import Settings


@dg.multi_asset_check(specs=guard_specs("change_plan"))
def plan_is_safe(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
) -> Iterator[dg.AssetCheckResult]:
    """Judge the plan that this run has made, on exactly the changes that would be sent."""
    plans = session.store.plans
    plan_hash = plans.made_by(session.run.root_run_id) or plans.latest()
    stored = plans.get(plan_hash) if plan_hash else None
    if stored is None:
        message = "There is no plan to judge. Launch the job `plan`."
        raise dg.Failure(message, allow_retries=False)
    results = session.judge.judge(stored.plan)
    yield from (check_result(result, "change_plan", settings) for result in results)
    if context.run.job_name not in WRITING_JOBS:
        # In a writing job the gate blocks the run: it knows which part of the plan is to be sent.
        stopped = [result.message for result in results if result.stops]
        if stopped:
            block(context, settings, *stopped)


@dg.asset_check(asset="change_log", name=FEW_REJECTED, blocking=True)
def few_changes_were_rejected(change_log: pd.DataFrame) -> dg.AssetCheckResult:
    """At most ten changes, or at most a fifth, of each action were rejected; else the run fails."""
    found = mass_refusals(change_log)
    problems = " ".join(refusal.message for refusal in found)
    return dg.AssetCheckResult(
        passed=not found,
        description=problems
        or "No action was rejected for more than ten objects and a fifth of them.",
        metadata={refusal.action: refusal.refused for refusal in found},
    )


def _no_change_was_rejected(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=NO_CHANGE_REJECTED)
    def check(outcomes: pd.DataFrame, settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        """Swit rejected no change; a rejected one blocks no other, but somebody must look at it."""
        refused = outcomes[outcomes["outcome"].isin(["rejected", "skipped"])]
        return dg.AssetCheckResult(
            passed=refused.empty,
            severity=dg.AssetCheckSeverity.WARN,
            description=_sentence(len(refused), len(outcomes)),
            metadata={"refused": len(refused), "which": outcomes_preview(refused, settings)},
        )

    return check


def _sentence(refused: int, planned: int) -> str:
    if not refused:
        return f"Swit refused none of {planned:,} changes."
    return (
        f"{refused:,} of {planned:,} changes were refused or skipped; the table says why. Correct"
        " what it names in the directory or in Swit: the next plan holds them again."
    )


outcome_checks = [_no_change_was_rejected(asset) for asset in WRITERS]
