"""The only writers: four graphs of ops that send the accepted plan, in the reference order.

A step notes what failed and goes on; the last op of each graph (`settle_...`) sends what is still
undone and fails if anything is left, so that a re-execution from failure runs only that.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.change_log import change_log_frame, outcome_counts, outcomes_frame
from swit_provisioning.apply.executor import STOPPED, Applier
from swit_provisioning.apply.outcomes import DONE, Outcome
from swit_provisioning.defs.common import (
    APPLY_GROUP,
    OWNERS,
    READ_AT,
    WRITERS_POOL,
    BlockedError,
    as_failure,
    refuse_after_a_restore,
    refuse_forbidden,
    refuse_forgotten,
    refuse_other_runs,
    told,
)
from swit_provisioning.defs.evidence import (
    Sides,
    is_too_old,
    overtaken,
    read_again,
    refuse_old,
)
from swit_provisioning.defs.gate import conclude
from swit_provisioning.defs.io_manager import (
    PREVIEW_ROWS,
    ParquetFrames,
    dangerous_rows_first,
    preview,
    table_schema,
)
from swit_provisioning.defs.resources import Evidence, RunProgress, Writer
from swit_provisioning.operations.names import WRITERS
from swit_provisioning.operations.runs import root_run_id
from swit_provisioning.planning.model import Step
from swit_provisioning.planning.schemas import CHANGE_LOG, OUTCOMES
from swit_provisioning.report.redacted_frames import frame_without_people
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import Directory
from swit_provisioning.state.errors import LeaseHeldError, StoreError
from swit_provisioning.state.plans import StoredPlan
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient

ASSET: Final = "change_log"

Numbers = dict[str, int | float]


def change_log_of(store: Store, run: dg.DagsterRun) -> pd.DataFrame:
    """What was done of the plan that a run may send, by all runs that had a hand in it.

    A run that may send none, because somebody asked for the log alone, gets the newest.
    """
    acceptance = store.acceptances.of(root_run_id(run)) or store.acceptances.newest()
    if acceptance is None:
        return CHANGE_LOG.empty()
    return change_log_frame(
        store.history.of_application(acceptance.application_id, plan_hash=acceptance.plan_hash)
    )


def counts_of(log: pd.DataFrame) -> dict[str, str | int]:
    """Counts by outcome, and in words."""
    counts = outcome_counts(log)
    words = ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) or "nothing was sent"
    return {"summary": words, **counts}


def effort_of(store: Store, run: dg.DagsterRun, steps: Sequence[Step]) -> Numbers:
    """What it took this run to send these steps: calls, seconds, calls a second."""
    effort = store.history.effort(run.run_id, steps)
    pace = effort.calls / effort.seconds if effort.seconds else 0.0
    return {
        "calls": effort.calls,
        "seconds": round(effort.seconds, 1),
        "calls per second": round(pace, 1),
    }


@contextmanager
def logged_if_it_fails(
    context: dg.OpExecutionContext, store: Store, frames: ParquetFrames
) -> Iterator[None]:
    """However the block fails, the change log is there: the asset's own step won't run then."""
    try:
        yield
    except BaseException:
        _leave(context, store, frames)
        raise


def _leave(context: dg.OpExecutionContext, store: Store, frames: ParquetFrames) -> None:
    """Write the frame and say so, as the asset's step would have done."""
    try:
        log = change_log_of(store, context.run)
    except StoreError as error:
        # Then the journal is what failed, and the step says so.
        context.log.warning("The change log could not be read: %s", error)
        return
    frames.put(ASSET, context.run.run_id, log)
    metadata = {**frames.described(ASSET, log), **counts_of(log)}
    context.log_event(dg.AssetMaterialization(ASSET, metadata=metadata))


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
    directory: Directory,
    swit: SwitClient,
    writer: Writer,
    progress: RunProgress,
    accepted: pd.DataFrame,
) -> Applier:
    """Who sends for this run: only a plan that the gate accepted for its root run."""
    refuse_other_runs(context.run)
    root = root_run_id(context.run)
    acceptance = store.acceptances.of(root)
    stored = store.plans.get(acceptance.plan_hash) if acceptance else None
    if acceptance is None or stored is None:
        message = "No plan was accepted for this run. Launch the job `sync`, or `apply`."
        raise dg.Failure(message, metadata={"status": "failed"}, allow_retries=False)
    refuse_forgotten(stored)
    try:
        refuse_after_a_restore(context.run, stored, settings, store)
        refuse_forbidden(context.run, acceptance.plan_hash, settings, store)
    except BlockedError as error:
        raise error.as_failure() from error
    try:
        lease = writer.lease()
    except LeaseHeldError as error:
        raise as_failure(
            error, doing="Nothing more was written", settings=settings, status="busy"
        ) from error
    newest = store.acceptances.newest()
    if newest is not None and newest.application_id != acceptance.application_id:
        raise overtaken(acceptance.plan_id, newest, "Nothing more was written")
    if not writer.has_sent:
        refuse_old(stored, settings, store, "Nothing more was written")
    left_out = {c.change_id for c in stored.plan.changes} - set(accepted["change_id"])
    part = stored.plan.without(left_out)
    if writer.evidence is None:
        writer.evidence = _stored_evidence(accepted, stored)
    if not writer.has_sent and is_too_old(writer.evidence, settings, store):
        entries = store.journal.latest(acceptance.application_id, plan_hash=acceptance.plan_hash)
        sides = Sides(settings=settings, store=store, directory=directory, swit=swit)
        again = read_again(acceptance.plan_id, part, entries, sides)
        writer.evidence = again.with_earlier(writer.evidence)
    writer.has_sent = True
    if writer.evidence.moved:
        context.log.warning(
            "%d changes are no longer called for and are not sent.", len(writer.evidence.moved)
        )
    progress.begin(part, sent=lambda: swit.calls, log=context.log.info)
    return Applier(
        plan=stored.plan,
        application_id=acceptance.application_id,
        run_id=context.run.run_id,
        approval_id=acceptance.approval_id,
        client=swit,
        store=store,
        lease=lease,
        concurrency=settings.swit_max_concurrency,
        progress=progress,
        left_out=left_out,
        back=writer.evidence.back,
        moved=writer.evidence.moved,
    )


