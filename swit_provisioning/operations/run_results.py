"""How a run that has ended went: its state, what stopped it, and what it sent.

Commands and messages read a run here, so that they give one answer.
"""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunResult, RunState
from swit_provisioning.operations.dagster_runs import (
    BLOCKED_TAG,
    CALLS_TAG,
    FEW_REJECTED,
    INTERRUPTED,
    LEFT_OUT_TAG,
    RESULT_TAG,
    root_run_id,
)
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import AmbiguousPlanError, StoredPlan

_NEXT_STEP: Final = (
    "Nothing more will be sent. To go on, run swit-provisioning sync: it makes a new plan, and"
    " changes that were sent are not sent again."
)

_SQLALCHEMY: Final = "https://sqlalche.me/"
"""Stands in every error of a database."""
_MEND_STORAGE: Final = (
    "Check its permissions and the space left on its disk. Run the command again after that:"
    " applied changes are not sent again."
)


def result_of(dagster: dg.DagsterInstance, run: dg.DagsterRun, store: Store | None) -> RunResult:
    """Read the result of a run; without the state database, what Dagster alone knows."""
    stored, entries = _sent(run, store) if store else (None, {})
    record = dagster.get_run_record_by_id(run.run_id)
    ended, started = (record.end_time, record.start_time) if record else (None, None)
    state, message = RunState.FAILED, ""
    if run.is_success:
        state = _success_state(run, stored, entries)
    else:
        state, message = _why(dagster, run)
    return RunResult(
        run_id=run.run_id,
        job=run.job_name,
        state=state,
        message=message,
        guards=_guards(dagster, run.run_id),
        stored=stored,
        entries=entries,
        calls=int(run.tags.get(CALLS_TAG, "0")),
        seconds=max(ended - started, 0.0) if ended and started else 0.0,
        left_for_later=run.tags.get(LEFT_OUT_TAG, ""),
    )


def _success_state(
    run: dg.DagsterRun, stored: StoredPlan | None, entries: Mapping[str, JournalEntry]
) -> RunState:
    if run.job_name == "plan":
        return RunState.PLANNED
    if stored is None or not stored.plan.changes:
        return RunState.NOTHING_TO_DO
    is_partial = any(entry.outcome not in DONE for entry in entries.values())
    return RunState.PARTLY_APPLIED if is_partial else RunState.APPLIED


def _why(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[RunState, str]:
    """The state of a run that did not succeed, and what stopped it.

    That is a guard, else the first failed step, else what kept the run from starting.
    """
    if run.tags.get(BLOCKED_TAG):
        return RunState.BLOCKED, run.tags[BLOCKED_TAG]
    if run.status is dg.DagsterRunStatus.CANCELED:
        return RunState.CANCELED, f"{_why_canceled(dagster, run.run_id)} {_NEXT_STEP}"
    for check in _checks(dagster, run.run_id):
        if check.check_name == FEW_REJECTED and not check.passed:
            return RunState.FAILED, check.description or FEW_REJECTED
    return _failure(dagster, run) or (RunState.FAILED, f"{INTERRUPTED} {_NEXT_STEP}")


def _failure(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[RunState, str] | None:
    """The state and the message of the first failed step, else of the run's own failure."""
    for entry in dagster.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data:
            state = RunState(run.tags.get(RESULT_TAG) or RunState.FAILED)
            return state, data.user_failure_data.description or ""
        if data.error:
            return RunState.FAILED, _own_words(data.error)
    for entry in dagster.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        error = event.job_failure_data.error
        return RunState.FAILED, _own_words(error) if error else (event.message or "")
    return None


def _why_canceled(dagster: dg.DagsterInstance, run_id: str) -> str:
    """The first event that says that the run is to be canceled: a signal, the time, a person."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_CANCELING):
        message = entry.get_dagster_event().message or ""
        if message.startswith("The run was"):
            return message
    return "The run was canceled by a person in the Dagster UI."


def _guards(dagster: dg.DagsterInstance, run_id: str) -> tuple[Mapping[str, Any], ...]:
    """The results of the gate; of a run that did not get there, those of its plan."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for check in _checks(dagster, run_id):
        if check.check_name in GUARDS:
            found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = {
                "name": check.check_name,
                "passed": check.passed,
                # In the sense of this program: one that fails blocks the plan.
                "blocking": True,
                "message": check.description or "",
            }
    return tuple((found.get("accepted_plan") or found.get("change_plan") or {}).values())


def _checks(dagster: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return [
        entry.get_dagster_event().asset_check_evaluation_data
        for entry in dagster.all_logs(run_id, of_type=evaluated)
    ]


def _own_words(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    """The message of the error that Dagster wraps in its own ones; its cause is for the UI."""
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{INTERRUPTED} {_NEXT_STEP}"
    words = str(error.message).strip()
    if _SQLALCHEMY in words:
        # The rest of the text is the statement with its values, which may be people's names.
        cause = words.splitlines()[0].rpartition(") ")[2]
        return f"Dagster's storage (DAGSTER_HOME) cannot be used: {cause}. {_MEND_STORAGE}"
    name, _, rest = words.partition(": ")
    return rest if name.rpartition(".")[2] == error.cls_name else words


def _sent(run: dg.DagsterRun, store: Store) -> tuple[StoredPlan | None, Mapping[str, JournalEntry]]:
    """The plan that the run, or the first of its chain, might send; else the one it has made."""
    root = root_run_id(run)
    acceptance = store.acceptances.of(root)
    if acceptance is None:
        plan_hash = _requested_plan(run, store) or store.plans.made_by(root)
        return (store.plans.get(plan_hash) if plan_hash else None), {}
    entries = store.journal.latest(acceptance.application_id, plan_hash=acceptance.plan_hash)
    return store.plans.get(acceptance.plan_hash), entries


def _requested_plan(run: dg.DagsterRun, store: Store) -> PlanHash | None:
    """The plan that the configuration of a run of `apply` names."""
    if run.job_name != "apply":
        return None
    # As the job's own two fields, or as they are handed to the gate.
    config: Any = run.run_config
    config = config.get("ops", {}).get("accepted_plan", {}).get("config") or config
    plan_id = config.get("plan_id")
    try:
        return store.plans.find(plan_id) if isinstance(plan_id, str) else None
    except AmbiguousPlanError:
        return None
