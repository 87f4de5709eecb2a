"""The only writers: four graphs of ops that send the accepted plan, in the reference order.

A step notes what failed and goes on; the last op of each graph (`settle_...`) sends what is still
undone and fails if anything is left, so that a re-execution from failure runs only that.
"""

from collections.abc import Callable
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.executor import Applier
from swit_provisioning.apply.lease import Progress
from swit_provisioning.apply.outcomes import Outcome, outcomes_frame
from swit_provisioning.assets.common import APPLY_GROUP, OWNERS, as_failure
from swit_provisioning.assets.gate import conclude
from swit_provisioning.assets.guarding import root_run_id
from swit_provisioning.reconcile.frames import OUTCOMES
from swit_provisioning.reconcile.plan import Step
from swit_provisioning.resources.frames import preview, table_schema
from swit_provisioning.resources.writing import Writer
from swit_provisioning.settings import Settings
from swit_provisioning.store.acceptances import Acceptance
from swit_provisioning.store.errors import LeaseHeldError, StoreError
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient

USER_STEPS: Final[tuple[Step, ...]] = (
    "create_users",
    "update_users",
    "deactivate_users",
    "activate_users",
)
TEAM_STEPS: Final[tuple[Step, ...]] = (
    "delete_teams",
    "free_team_names",
    "create_teams",
    "update_teams",
    "delete_emptied_teams",
)
SORT_STEPS: Final[tuple[Step, ...]] = ("sort_teams",)
MEMBERSHIP_STEPS: Final[tuple[Step, ...]] = (
    "add_members",
    "remove_members",
    "update_primary_teams",
)

_SAYS: Final[dict[Step, str]] = {
    "create_users": "Create accounts (`POST organization.user.create`).",
    "update_users": "Update names and phone numbers (`PATCH scim/v2/Users/{id}`).",
    "deactivate_users": "Deactivate, or remove, who has left (`organization.user.deactivate`).",
    "activate_users": "Activate who is back (`POST organization.user.activate`).",
    "delete_teams": "Delete teams with nothing below, bottom up (`POST team.delete`).",
    "free_team_names": "Free the names that new teams need (`POST team.update`).",
    "create_teams": "Create teams, parents first (`POST team.create`).",
    "update_teams": "Rename, move and re-key teams, top down (`POST team.update`).",
    "delete_emptied_teams": "Delete the teams that moves have emptied (`POST team.delete`).",
    "sort_teams": "Sort child teams as the directory lists them (`POST team.sort`).",
    "add_members": "Add members, one call a team (`POST team.user.add`).",
    "remove_members": "Remove members, one call a team (`POST team.user.remove`).",
    "update_primary_teams": "Set primary teams (`POST team.user.primary.update`).",
}


def _applier(
    context: dg.OpExecutionContext,
    settings: Settings,
    store: Store,
    swit: SwitClient,
    writer: Writer,
    progress: Progress,
) -> Applier:
    """Who sends for this run: only a plan that the gate accepted for its root run."""
    root = root_run_id(context.run)
    acceptance = store.acceptances.of(root)
    stored = store.plans.get(acceptance.plan_id) if acceptance else None
    if acceptance is None or stored is None:
        message = "No plan was accepted for this run. Launch the job `sync`, or `apply`."
        raise dg.Failure(message, metadata={"status": "failed"}, allow_retries=False)
    try:
        lease = writer.lease()
    except LeaseHeldError as error:
        raise as_failure(error, doing="Nothing more was written", status="busy") from error
    _refuse_overtaken(store, acceptance)
    return Applier(
        plan=stored.plan,
        application_id=acceptance.application_id,
        run_id=context.run.run_id,
        approved=acceptance.approved,
        client=swit,
        store=store,
        lease=lease,
        concurrency=settings.swit_max_concurrency,
        progress=progress,
    )


def _refuse_overtaken(store: Store, acceptance: Acceptance) -> None:
    """What is left of an old plan must not undo what a newer one has done."""
    newest = store.acceptances.newest()
    if newest is not None and newest.application_id != acceptance.application_id:
        message = (
            f"Nothing more was written. The run {newest.run_id} has accepted the plan"
            f" {newest.plan_id} since, so what is left of plan {acceptance.plan_id} is out of"
            " date. Make a new one: swit-provisioning sync"
        )
        raise dg.Failure(message, metadata={"status": "stale"}, allow_retries=False)


def _sending_op(step: Step) -> dg.OpDefinition:
    @dg.op(
        name=step,
        description=_SAYS[step],
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
    )
    def send(
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        store: dg.ResourceParam[Store],
        swit: dg.ResourceParam[SwitClient],
        writer: dg.ResourceParam[Writer],
        progress: dg.ResourceParam[Progress],
    ) -> None:
        if not (accepted_plan["step"] == step).any():
            return
        applier = _applier(context, settings, store, swit, writer, progress)
        try:
            outcomes = applier.send(step)
        except StoreError as error:
            raise as_failure(error, doing="Stopped in the middle") from error
        context.log.info("%s: %s", step, _counted(outcomes))

    return send