def _stored_evidence(accepted: pd.DataFrame, stored: StoredPlan) -> Evidence:
    """What the gate knew, as it is stored with the plan that it accepted."""
    facts = accepted.attrs.get("facts", {})
    # Frames of earlier versions don't say when.
    read_at = facts.get(READ_AT)
    return Evidence(
        read_at=datetime.fromisoformat(read_at) if read_at else stored.created_at,
        back=frozenset(facts.get("back", ())),
        moved=frozenset(facts.get("moved", ())),
    )


def _sending_op(step: Step) -> dg.OpDefinition:
    @dg.op(
        name=step,
        description=_SAYS[step],
        pool=WRITERS_POOL,
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
    )
    def send(  # noqa: PLR0913, PLR0917 - one argument a resource
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        store: dg.ResourceParam[Store],
        directory: dg.ResourceParam[Directory],
        swit: dg.ResourceParam[SwitClient],
        writer: dg.ResourceParam[Writer],
        progress: dg.ResourceParam[RunProgress],
        io_manager: dg.ResourceParam[ParquetFrames],
    ) -> None:
        if not (accepted_plan["step"] == step).any():
            return
        applier = _applier(
            context, settings, store, directory, swit, writer, progress, accepted_plan
        )
        with logged_if_it_fails(context, store, io_manager):
            try:
                outcomes = applier.send(step)
            except STOPPED as error:
                raise as_failure(error, doing="Stopped in the middle", settings=settings) from error
        context.log.info("%s: %s", step, _counted(outcomes))

    return send


