"""Run a job in this process so that the Dagster UI can re-execute it.

This is the only module that uses Dagster's internals: runs of `execute_in_process` and
`execute_job` have no remote origin, so the UI cannot re-execute them from failure.
"""

import fcntl
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
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

from swit_provisioning.apply.run_model import JobName, RunResult, RunState
from swit_provisioning.cli.errors import UnusableHomeError
from swit_provisioning.defs.resources import logger_config
from swit_provisioning.operations.dagster_runs import LOCATION, NO_RETRY_TAGS, OURS
from swit_provisioning.operations.run_notifications import notify_of_run
from swit_provisioning.operations.run_results import result_of
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.state.database import StoreError

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
) -> RunResult:
    """Run a job in this process; its result. An interrupt ends it as a canceled run.

    `run_id` is for a caller that has announced the id.
    """
    started = monotonic()
    try:
        with instance() as dagster:
            job = reconstructable_job(name)
            run = _new_run(dagster, job, config, run_id)
            run_id = run.run_id
            return _executed(dagster, job, run, started)
    except (SQLAlchemyError, OSError) as error:
        # Dagster can't record anything any longer, so its record of the run can't be read either.
        return RunResult(
            run_id=run_id or "",
            job=name,
            state=RunState.FAILED,
            message=str(UnusableHomeError(Settings.load().home, error)),
            seconds=monotonic() - started,
        )


def _new_run(
    dagster: dg.DagsterInstance,
    job: ReconstructableJob,
    config: Mapping[str, Any] | None,
    run_id: str | None,
) -> dg.DagsterRun:
    definition = job.get_definition()
    loaded_from = LoadableTargetOrigin(module_name=_MODULE)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(loaded_from, location_name=LOCATION)
    repository = RemoteRepositoryOrigin(location, "__repository__")
    return dagster.create_run_for_job(
        job_def=definition,
        run_id=run_id,
        run_config=config or logger_config(),
        tags={**definition.tags, **NO_RETRY_TAGS, **OURS},
        remote_job_origin=repository.get_job_origin(definition.name),
        job_code_origin=job.get_python_origin(),
    )


def _executed(
    dagster: dg.DagsterInstance, job: ReconstructableJob, run: dg.DagsterRun, started: float
) -> RunResult:
    execute_run(job, run, dagster, raise_on_error=False)
    ended = monotonic()
    for problem in notify_of_run(dagster, run.run_id).values():
        log.warning("%s", problem)
    after = dagster.get_run_by_id(run.run_id) or run
    try:
        with open_store(Settings.load()) as store:
            result = result_of(dagster, after, store)
    except StoreError as error:
        result = result_of(dagster, after, None)
        result = replace(result, state=RunState.FAILED, message=result.message or str(error))
    return replace(result, seconds=ended - started)


def reconstructable_job(name: JobName) -> ReconstructableJob:
    """The job in a form that other processes can load."""
    return ReconstructableRepository.for_module(_MODULE, "defs").get_reconstructable_job(name)
