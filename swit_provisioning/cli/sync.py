"""`plan`, `apply` and `sync`: run a job in this process and report its result.

This is the only module that uses Dagster's internals: runs of `execute_in_process` and
`execute_job` have no remote origin, so the UI cannot re-execute them from failure.
"""

import fcntl
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import click
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from swit_provisioning.apply.progress import CURRENT_DISPLAY, Headway
from swit_provisioning.apply.run_model import JobName, RunResult, RunState
from swit_provisioning.cli import documents, render
from swit_provisioning.cli.console import errors, output, print_json, print_plan_header, print_text
from swit_provisioning.cli.framework import UnusableHomeError, prepare_home, view_of
from swit_provisioning.cli.plans import print_plan
from swit_provisioning.defs.resources import QUIET
from swit_provisioning.operations.dagster_runs import LOCATION, NO_RETRY_TAGS, OURS
from swit_provisioning.operations.plan_page import expected_pace
from swit_provisioning.operations.run_notifications import notify_of_run
from swit_provisioning.operations.run_results import result_of
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.planning.selection import Selection
from swit_provisioning.report.redaction import stored_without_people
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.report.summary import summary
from swit_provisioning.settings import Settings
from swit_provisioning.state.database import StoreError

_MODULE: Final = "swit_provisioning.definitions"

log = logging.getLogger(__name__)


def plan(
    settings: Settings,
    *,
    user: str | None,
    full: bool,
    summary: bool,
    as_json: bool,
    no_names: bool,
) -> int:
    """Run the job `plan` and print the plan. Exit code 3 if a guard would block it."""
    view = view_of(full=full, summary=summary)
    run = _run(settings, "plan", _for_one(user))
    if run.stored is None:
        return _report(settings, run, as_json=as_json, no_names=no_names)
    with open_store(settings) as store:
        stored, state = plan_judge(settings, store).current(run.stored)
        pace = expected_pace(settings, store)
    is_blocked = state.rejection is not None or any(map(render.stops, stored.guard_results))
    if no_names:
        stored, state = stored_without_people(stored), documents.state_without_people(state)
    print_plan(settings, stored, state, pace, as_json=as_json, view=view)
    return (RunState.BLOCKED if is_blocked else run.state).exit_code


def apply(
    settings: Settings,
    plan_id: str,
    *,
    approve: str,
    only: str,
    exclude: str,
    limit: int | None,
    as_json: bool,
    no_names: bool,
) -> int:
    """Run the job `apply` for a stored plan, or for selected changes of it.

    Raises:
        AmbiguousPlanError: several plans begin with `plan_id`.

    """
    try:
        Selection.parse(only, exclude, limit or 0)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    prepare_home(settings)
    with open_store(settings) as store:
        plan_id = store.plans.find(plan_id) or plan_id
    part = {"only": only, "exclude": exclude, "limit": limit or 0}
    run = _run(settings, "apply", {"plan_id": plan_id, "approve": approve, **part})
    return _report(settings, run, as_json=as_json, no_names=no_names)


def sync(
    settings: Settings,
    *,
    user: str | None = None,
    as_json: bool,
    no_names: bool = False,
    run_id: UUID | None = None,
) -> int:
    """Run the job `sync`, with the given `run_id` if there is one."""
    run = _run(settings, "sync", _for_one(user), run_id=str(run_id) if run_id else None)
    return _report(settings, run, as_json=as_json, no_names=no_names)


def _for_one(user: str | None) -> dict[str, Any]:
    """The configuration of the jobs `plan` and `sync`: one person, or everyone."""
    if user is None:
        return {}
    if not user.strip():
        # The variable of a script that is not set must not send the changes of everyone.
        message = "--user is empty. Give an address, a DN, an id or a name, or leave it out."
        raise click.UsageError(message)
    return {"user": user.strip()}


def _run(
    settings: Settings,
    job: JobName,
    config: dict[str, Any] | None = None,
    *,
    run_id: str | None = None,
) -> RunResult:
    """Check the settings, create `DAGSTER_HOME` and run the job."""
    prepare_home(settings)
    if settings.missing("directory", "swit"):
        with open_store(settings) as store:
            stored = store.tokens.load() is not None
        settings.require("directory", "swit", token_stored=stored)
    if job != "plan":
        try:
            with open_store(settings) as store:
                pause = store.pauses.now()
        except StoreError:
            pause = None  # the run itself reports this and fails
        if pause is not None:
            print_text(errors(), f"Scheduled runs are {pause.sentence}", style="yellow")
    with progress_bar(errors()):
        return run_job(job, config=config, run_id=run_id)


def _report(settings: Settings, run: RunResult, *, as_json: bool, no_names: bool) -> int:
    """Print what a run did, for people or as a JSON document; its exit code."""
    if run.state is RunState.CANCELED and run.stored is not None:
        outcomes = [entry.outcome for entry in run.entries.values()]
        unknown = outcomes.count(None)
        sent = len(outcomes) - unknown - outcomes.count("skipped")
        more = f", and {unknown} more may have been: their answers are not known" if unknown else ""
        changes = len(run.stored.plan.changes)
        message = f"{sent} of {changes} changes were sent{more}. {run.message}"
        run = replace(run, message=message)
    if no_names:
        run = documents.run_without_people(run)
    if as_json:
        print_json(documents.run_document(run))
    else:
        _print_run(settings, run)
    return run.state.exit_code


