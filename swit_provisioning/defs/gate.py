"""The gate: which plan this run may send. A plan that a guard stops is not accepted."""

from collections.abc import Iterator
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.run_model import PlanRequest
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.common import (
    APPLY_GROUP,
    OWNERS,
    block,
    check_result,
    failing_clearly,
    guard_specs,
    public_text,
    refuse_env_references,
)
from swit_provisioning.defs.io_manager import schema_of, table_schema
from swit_provisioning.operations.names import LEFT_OUT_TAG
from swit_provisioning.settings import Settings

APPROVED_BY_TAG: Final = "swit_provisioning/approved_by"
APPROVED_BECAUSE_TAG: Final = "swit_provisioning/approved_because"


class Accept(dg.Config):
    """Which plan to send. Empty: the one that this run has made."""

    plan_id: str = ""
    approve: str = ""
    """Why this one plan may pass its limits; recorded with who and when."""
    only: str = ""
    """Send these actions alone: `user.create,team.*`. What needs a left-out change waits too."""
    exclude: str = ""
    """Send all actions but these."""
    limit: int = 0
    """Send the first so many of each action that are still undone; 0: all."""


@dg.asset(
    deps=["change_plan"],
    group_name=APPLY_GROUP,
    kinds={"python"},
    owners=OWNERS,
    tags={"personal_data": "true"},
    metadata={"dagster/column_schema": table_schema(schema_of("accepted_plan"))},
    output_required=False,
    check_specs=guard_specs("accepted_plan"),
)
def accepted_plan(
    context: dg.AssetExecutionContext,
    config: Accept,
    settings: dg.ResourceParam[Settings],
    session: dg.ResourceParam[Session],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[pd.DataFrame]]:
    """The plan that this run may send: its own, or the one named and, where needed, approved."""
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
        context.log.info("Not chosen, so still to be sent: %s", decision.remaining)
        tags[LEFT_OUT_TAG] = decision.remaining
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)
    if decision.frame is None or decision.evidence is None:
        context.log.info("Nothing to do: Swit is as the directory says.")
        return
    yield dg.MaterializeResult(
        asset_key="accepted_plan",
        value=decision.frame,
        metadata={
            "plan_id": decision.plan.plan_id,
            "approved": decision.approval is not None,
            "left for later": decision.remaining or "nothing",
            "back in the directory": len(decision.evidence.back),
            "no longer called for": len(decision.evidence.moved),
            **(decision.counts or {}),
        },
        data_version=dg.DataVersion(decision.plan.plan_hash),
    )
