"""The only writers: four graphs of ops that send the accepted plan, and the checks on them.

A step records failures and continues. The last op of each graph (`settle_...`) sends the changes
that are still pending and fails if any remain, so that a re-execution from failure runs only that.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, get_args

import dagster as dg
import pandas as pd

from swit_provisioning.apply.change_log import (
    change_log_frame,
    mass_refusals,
    outcome_counts,
    outcomes_frame,
)
from swit_provisioning.apply.executor import STOPPED
from swit_provisioning.apply.outcomes import DONE, Outcome, OutcomeKind
from swit_provisioning.apply.session import Session
from swit_provisioning.defs.endings import failing_clearly, public_text
from swit_provisioning.defs.io_manager import (
    PREVIEW_ROWS,
    ParquetFrames,
    asset_facts,
    dangerous_rows_first,
    preview,
    table_schema,
)
from swit_provisioning.operations.dagster_runs import (
    FEW_REJECTED,
    NO_CHANGE_REJECTED,
    WRITERS,
    root_run_id,
)
from swit_provisioning.planning.actions import STEP_DESCRIPTIONS, Diff, Step, steps_of
from swit_provisioning.planning.schemas import CHANGE_LOG, OUTCOMES
from swit_provisioning.report.redaction import frame_without_people
from swit_provisioning.settings import Settings
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.store import Store

WRITERS_POOL: Final = "swit_writers"
"""Of every op that sends, not of the gate: a second run is refused at once instead of waiting."""
_STOPPED: Final = dict.fromkeys(STOPPED, "Stopped in the middle")
_CHANGE_LOG_ASSET: Final = "change_log"


def _change_log_of(store: Store, run: dg.DagsterRun) -> pd.DataFrame:
    """The journal of the accepted plan of a run, with the entries of all runs that sent it.

    A run that was launched for the log alone gets the log of the newest accepted plan.
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
    """Let a step fail clearly, and write the change log, whose own step is then skipped."""
    try:
        with failing_clearly(context, settings, _STOPPED):
            yield
    except BaseException:
        try:
            log = _change_log_of(session.store, context.run)
        except StoreError as error:
            # The step reports that the journal failed.
            context.log.warning("The change log could not be read: %s", error)
        else:
            frames.put(_CHANGE_LOG_ASSET, context.run.run_id, log)
            metadata = {**frames.described(_CHANGE_LOG_ASSET, log), **_change_log_counts(log)}
            context.log_event(dg.AssetMaterialization(_CHANGE_LOG_ASSET, metadata=metadata))
        raise


_SENDING_INS: Final = {"accepted_plan": dg.In(pd.DataFrame), "before": dg.In(dg.Nothing)}


