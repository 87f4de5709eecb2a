"""The guards as checks, and the gate: which plan this run may send.

The checks do not block in Dagster's sense: a blocking check that fails also fails the run, and then
the UI shows every asset and check after it as failed, with a stack trace. The gate blocks: it
accepts no plan, so the steps that send are skipped.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.run_model import PlanRequest, RefusedError, RunState
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.endings import block, failing_clearly, public_text
from swit_provisioning.defs.io_manager import asset_facts
from swit_provisioning.operations.dagster_runs import LEFT_OUT_TAG, WRITING_JOBS
from swit_provisioning.planning.guards import GUARDS, GuardName, GuardResult
from swit_provisioning.report.summary import summary
from swit_provisioning.settings import Settings

APPROVED_BY_TAG: Final = "swit_provisioning/approved_by"
APPROVED_BECAUSE_TAG: Final = "swit_provisioning/approved_because"

GUARD_SAYS: Final[Mapping[GuardName, str]] = {
    "directory_read_is_complete": "The directory was read completely, with users in each base.",
    "swit_read_is_complete": "Swit was read completely, by an active administrator.",
    "protected_users_untouched": "The plan changes no protected user and no kept team.",
    "first_sync_takes_nothing_away": "A first sync only adds and updates (FIRST_SYNC=additive).",
    "directory_has_not_shrunk": "No search base shrank by more than MAX_DIRECTORY_SHRINK.",
    "directory_attributes_still_there": "No attribute disappeared from more people or groups than"
    " MAX_DIRECTORY_SHRINK.",
    "deactivations_within_limit": "At most MAX_DEACTIVATIONS users depart.",
    "activations_within_limit": "At most MAX_ACTIVATIONS users are activated.",
    "team_deletions_within_limit": "At most MAX_TEAM_DELETIONS teams are deleted or marked.",
    "membership_removals_within_limit": "At most MAX_MEMBERSHIP_REMOVALS members are removed.",
    "creations_within_limit": "Creations are within MAX_USER_CREATIONS and MAX_TEAM_CREATIONS.",
    "updates_within_limit": "At most MAX_UPDATES users and teams are updated.",
}


def guard_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The guards as checks of one asset."""
    stops = "If it fails, the gate accepts no plan: the run is blocked and writes nothing to Swit."
    return [
        dg.AssetCheckSpec(name, asset=asset, description=f"{GUARD_SAYS[name]} {stops}")
        for name in GUARDS
    ]


def check_result(result: GuardResult, asset: str, settings: Settings) -> dg.AssetCheckResult:
    """The result of a guard as the UI shows it, with its message first."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=result.name,
        passed=not result.stops,
        description=public_text(settings, result.message),
        metadata={"approved": result.lifted},
    )


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


class SendConfig(dg.Config, use_attribute_docstrings=True):
    """Which changes of a plan to send."""

    only: str = ""
    """Send only these actions, such as `user.create,team.*`. Empty: all actions."""
    exclude: str = ""
    """Send all actions except these, such as `user.deactivate`."""
    limit: int = 0
    """The number of pending changes of each action to send. 0: all."""


class AcceptConfig(SendConfig):
    """Which plan to send, and which changes of it."""

    plan_id: str = ""
    """The id of a stored plan. Empty: the plan that this run has made."""
    approve: str = ""
    """The reason to approve the plan that a guard blocked. It is recorded with user and time."""


def refuse_env_references(config: Mapping[str, Any]) -> None:
    """Refuse `{env: NAME}` in a run's config: it would show any variable of the server."""
    for value in config.values():
        if isinstance(value, Mapping):
            if set(value) == {"env"}:
                message = (
                    "{env: NAME} is not allowed in a run's configuration: it would show any"
                    " variable of the server. Write the value itself."
                )
                raise RefusedError(message, RunState.FAILED)
            refuse_env_references(value)


ACCEPTED_PLAN_SAYS: Final = (
    "The plan that this run may send: its own, or the one named and, where needed, approved."
)


@dg.asset(
    deps=["change_plan"],
    **asset_facts("accepted_plan", "apply", "python", description=ACCEPTED_PLAN_SAYS),
    output_required=False,
    check_specs=guard_specs("accepted_plan"),
)
def accepted_plan(
    context: dg.AssetExecutionContext,
    config: AcceptConfig,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[pd.DataFrame]]:
    """Judge the plan again, and accept it for this run if nothing is against it."""
    with failing_clearly(context, settings, {}):
        refuse_env_references(context.run.run_config)
        decision = session.accept(PlanRequest(**config.model_dump()))
    yield from (check_result(result, "accepted_plan", settings) for result in decision.results)
    if decision.blocked_by:
        # No plan is accepted and nothing is yielded, so every step that sends is skipped.
        block(context, settings, *decision.blocked_by)
        return
    tags: dict[str, str] = {}
    if decision.approval is not None:
        reason = public_text(settings, decision.approval.reason)
        tags |= {APPROVED_BY_TAG: decision.approval.actor, APPROVED_BECAUSE_TAG: reason}
    if decision.remaining:
        context.log.info("Not selected, so still pending: %s", decision.remaining)
        tags[LEFT_OUT_TAG] = decision.remaining
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)
    if decision.frame is None or decision.evidence is None:
        context.log.info("Nothing to do: Swit matches the directory.")
        return
    yield dg.MaterializeResult(
        asset_key="accepted_plan",
        value=decision.frame,
        metadata={
            "plan_id": decision.plan.plan_id,
            "approved": decision.approval is not None,
            "left for later": decision.remaining or "nothing",
            "waiting for an approval": summary(decision.plan.waiting)
            if decision.plan.waiting
            else "nothing",
            "back in the directory": len(decision.evidence.returning),
            "no longer called for": len(decision.evidence.moved),
            **(decision.counts or {}),
        },
        data_version=dg.DataVersion(decision.plan.plan_hash),
    )