def _print_run(settings: Settings, run: RunResult) -> None:
    document, stored = documents.run_document(run), run.stored
    # The guards in the run's message; none if something else stopped the run.
    blocking = [
        g for g in document["guards"] if render.stops(g) and g["message"] in document["message"]
    ]
    if stored is not None:
        console = output()
        print_plan_header(settings, stored)
        render.plan_summary(console, stored)
        show = f"swit-provisioning show {stored.plan_id}"
        if stored.plan.person:  # what was left out is a finding
            render.findings_table(console, stored.plan.findings, all_of_them=show)
        elif stored.plan.findings:
            print_text(console, render.findings_summary(stored.plan.findings))
        if stored.plan.changes or stored.plan.findings:
            print_text(console, f"To see all of it: {show}")
        render.outcomes_table(console, run.entries.values())
        if run.state is RunState.BLOCKED:
            render.guards_table(console, blocking)
    console = output() if run.state.is_success else errors()
    counts = ", ".join(f"{n} {kind}" for kind, n in document["outcomes"].items())
    line = f"{run.state.capitalize()}: {counts or 'no change was sent'}"
    print_text(console, f"{line} · {run.calls} API calls · {run.seconds:.1f} s")
    _print_not_sent(console, run)
    if run.run_id:
        print_text(console, f"Run {run.run_id} (in the Dagster UI)")
    if document["message"] and not blocking:
        print_text(console, for_a_terminal(document["message"]), style="red")


def _print_not_sent(console: Console, run: RunResult) -> None:
    """Print the changes that were not chosen, and those that wait for an approval."""
    if run.state.is_success and run.left_for_later and run.stored:
        print_text(console, f"Left for later: {run.left_for_later}.")
        print_text(console, f"To send it: swit-provisioning apply {run.stored.plan_id}")
    if run.waiting is not None:
        words = f"plan {run.waiting.plan_id}: {summary(run.waiting.changes)}"
        if run.waiting.rejection is None:
            print_text(console, f"Waiting for an approval: {words}.", style="yellow")
            print_text(console, f"To approve it: {run.waiting.command}")
        else:
            print_text(console, f"Not sent: {words}. {run.waiting.rejection.words}")


class Bar:
    """One line of progress: step, calls, calls per second, remaining time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, visible=False, pace="", left="")

    def show(self, headway: Headway) -> None:
        """Update the line."""
        left = headway.seconds_left
        self._progress.update(
            self._task,
            visible=True,
            description=headway.step.replace("_", " "),
            completed=headway.sent,
            total=headway.planned,
            pace=f"{headway.per_second:.1f}/s",
            left="" if left is None else f"{timedelta(seconds=round(left))} left",
        )


@contextmanager
def progress_bar(console: Console) -> Iterator[None]:
    """Show the progress of the run in the block if `console` is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} calls"),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as live:
        token, quiet = CURRENT_DISPLAY.set(Bar(live).show), QUIET.set(True)
        try:
            yield
        finally:
            CURRENT_DISPLAY.reset(token)
            QUIET.reset(quiet)


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage under `DAGSTER_HOME`."""
    with (Settings.load().home / "opening.lock").open("w") as file:
        # Dagster creates its tables when it opens its storage, and two processes that do so at once
        # disturb each other. Closing the file releases the lock, also when the process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        opened = dg.DagsterInstance.get()
    with opened as dagster:
        yield dagster


@contextmanager
def sqlite_files_kept_open() -> Iterator[None]:
    """Keep every SQLite file that Dagster opens in the block open until its end.

    Dagster connects anew for each of several hundred statements of a run. Whenever the last
    connection to a file is closed, SQLite moves its log into the file and waits for the disk.
    Commits do not wait for the disk either: a power failure may cost the last events of a run in
    the Dagster UI, but no file becomes inconsistent. The state database is not affected.
    """
    kept: dict[str, sqlite3.Connection] = {}

    def keep(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path and connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA synchronous=NORMAL")
            if path not in kept:
                kept[path] = sqlite3.connect(path, check_same_thread=False)
                kept[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    # Dagster opens its SQLite files through this pool, which closes each connection after use.
    event.listen(NullPool, "connect", keep)
    try:
        yield
    finally:
        event.remove(NullPool, "connect", keep)
        for connection in kept.values():
            connection.close()


def run_job(
    name: JobName, *, config: Mapping[str, Any] | None = None, run_id: str | None = None
) -> RunResult:
    """Run a job in this process; its result. An interrupt ends it as a canceled run.

    `run_id` is for a caller that has announced the id.
    """
    started = monotonic()
    try:
        with sqlite_files_kept_open(), instance() as dagster:
            job = reconstructable_job(name)
            definition = job.get_definition()
            loaded_from = LoadableTargetOrigin(module_name=_MODULE)
            location = ManagedGrpcPythonEnvCodeLocationOrigin(loaded_from, location_name=LOCATION)
            repository = RemoteRepositoryOrigin(location, "__repository__")
            run = dagster.create_run_for_job(
                job_def=definition,
                run_id=run_id,
                run_config=config or {},
                tags={**definition.tags, **NO_RETRY_TAGS, **OURS},
                remote_job_origin=repository.get_job_origin(definition.name),
                job_code_origin=job.get_python_origin(),
            )
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