def _settling_op(
    name: str, asset: str, steps: tuple[Step, ...], *, last: bool = False
) -> dg.OpDefinition:
    @dg.op(
        name=name,
        description="Send what is still undone of the steps before; fail if anything is left.",
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(pd.DataFrame, metadata={"dagster/column_schema": table_schema(OUTCOMES)}),
    )
    def settle(
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        store: dg.ResourceParam[Store],
        swit: dg.ResourceParam[SwitClient],
        writer: dg.ResourceParam[Writer],
        progress: dg.ResourceParam[Progress],
    ) -> dg.Output[pd.DataFrame]:
        del accepted_plan
        applier = _applier(context, settings, store, swit, writer, progress)
        try:
            outcomes = applier.settle(steps)
        except StoreError as error:
            raise as_failure(error, doing="Stopped in the middle") from error
        frame = outcomes_frame(outcomes)
        numbers = _numbers(outcomes)
        failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
        if failed:
            shown = preview(_failed_first(frame), OUTCOMES.shown)
            context.log_event(dg.AssetObservation(asset, metadata={**numbers, "outcomes": shown}))
            raise _failure(failed, len(outcomes), numbers)
        if last:
            conclude(store, applier.plan, applier.application_id)
        return dg.Output(frame, metadata=numbers)

    return settle


def _failed_first(outcomes: pd.DataFrame) -> pd.DataFrame:
    """What a person must see stands where the preview shows it."""
    return outcomes.sort_values("outcome", key=lambda kind: kind != "failed", kind="stable")


def _failure(failed: list[Outcome], planned: int, numbers: dict[str, int]) -> dg.Failure:
    first = failed[0]
    said = (first.message or "no answer").rstrip(".")
    message = (
        f"{len(failed)} of {planned} changes failed; the first: {first.change.action} "
        f"{first.change.target}: {said}. Re-execute from failure: what is done is not sent again."
    )
    metadata: dict[str, dg.RawMetadataValue] = {**numbers, "status": "failed"}
    return dg.Failure(message, metadata=metadata, allow_retries=False)


def _numbers(outcomes: list[Outcome]) -> dict[str, int]:
    kinds = ("applied", "already so", "rejected", "failed", "skipped")
    return {kind: sum(o.outcome == kind for o in outcomes) for kind in kinds}


def _counted(outcomes: list[Outcome]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in _numbers(outcomes).items() if n) or "nothing"


def _writing_graph(
    asset: str, steps: tuple[Step, ...], *, after: str | None, says: str
) -> dg.AssetsDefinition:
    """A graph asset that sends `steps` one after the other and settles them."""
    ops = [_sending_op(step) for step in steps]
    settle = _settling_op(
        f"settle_{asset.removeprefix('applied_')}",
        asset,
        steps,
        last=asset == "applied_memberships",
    )

    def chain(plan: dg.In, start: Callable[..., object] | None) -> object:
        before = start
        for op in ops:
            before = op(plan, before) if before is not None else op(plan)
        return settle(plan, before)

    ins = {"accepted_plan": dg.AssetIn("accepted_plan")}
    if after is None:

        def first(accepted_plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster's graph
            return chain(accepted_plan, None)

        compose: Callable[..., object] = first
    else:
        ins["before"] = dg.AssetIn(after, dagster_type=dg.Nothing)

        def later(accepted_plan, before):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster's graph
            return chain(accepted_plan, before)

        compose = later
    return dg.graph_asset(
        name=asset,
        ins=ins,
        group_name=APPLY_GROUP,
        description=says,
        kinds={"swit"},
        owners=OWNERS,
        tags={"personal_data": "true"},
        metadata={"dagster/column_schema": table_schema(OUTCOMES)},
    )(compose)


applied_users = _writing_graph(
    "applied_users",
    USER_STEPS,
    after=None,
    says="Accounts created, updated, deactivated and activated, with what came of each change.",
)
applied_teams = _writing_graph(
    "applied_teams",
    TEAM_STEPS,
    after="applied_users",
    says="Teams deleted, created, renamed, moved and re-keyed, with what came of each change.",
)
applied_sort = _writing_graph(
    "applied_sort",
    SORT_STEPS,
    after="applied_teams",
    says="Child teams sorted as the directory lists them, with what came of each change.",
)
applied_memberships = _writing_graph(
    "applied_memberships",
    MEMBERSHIP_STEPS,
    after="applied_sort",
    says="Members added and removed and primary teams set, with what came of each change.",
)
WRITERS: Final = ("applied_users", "applied_teams", "applied_sort", "applied_memberships")
