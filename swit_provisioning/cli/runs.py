"""A Dagster run in this process that the UI can re-execute.

The one module that touches Dagster's inner parts: neither `execute_in_process` nor `execute_job`
leaves a run that the UI can re-execute from failure, because neither gives it a remote origin.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from sqlalchemy.exc import SQLAlchemyError

from swit_provisioning.checks.outcomes import FEW_REJECTED
from swit_provisioning.cli.errors import UnusableHomeError
from swit_provisioning.cli.finished_run import FinishedRun, JobName
from swit_provisioning.cli.home import alone
from swit_provisioning.reconcile.guards import GUARDS
from swit_provisioning.resources.connections import CALLS_TAG
from swit_provisioning.resources.console import logger_config
from swit_provisioning.settings import Settings

LOCATION: Final = "swit_provisioning"
"""The code location's name in workspace.yaml: the UI finds the run's job by it."""
_MODULE: Final = "swit_provisioning.definitions"
_INTERRUPTED: Final = "The run was interrupted. Run the command again: it goes on from there."


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage under `DAGSTER_HOME`."""
    with ExitStack() as opened:
        with alone(Settings.load().home):
            made = opened.enter_context(dg.DagsterInstance.get())
        yield made


def run_job(
    name: JobName, *, config: Mapping[str, Any] | None = None, run_id: str | None = None
) -> FinishedRun:
    """Run a job here and now, and say how it ended. An interrupt ends it as a failed run.

    `run_id` is for whoever has promised one to somebody already.
    """
    started = monotonic()
    try:
        with instance() as dagster:
            job = reconstructable_job(name)
            run = _new_run(dagster, job, config, run_id)
            run_id = run.run_id
            return _executed(dagster, job, run, started)
    except (SQLAlchemyError, OSError) as error:
        # Dagster can't note anything any longer, so nor can it tell how the run went.
        return FinishedRun(
            run_id=run_id or "",
            success=False,
            status="failed",
            message=str(UnusableHomeError(Settings.load().home, error)),
            calls=0,
            seconds=monotonic() - started,
        )


def _new_run(
    dagster: dg.DagsterInstance,
    job: ReconstructableJob,
    config: Mapping[str, Any] | None,
    run_id: str | None,
) -> dg.DagsterRun:
    definition = job.get_definition()
    return dagster.create_run_for_job(
        job_def=definition,
        run_id=run_id,
        run_config=config or logger_config(),
        tags={**definition.tags, "dagster/code_location": LOCATION},
        remote_job_origin=_origin().get_job_origin(definition.name),
        job_code_origin=job.get_python_origin(),
    )


def _executed(
    dagster: dg.DagsterInstance, job: ReconstructableJob, run: dg.DagsterRun, started: float
) -> FinishedRun:
    result = execute_run(job, run, dagster, raise_on_error=False)
    status, message = ("success", "") if result.success else _why(dagster, run.run_id)
    after = dagster.get_run_by_id(run.run_id)
    return FinishedRun(
        run_id=run.run_id,
        success=result.success,
        status=status,
        message=message,
        calls=int((after.tags if after else {}).get(CALLS_TAG, "0")),
        seconds=monotonic() - started,
        guards=_guards(dagster, run.run_id),
    )


def reconstructable_job(name: JobName) -> ReconstructableJob:
    """The job as any process can load it."""
    return ReconstructableRepository.for_module(_MODULE, "defs").get_reconstructable_job(name)


def _origin() -> RemoteRepositoryOrigin:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=_MODULE), location_name=LOCATION
    )
    return RemoteRepositoryOrigin(location, "__repository__")


def _why(dagster: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """What stopped a run: a guard, else the first failed step, else what kept it from starting."""
    stopped = _messages_of(dagster, run_id, GUARDS)
    if stopped:
        return "blocked", "Nothing was written. " + " ".join(stopped)
    refused = _messages_of(dagster, run_id, {FEW_REJECTED})
    if refused:
        return "failed", " ".join(refused)
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
    return "failed", _INTERRUPTED


def _messages_of(dagster: dg.DagsterInstance, run_id: str, checks: Collection[str]) -> list[str]:
    """The messages of those of these checks that did not pass, each once."""
    found: dict[str, str] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.check_name in checks:
            found[check.check_name] = check.description or check.check_name
    return list(found.values())


def _guards(dagster: dg.DagsterInstance, run_id: str) -> tuple[Mapping[str, Any], ...]:
    """The verdicts of the gate; of a run that did not get there, those on its plan."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if check.check_name in GUARDS:
            found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = {
                "name": check.check_name,
                "passed": check.passed,
                "blocking": check.blocking,
                "message": check.description or "",
            }
    return tuple((found.get("accepted_plan") or found.get("change_plan") or {}).values())


def _own_words(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    """What the error says that Dagster wraps in its own ones; what caused it is for the UI."""
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return _INTERRUPTED
    words = str(error.message).strip()
    name, _, rest = words.partition(": ")
    return rest if name.rpartition(".")[2] == error.cls_name else words
