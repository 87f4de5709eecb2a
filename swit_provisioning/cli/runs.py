"""A Dagster run in this process that the UI can re-execute.

The one module that touches Dagster's inner parts: neither `execute_in_process` nor `execute_job`
leaves a run that the UI can re-execute from failure, because neither gives it a remote origin.
"""

import fcntl
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
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

from swit_provisioning.cli.errors import UnusableHomeError
from swit_provisioning.cli.finished_run import FinishedRun, JobName
from swit_provisioning.defs.gate import LEFT_OUT_TAG
from swit_provisioning.defs.resources import logger_config
from swit_provisioning.operations.names import CALLS_TAG, LOCATION, NO_RETRY_TAGS, OURS
from swit_provisioning.operations.run_notifications import guards, tell_of_run, why
from swit_provisioning.settings import Settings

_MODULE: Final = "swit_provisioning.definitions"

log = logging.getLogger(__name__)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """A lock among processes: Dagster creates its tables when it opens its storage.

    Two processes that do so at once disturb each other.
    """
    with (home / "opening.lock").open("w") as file:
        # Closing the file releases the lock, also when the process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    """Run a job here and now, and say how it ended. An interrupt ends it as a canceled run.

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
        tags={**definition.tags, **NO_RETRY_TAGS, **OURS},
        remote_job_origin=_origin().get_job_origin(definition.name),
        job_code_origin=job.get_python_origin(),
    )


def _executed(
    dagster: dg.DagsterInstance, job: ReconstructableJob, run: dg.DagsterRun, started: float
) -> FinishedRun:
    result = execute_run(job, run, dagster, raise_on_error=False)
    ended = monotonic()
    for trouble in tell_of_run(dagster, run.run_id):
        log.warning("%s", trouble)
    status, message = ("success", "") if result.success else why(dagster, run.run_id)
    after = dagster.get_run_by_id(run.run_id)
    return FinishedRun(
        run_id=run.run_id,
        success=result.success,
        status=status,
        message=message,
        calls=int((after.tags if after else {}).get(CALLS_TAG, "0")),
        seconds=ended - started,
        guards=guards(dagster, run.run_id),
        left_for_later=(after.tags if after else {}).get(LEFT_OUT_TAG, ""),
    )


def reconstructable_job(name: JobName) -> ReconstructableJob:
    """The job as any process can load it."""
    return ReconstructableRepository.for_module(_MODULE, "defs").get_reconstructable_job(name)


def _origin() -> RemoteRepositoryOrigin:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=_MODULE), location_name=LOCATION
    )
    return RemoteRepositoryOrigin(location, "__repository__")
