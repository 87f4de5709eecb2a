"""The only writers: four graphs of ops that send the accepted plan, in the reference order.

A step records failures and continues. The last op of each graph (`settle_...`) sends the changes
that are still pending and fails if any remain, so that a re-execution from failure runs only that.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.change_log import change_log_frame, outcome_counts, outcomes_frame
from swit_provisioning.apply.evidence import AcceptedPlan
from swit_provisioning.apply.executor import STOPPED
from swit_provisioning.apply.outcomes import DONE, Outcome
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.common import (
    APPLY_GROUP,
    OWNERS,
    WRITERS_POOL,
    failing_clearly,
    public_text,
)
from swit_provisioning.defs.io_manager import (
    PREVIEW_ROWS,
    ParquetFrames,
    dangerous_rows_first,
    preview,
    table_schema,
)
from swit_provisioning.operations.names import WRITERS
from swit_provisioning.operations.runs import root_run_id
from swit_provisioning.planning.actions import Step, steps_of
from swit_provisioning.planning.schemas import CHANGE_LOG, OUTCOMES
from swit_provisioning.report.redacted_frames import frame_without_people
from swit_provisioning.settings import Settings
from swit_provisioning.state.errors import StoreError
from swit_provisioning.state.store import Store

_STOPPED: Final = dict.fromkeys(STOPPED, "Stopped in the middle")
_CHANGE_LOG_ASSET: Final = "change_log"

Numbers = dict[str, int | float]


def _change_log_of(store: Store, run: dg.DagsterRun) -> pd.DataFrame:
    """The journal of the plan that a run may send, with the entries of all runs that sent parts.

    A run without an accepted plan, which was launched for the log alone, gets that of the newest.
    """
    acceptance = store.acceptances.of(root_run_id(run)) or store.acceptances.newest()
    if acceptance is None:
        return CHANGE_LOG.empty()
    return change_log_frame(
        store.history.of_application(acceptance.application_id, plan_hash=acceptance.plan_hash)
    )


def _change_log_counts(log: pd.DataFrame) -> dict[str, str | int]:
    """Changes by outcome, as numbers and as one line."""
    counts = outcome_counts(log)
    words = ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) or "nothing was sent"
    return {"summary": words, **counts}


@contextmanager
def _sending(
    context: dg.OpExecutionContext, settings: Settings, session: Session, frames: ParquetFrames
) -> Iterator[None]:
    """Let a step that sends fail clearly, and write the change log: its own step won't run then."""
    try:
        with failing_clearly(context, settings, _STOPPED):
            yield
    except BaseException:
        try:
            log = _change_log_of(session.store, context.run)
        except StoreError as error:
            # Then the journal is what failed, and the step says so.
            context.log.warning("The change log could not be read: %s", error)
        else:
            frames.put(_CHANGE_LOG_ASSET, context.run.run_id, log)
            metadata = {**frames.described(_CHANGE_LOG_ASSET, log), **_change_log_counts(log)}
            context.log_event(dg.AssetMaterialization(_CHANGE_LOG_ASSET, metadata=metadata))
        raise