def _settling_op(
    name: str, asset: str, steps: tuple[Step, ...], *, last: bool = False
) -> dg.OpDefinition:
    @dg.op(
        name=name,
        description="Send what is still undone of the steps before; fail if anything is left.",
        pool=WRITERS_POOL,
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(pd.DataFrame, metadata={"dagster/column_schema": table_schema(OUTCOMES)}),
    )
    def settle(  # noqa: PLR0913, PLR0917 - one argument a resource
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        store: dg.ResourceParam[Store],
        directory: dg.ResourceParam[Directory],
        swit: dg.ResourceParam[SwitClient],
        writer: dg.ResourceParam[Writer],
        progress: dg.ResourceParam[RunProgress],
        io_manager: dg.ResourceParam[ParquetFrames],
    ) -> dg.Output[pd.DataFrame]:
        applier = _applier(
            context, settings, store, directory, swit, writer, progress, accepted_plan
        )
        with logged_if_it_fails(context, store, io_manager):
            try:
                outcomes = applier.settle(steps)
            except STOPPED as error:
                raise as_failure(error, doing="Stopped in the middle", settings=settings) from error
            frame = outcomes_frame(outcomes)
            metadata = {
                **_metadata(outcomes, frame, settings),
                **effort_of(store, context.run, steps),
            }
            failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
            if failed:
                # A step that fails leaves no frame and no preview, so all of it is shown here.
                seen = {**metadata, "outcomes": outcomes_preview(frame, settings)}
                context.log_event(dg.AssetObservation(asset, metadata=seen))
                raise _failure(failed, outcomes, settings)
        if last:
            whole = applier.is_through
            conclude(store, applier.plan, applier.application_id, through=whole)
        return dg.Output(frame, metadata=metadata)

    return settle


def _metadata(
    outcomes: list[Outcome], frame: pd.DataFrame, settings: Settings
) -> "dict[str, dg.RawMetadataValue]":
    """What came of it in a sentence and in numbers; what was not done, each with its reason."""
    left = frame[~frame["outcome"].isin(DONE)]
    metadata: dict[str, dg.RawMetadataValue] = {"summary": _counted(outcomes), **_numbers(outcomes)}
    if not left.empty:
        metadata["not done"] = outcomes_preview(left, settings)
    return metadata


def outcomes_preview(outcomes: pd.DataFrame, settings: Settings) -> dg.TableMetadataValue:
    """Outcomes as a table for the UI, what a person must see first."""
    rows = dangerous_rows_first(outcomes).head(PREVIEW_ROWS)
    if settings.names_are_hidden_everywhere:
        rows = frame_without_people("outcomes", rows)
    return preview(rows, OUTCOMES.shown)


def _failure(failed: list[Outcome], outcomes: list[Outcome], settings: Settings) -> dg.Failure:
    first = failed[0]
    said = (first.message or "no answer").rstrip(".")
    message = (
        f"{len(failed)} of {len(outcomes)} changes failed; the first: {first.change.action} "
        f"{first.change.target}: {said}. Re-execute from failure: what is done is not sent again."
    )
    metadata: dict[str, dg.RawMetadataValue] = {**_numbers(outcomes), "status": "failed"}
    return dg.Failure(told(settings, message), metadata=metadata, allow_retries=False)


def _numbers(outcomes: list[Outcome]) -> Numbers:
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


@dg.asset(
    deps=[*WRITERS],
    group_name=APPLY_GROUP,
    description=CHANGE_LOG.description,
    kinds={"swit"},
    owners=OWNERS,
    tags={"personal_data": "true"},
    metadata={"dagster/column_schema": table_schema(CHANGE_LOG)},
)
def change_log(
    context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]
) -> dg.MaterializeResult[pd.DataFrame]:
    """Read the journal of the plan that this run has sent."""
    log = change_log_of(store, context.run)
    return dg.MaterializeResult(value=log, metadata=counts_of(log))
