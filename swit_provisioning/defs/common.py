"""What all assets share: owners, how a frame is declared, how an error becomes a failed step."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from swit_provisioning.defs.io_manager import schema_of, table_schema
from swit_provisioning.operations.names import (
    BLOCKED_TAG,
    RETRY_TAG,
    SCHEDULE_TAG,
    WRITING_JOBS,
)
from swit_provisioning.operations.runs import root_run_id
from swit_provisioning.operations.services import approver
from swit_provisioning.planning.guards import GUARDS, GuardName, Verdict
from swit_provisioning.planning.model import Plan, PlanHash
from swit_provisioning.report.redaction import without_people_in
from swit_provisioning.report.safe_text import readable
from swit_provisioning.settings import Settings
from swit_provisioning.state.plans import StoredPlan
from swit_provisioning.state.store import Store

OWNERS: Final = ["team:it-operations"]
DIRECTORY_GROUP: Final = "directory"
SWIT_GROUP: Final = "swit"
DIFFERENCE_GROUP: Final = "difference"
APPLY_GROUP: Final = "apply"
READ_AT: Final = "read_at"
"""The fact of a frame that says when reading it began, by the state database's clock."""
WRITERS_POOL: Final = "swit_writers"
"""Of every op that sends, not of the gate: who comes second is told who writes, at once."""


def frame_out(name: str, *, group: str, kinds: set[str]) -> dg.AssetOut:
    """One frame of a step that makes several: its description and columns come from its schema."""
    schema = schema_of(name)
    return dg.AssetOut(
        group_name=group,
        description=schema.description,
        kinds=kinds,
        owners=OWNERS,
        tags={"personal_data": "true"},
        metadata={"dagster/column_schema": table_schema(schema)},
    )


def told(settings: Settings, text: str) -> str:
    """What metadata, logs and errors may say: without people where `HIDE_NAMES` asks for that."""
    return readable(without_people_in(text) if settings.names_are_hidden_everywhere else text)


def as_failure(
    error: Exception, *, doing: str, settings: Settings, status: str = "failed"
) -> dg.Failure:
    """Return (not raise) a failed step, so that the caller keeps `raise ... from`.

    Reading and sending try again by themselves; Dagster must not add tries of its own.
    """
    said = told(settings, f"{doing}: {error}")
    return dg.Failure(said, metadata={"status": status}, allow_retries=False)


def cause(error: Exception, settings: Settings) -> Exception | None:
    """What the failed step shows as its cause: nothing where the error may name people."""
    return None if settings.names_are_hidden_everywhere else error


GUARD_SAYS: Final[Mapping[GuardName, str]] = {
    "directory_read_is_complete": "The directory was read whole, and every base gave users.",
    "swit_read_is_complete": "Swit was read whole, by an active administrator's account.",
    "protected_users_untouched": "No protected user and no kept team is changed.",
    "directory_has_not_shrunk": "No base shrank by more than MAX_DIRECTORY_SHRINK allows.",
    "deactivations_within_limit": "No more people leave than MAX_DEACTIVATIONS allows.",
    "team_deletions_within_limit": "No more teams go than MAX_TEAM_DELETIONS allows.",
    "membership_removals_within_limit": "No more memberships end than MAX_MEMBERSHIP_REMOVALS.",
    "creations_within_limit": "No more is made than MAX_USER_CREATIONS, MAX_TEAM_CREATIONS.",
    "updates_within_limit": "No more is updated than MAX_UPDATES allows.",
}


_Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def guard_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The guards as checks of one asset.

    They do not block in Dagster's sense: a blocking check that fails also fails the run, and then
    the UI shows every asset and check after it as failed, with a stack trace. The gate blocks: it
    accepts no plan, so the steps that send are skipped.
    """
    return [dg.AssetCheckSpec(name, asset=asset, description=GUARD_SAYS[name]) for name in GUARDS]


class BlockedError(Exception):
    """A person keeps this plan, or this run, from being sent; the message says who and why."""

    def as_failure(self) -> dg.Failure:
        """What a step that sends fails with; the gate blocks the run instead."""
        message = f"Nothing more was written. {self}"
        return dg.Failure(message, metadata={"status": "blocked"}, allow_retries=False)


def block(context: _Context, settings: Settings, *reasons: str) -> None:
    """Let the run end as blocked, before it writes anything; the reasons come first."""
    why = told(settings, f"{' '.join(reasons)} Nothing was written to Swit.")
    context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: why})


def judged(plan: Plan, settings: Settings, store: Store) -> tuple[Verdict, ...]:
    """Judge a plan by today's limits, what ran in the last 24 hours, and its approval, if any."""
    return approver(settings, store).judged(plan)