def _sending_op(step: Step) -> dg.OpDefinition:
    @dg.op(
        name=step,
        description=STEP_DESCRIPTIONS[step],
        pool=WRITERS_POOL,
        ins=_SENDING_INS,
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
            outcomes = session.send(step, accepted_plan, log=context.log)
        context.log.info("%s: %s", step, _counted(outcomes))

    return send


def _settling_op(asset: str, steps: tuple[Step, ...]) -> dg.OpDefinition:
    @dg.op(
        name=f"settle_{asset.removeprefix('applied_')}",
        description="Send the pending changes of the earlier steps. Fail if any remain.",
        pool=WRITERS_POOL,
        ins=_SENDING_INS,
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
            outcomes = session.settle(steps, accepted_plan, log=context.log)
            frame = outcomes_frame(outcomes)
            effort = session.store.history.effort(context.run.run_id, steps)
            metadata: dict[str, dg.RawMetadataValue] = {
                "summary": _counted(outcomes),
                **_numbers(outcomes),
                "calls": effort.calls,
                "seconds": round(effort.seconds, 1),
            }
            if effort.seconds:
                metadata["calls per second"] = round(effort.calls / effort.seconds, 1)
            undone = frame[~frame["outcome"].isin(DONE)]
            if not undone.empty:
                metadata["not done"] = outcomes_preview(undone, settings)
            failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
            if failed:
                # A step that fails leaves no frame and no preview, so all of it is shown here.
                shown = {**metadata, "outcomes": outcomes_preview(frame, settings)}
                context.log_event(dg.AssetObservation(asset, metadata=shown))
                first = failed[0]
                message = (
                    f"{len(failed)} of {len(outcomes)} changes failed. The first one is"
                    f" {first.change.action} {first.change.target}:"
                    f" {(first.message or 'no answer').rstrip('.')}."
                    " Re-execute the run from failure. Applied changes are not sent again."
                )
                raise dg.Failure(
                    public_text(settings, message),
                    metadata={**_numbers(outcomes)},
                    allow_retries=False,
                )
        return dg.Output(frame, metadata=metadata)

    return settle


def outcomes_preview(outcomes: pd.DataFrame, settings: Settings) -> dg.TableMetadataValue:
    """Outcomes as a table for the UI, the most dangerous actions first."""
    rows = dangerous_rows_first(outcomes).head(PREVIEW_ROWS)
    if settings.names_are_hidden_everywhere:
        rows = frame_without_people("outcomes", rows)
    return preview(rows, OUTCOMES.shown)


def _numbers(outcomes: list[Outcome]) -> dict[str, int]:
    """The number of changes for each outcome that occurred."""
    counts = Counter(outcome.outcome for outcome in outcomes)
    return {kind: counts[kind] for kind in get_args(OutcomeKind) if counts[kind]}


def _counted(outcomes: list[Outcome]) -> str:
    counts = (f"{number:,} {kind}" for kind, number in _numbers(outcomes).items())
    return ", ".join(counts) or "no changes"


def _writing_graph(asset: str, diff: Diff, *, after: str | None, says: str) -> dg.AssetsDefinition:
    """An asset that sends the steps of a diff one after the other and settles them."""
    steps = steps_of(diff)
    ops = [*map(_sending_op, steps), _settling_op(asset, steps)]
    ins = {"accepted_plan": "accepted_plan"} | ({"before": after} if after else {})
    receivers = [("accepted_plan", op) for op in ops] + ([("before", ops[0])] if after else [])
    graph = dg.GraphDefinition(
        name=asset,
        node_defs=ops,
        dependencies={
            later.name: {"before": dg.DependencyDefinition(earlier.name)}
            for earlier, later in pairwise(ops)
        },
        input_mappings=[
            dg.InputMapping(
                graph_input_name=name, mapped_node_name=op.name, mapped_node_input_name=name
            )
            for name, op in receivers
        ],
        output_mappings=[
            dg.OutputMapping(
                graph_output_name="result",
                mapped_node_name=ops[-1].name,
                mapped_node_output_name="result",
            )
        ],
    )
    return dg.AssetsDefinition(
        node_def=graph,
        keys_by_input_name={name: dg.AssetKey(source) for name, source in ins.items()},
        keys_by_output_name={"result": dg.AssetKey(asset)},
        specs=[
            dg.AssetSpec(
                asset,
                deps=list(ins.values()),
                **asset_facts(asset, "apply", "swit", description=says),
            )
        ],
    )


applied_users = _writing_graph(
    "applied_users",
    "user_diff",
    after=None,
    says="Accounts created, updated, deactivated and activated, with the outcome of each change.",
)
applied_teams = _writing_graph(
    "applied_teams",
    "team_diff",
    after="applied_users",
    says="Teams deleted, created, renamed, moved and re-keyed, with the outcome of each change.",
)
applied_sort = _writing_graph(
    "applied_sort",
    "sort_diff",
    after="applied_teams",
    says="Child teams sorted as the directory lists them, with the outcome of each change.",
)
applied_memberships = _writing_graph(
    "applied_memberships",
    "membership_diff",
    after="applied_sort",
    says="Members added and removed and primary teams set, with the outcome of each change.",
)


@dg.asset(deps=[*WRITERS], **asset_facts("change_log", "apply", "swit"))
def change_log(
    context: dg.AssetExecutionContext, session: dg.ResourceParam[Session]
) -> dg.MaterializeResult[pd.DataFrame]:
    """Read the journal of the plan that this run has sent."""
    log = _change_log_of(session.store, context.run)
    return dg.MaterializeResult(value=log, metadata=_change_log_counts(log))


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
        """Swit rejected no change. A rejected change blocks no other, but look at its reason."""
        refused = outcomes[outcomes["outcome"].isin(["rejected", "skipped"])]
        if refused.empty:
            sentence = f"Swit rejected none of {len(outcomes):,} changes."
            return dg.AssetCheckResult(passed=True, description=sentence)
        sentence = (
            f"{len(refused):,} of {len(outcomes):,} changes were rejected or skipped. The table"
            " gives the reasons. Correct the records in the directory or in Swit. The next plan"
            " contains these changes again."
        )
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=sentence,
            metadata={"rejected": len(refused), "changes": outcomes_preview(refused, settings)},
        )

    return check


outcome_checks = [_no_change_was_rejected(asset) for asset in WRITERS]
