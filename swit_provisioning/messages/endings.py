"""How a run ended, as its events tell: what stopped it, in its own words."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import dagster as dg

from swit_provisioning.checks.outcomes import FEW_REJECTED
from swit_provisioning.reconcile.guards import GUARDS
from swit_provisioning.resources.code_location import BLOCKED_TAG
from swit_provisioning.resources.interrupts import INTERRUPTED

_TO_GO_ON: Final = (
    "Nothing more will be sent. To go on, run swit-provisioning sync: it makes a new plan, and"
    " changes that were sent are not sent again."
)


def why(dagster: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """What stopped a run: a guard, else the first failed step, else what kept it from starting.

    The word for it: `blocked`, `canceled`, or what the failed step said (`stale`, `busy`...).
    """
    run = dagster.get_run_by_id(run_id)
    if run is not None and run.tags.get(BLOCKED_TAG):
        return "blocked", run.tags[BLOCKED_TAG]
    if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
        return "canceled", f"{_why_canceled(dagster, run_id)} {_TO_GO_ON}"
    refused = _messages_of(dagster, run_id, {FEW_REJECTED})
    if refused:
        return "failed", " ".join(refused.values())
    return _failure(dagster, run_id) or ("failed", f"{INTERRUPTED} {_TO_GO_ON}")


def _failure(dagster: dg.DagsterInstance, run_id: str) -> tuple[str, str] | None:
    """What the first failed step says, else what kept the run from starting."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data:
            said = data.user_failure_data.metadata.get("status")
            status = str(said.value) if said else "failed"
            return status, data.user_failure_data.description or ""
        if data.error:
            return "failed", _own_words(data.error)
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        error = event.job_failure_data.error
        return "failed", _own_words(error) if error else (event.message or "")
    return None


def _why_canceled(dagster: dg.DagsterInstance, run_id: str) -> str:
    """The first event that says that the run is to be canceled: a signal, the time, a person."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_CANCELING):
        said = entry.get_dagster_event().message or ""
        if said.startswith("The run was"):
            return said
    return "The run was canceled by a person in the Dagster UI."


def stopping_guards(dagster: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The guards that stopped a run, or that its plan would not pass -> what each says."""
    return _messages_of(dagster, run_id, GUARDS)


def guards(dagster: dg.DagsterInstance, run_id: str) -> tuple[Mapping[str, Any], ...]:
    """The verdicts of the gate; of a run that did not get there, those on its plan."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if check.check_name in GUARDS:
            found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = {
                "name": check.check_name,
                "passed": check.passed,
                # In the sense of this program: one that fails blocks the plan.
                "blocking": True,
                "message": check.description or "",
            }
    return tuple((found.get("accepted_plan") or found.get("change_plan") or {}).values())


def _messages_of(
    dagster: dg.DagsterInstance, run_id: str, checks: Collection[str]
) -> dict[str, str]:
    """Those of these checks that did not pass -> what each says."""
    found: dict[str, str] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.check_name in checks:
            found[check.check_name] = check.description or check.check_name
    return found


def _own_words(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    """What the error says that Dagster wraps in its own ones; what caused it is for the UI."""
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{INTERRUPTED} {_TO_GO_ON}"
    words = str(error.message).strip()
    name, _, rest = words.partition(": ")
    return rest if name.rpartition(".")[2] == error.cls_name else words