def refuse_other_runs(run: dg.DagsterRun) -> None:
    """Let only runs write that a person or the schedule started, of the jobs `sync` and `apply`."""
    if run.job_name not in WRITING_JOBS:
        message = (
            "Nothing was written to Swit. Only the jobs sync and apply may write: launch the job"
            " sync to plan and apply in one run, or the job apply with a stored plan's plan_id."
        )
        raise dg.Failure(message, metadata={"status": "wrong use"}, allow_retries=False)
    if RETRY_TAG in run.tags:
        message = (
            "Nothing was written to Swit. Dagster started this run by itself to retry the run"
            f" {run.parent_run_id}, and a run that writes is never retried automatically."
            " To go on, run: swit-provisioning sync"
        )
        raise dg.Failure(message, metadata={"status": "failed"}, allow_retries=False)


def refuse_forbidden(
    run: dg.DagsterRun, plan_hash: PlanHash, settings: Settings, store: Store
) -> None:
    """Refuse a plan that a person has rejected, and a scheduled run while runs are paused."""
    rejection = store.rejections.of(plan_hash)
    if rejection is not None:
        raise BlockedError(told(settings, rejection.sentence))
    pause = store.pauses.now() if SCHEDULE_TAG in run.tags else None
    if pause is not None:
        why = f"Scheduled runs are {pause.sentence}. To go on: swit-provisioning resume"
        raise BlockedError(told(settings, why))


def refuse_forgotten(stored: StoredPlan) -> None:
    """Refuse a plan that holds a code where it should say whom to change."""
    if stored.forgotten:
        message = f"Nothing more was written. {stored.forgotten_sentence}"
        raise dg.Failure(message, metadata={"status": "stale"}, allow_retries=False)


def refuse_after_a_restore(
    run: dg.DagsterRun, stored: StoredPlan, settings: Settings, store: Store
) -> None:
    """Refuse what the first run after a restore would send, and plans of before it."""
    restored = store.restorations.latest()
    if restored is None:
        return
    if restored.planned_by in {None, root_run_id(run)}:
        what_now = (
            f"Look at it: swit-provisioning show {stored.plan_id}; the next run sends it, or apply"
            if restored.planned_by
            else "Make one: swit-provisioning plan"
        )
        raise BlockedError(
            told(
                settings,
                f"{restored.sentence}, so the first run after that only plans, and no approval of"
                f" before counts. {what_now}",
            )
        )
    if stored.created_at < restored.noticed_at:
        message = (
            f"Nothing more was written. Plan {stored.plan_id} is of before the state came back"
            " from a backup. Make a new one: swit-provisioning plan"
        )
        raise dg.Failure(message, metadata={"status": "stale"}, allow_retries=False)


def check_result(verdict: Verdict, asset: str, settings: Settings) -> dg.AssetCheckResult:
    """A verdict as the UI shows it: its message is the first thing to read."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=verdict.name,
        passed=not verdict.stops,
        description=told(settings, verdict.message),
        metadata={"approved": verdict.lifted},
    )


def refuse_env_references(config: Mapping[str, Any]) -> None:
    """Refuse `{env: NAME}` in a run's config: it would show any variable of the server."""
    for value in config.values():
        if isinstance(value, Mapping):
            if set(value) == {"env"}:
                message = (
                    "{env: NAME} is not allowed in a run's configuration: it would show any"
                    " variable of the server. Write the value itself."
                )
                raise dg.Failure(message, metadata={"status": "failed"}, allow_retries=False)
            refuse_env_references(value)