USER_STEPS: Final = steps_of("user_diff")
TEAM_STEPS: Final = steps_of("team_diff")
SORT_STEPS: Final = steps_of("sort_diff")
MEMBERSHIP_STEPS: Final = steps_of("membership_diff")
_SAYS: Final[dict[Step, str]] = {
    "create_users": "Create accounts (`POST organization.user.create`).",
    "update_users": "Update names and phone numbers (`PATCH scim/v2/Users/{id}`).",
    "deactivate_users": "Deactivate or remove departed users (`organization.user.deactivate`).",
    "activate_users": "Activate returning users (`POST organization.user.activate`).",
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


def _sending_op(step: Step) -> dg.OpDefinition:
    @dg.op(
        name=step,
        description=_SAYS[step],
        pool=WRITERS_POOL,
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
    )
    def send(
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        session: dg.ResourceParam[Session],
        io_manager: dg.ResourceParam[ParquetFrames],
    ) -> None:
        if not (accepted_plan["step"] == step).any():
            return
        with _sending(context, settings, session, io_manager):
            outcomes = session.send(step, AcceptedPlan.of(accepted_plan), log=context.log)
        context.log.info("%s: %s", step, _counted(outcomes))

    return send


def _settling_op(asset: str, steps: tuple[Step, ...]) -> dg.OpDefinition:
    @dg.op(
        name=f"settle_{asset.removeprefix('applied_')}",
        description="Send the changes of the steps before that are still undone; fail if any are.",
        pool=WRITERS_POOL,
        ins={"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)},
        out=dg.Out(pd.DataFrame, metadata={"dagster/column_schema": table_schema(OUTCOMES)}),
    )
    def settle(
        context: dg.OpExecutionContext,
        accepted_plan: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        session: dg.ResourceParam[Session],
        io_manager: dg.ResourceParam[ParquetFrames],
    ) -> dg.Output[pd.DataFrame]:
        with _sending(context, settings, session, io_manager):
            outcomes = session.settle(
                steps,
                AcceptedPlan.of(accepted_plan),
                is_last=asset == WRITERS[-1],
                log=context.log,
            )
            frame = outcomes_frame(outcomes)
            metadata = {
                **_metadata(outcomes, frame, settings),
                **_effort(session.store, context.run, steps),
            }
            failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
            if failed:
                # A step that fails leaves no frame and no preview, so all of it is shown here.
                shown = {**metadata, "outcomes": outcomes_preview(frame, settings)}
                context.log_event(dg.AssetObservation(asset, metadata=shown))
                raise _failure(failed, outcomes, settings)
        return dg.Output(frame, metadata=metadata)

    return settle


def _effort(store: Store, run: dg.DagsterRun, steps: Sequence[Step]) -> Numbers:
    """Calls, seconds and calls a second that this run spent on these steps."""
    effort = store.history.effort(run.run_id, steps)
    pace = effort.calls / effort.seconds if effort.seconds else 0.0
    return {
        "calls": effort.calls,
        "seconds": round(effort.seconds, 1),
        "calls per second": round(pace, 1),
    }


def _metadata(
    outcomes: list[Outcome], frame: pd.DataFrame, settings: Settings
) -> "dict[str, dg.RawMetadataValue]":
    """The outcomes as a sentence and as numbers, and the changes that were not applied."""
    left = frame[~frame["outcome"].isin(DONE)]
    metadata: dict[str, dg.RawMetadataValue] = {"summary": _counted(outcomes), **_numbers(outcomes)}
    if not left.empty:
        metadata["not done"] = outcomes_preview(left, settings)
    return metadata


def outcomes_preview(outcomes: pd.DataFrame, settings: Settings) -> dg.TableMetadataValue:
    """Outcomes as a table for the UI, the most dangerous actions first."""
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
    return dg.Failure(
        public_text(settings, message), metadata={**_numbers(outcomes)}, allow_retries=False
    )


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
    settle = _settling_op(asset, steps)

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
    says="Accounts created, updated, deactivated and activated, with the outcome of each change.",
)
applied_teams = _writing_graph(
    "applied_teams",
    TEAM_STEPS,
    after="applied_users",
    says="Teams deleted, created, renamed, moved and re-keyed, with the outcome of each change.",
)
applied_sort = _writing_graph(
    "applied_sort",
    SORT_STEPS,
    after="applied_teams",
    says="Child teams sorted as the directory lists them, with the outcome of each change.",
)
applied_memberships = _writing_graph(
    "applied_memberships",
    MEMBERSHIP_STEPS,
    after="applied_sort",
    says="Members added and removed and primary teams set, with the outcome of each change.",
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
    context: dg.AssetExecutionContext, session: dg.ResourceParam[Session]
) -> dg.MaterializeResult[pd.DataFrame]:
    """Read the journal of the plan that this run has sent."""
    log = _change_log_of(session.store, context.run)
    return dg.MaterializeResult(value=log, metadata=_change_log_counts(log))
