"""A Dagster run in this process that the UI can re-execute.

The one module that touches Dagster's inner parts: neither `execute_in_process` nor `execute_job`
leaves a run that the UI can re-execute from failure, because neither gives it a remote origin.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Literal

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from swit_provisioning.reconcile.guards import GUARDS
from swit_provisioning.resources.connections import CALLS_TAG
from swit_provisioning.resources.console import logger_config

LOCATION: Final = "swit_provisioning"
"""The code location's name in workspace.yaml: the UI finds the run's job by it."""
_MODULE: Final = "swit_provisioning.definitions"

JobName = Literal["plan", "apply", "sync"]


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """How a run ended, as far as a person or a script asks."""

    run_id: str
    success: bool
    status: str
    """`success`, `blocked` (a guard), or what a failed step said: `stale`, `busy`, `failed`."""
    message: str
    """What the failed step said; empty after a success."""
    calls: int
    """API calls to Swit, reads included."""
    seconds: float


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage under `DAGSTER_HOME`."""
    with dg.DagsterInstance.get() as made:
        yield made


def run_job(
    name: JobName, *, config: Mapping[str, Any] | None = None, run_id: str | None = None
) -> FinishedRun:
    """Run a job here and now, and say how it ended. An interrupt ends it as a failed run.

    `run_id` is for whoever has promised one to somebody already.
    """
    started = monotonic()
    with instance() as dagster:
        job = reconstructable_job(name)
        definition = job.get_definition()
        run = dagster.create_run_for_job(
            job_def=definition,
            run_id=run_id,
            run_config=config or logger_config(),
            tags={**definition.tags, "dagster/code_location": LOCATION},
            remote_job_origin=_origin().get_job_origin(name),
            job_code_origin=job.get_python_origin(),
        )
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
    stopped = _failed_guards(dagster, run_id)
    if stopped:
        return "blocked", "Nothing was written. " + " ".join(stopped)
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data:
            said = data.user_failure_data.metadata.get("status")
            status = str(said.value) if said else "failed"
            return status, data.user_failure_data.description or ""
        if data.error:
            return "failed", _innermost(data.error)
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        error = event.job_failure_data.error
        return "failed", _innermost(error) if error else (event.message or "")
    return "failed", "The run was interrupted."


def _failed_guards(dagster: dg.DagsterInstance, run_id: str) -> list[str]:
    """The messages of the guards that did not pass, each once."""
    found: dict[str, str] = {}
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.check_name in GUARDS:
            found[check.check_name] = check.description or check.check_name
    return list(found.values())


def _innermost(error: Any) -> str:  # noqa: ANN401 - SerializableErrorInfo is not public
    while error.cause:
        error = error.cause
    return str(error.message).strip()
