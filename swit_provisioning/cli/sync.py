"""`plan`, `apply` and `sync`: run a job and report its result."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from swit_provisioning.apply.progress import CURRENT_DISPLAY, Headway
from swit_provisioning.apply.run_model import JobName, RunResult, RunState
from swit_provisioning.cli.documents import plan_to_show, run_document, run_to_show
from swit_provisioning.cli.framework import errors, output, prepare_home, print_json, print_text
from swit_provisioning.cli.options import View
from swit_provisioning.cli.render import (
    findings_by_kind,
    findings_summary,
    guards_table,
    outcomes_table,
    plan_header,
    plan_summary,
    print_plan,
    stops,
)
from swit_provisioning.cli.runs import run_job
from swit_provisioning.cli.status import mention_pause
from swit_provisioning.defs.resources import QUIET
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.stored_plans import StoredPlan


class Bar:
    """One line of progress: step, calls, calls per second, remaining time."""

    def __init__(self, progress: Progress) -> None:
        """Take the live display. The line appears with the first change."""
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
        token, quiet = CURRENT_DISPLAY.set(Bar(live)), QUIET.set(True)
        try:
            yield
        finally:
            CURRENT_DISPLAY.reset(token)
            QUIET.reset(quiet)


def plan(settings: Settings, *, as_json: bool, view: View = "short", no_names: bool = False) -> int:
    """Run the job `plan` and print the plan. Exit code 3 if a guard would block it."""
    run = _run(settings, "plan")
    stored = run.stored
    if stored is None:
        return _end(run_to_show(run, no_names=no_names), as_json=as_json)
    with open_store(settings) as store:
        stored, state = plan_judge(settings, store).current(stored)
    shown = plan_to_show(stored, no_names=no_names)
    print_plan(settings, shown, state, as_json=as_json, view=view, no_names=no_names)
    stopped = state.rejection is not None or any(stops(result) for result in stored.guard_results)
    return (RunState.BLOCKED if stopped else run.state).exit_code


def apply(
    settings: Settings,
    plan_id: str,
    *,
    approve: str,
    only: str = "",
    exclude: str = "",
    limit: int = 0,
    as_json: bool,
    no_names: bool = False,
) -> int:
    """Run the job `apply` for a stored plan, or for selected changes of it.

    Raises:
        AmbiguousPlanError: several plans begin with `plan_id`.

    """
    prepare_home(settings)
    with open_store(settings) as store:
        plan_hash = store.plans.find(plan_id)
    part = {"only": only, "exclude": exclude, "limit": limit}
    run = _run(settings, "apply", {"plan_id": plan_hash or plan_id, "approve": approve, **part})
    return _report(settings, run, as_json=as_json, no_names=no_names)


def sync(
    settings: Settings, *, as_json: bool, no_names: bool = False, run_id: str | None = None
) -> int:
    """Run the job `sync`, with the given `run_id` if there is one."""
    run = _run(settings, "sync", run_id=run_id)
    return _report(settings, run, as_json=as_json, no_names=no_names)


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
        mention_pause(settings)
    with progress_bar(errors()):
        return run_job(job, config=config, run_id=run_id)


def _report(settings: Settings, run: RunResult, *, as_json: bool, no_names: bool) -> int:
    """Print what an `apply` or `sync` did; its exit code."""
    if run.state is RunState.CANCELED and run.stored is not None:
        sent = _sent_of(run.stored, run.entries.values())
        run = replace(run, message=f"{sent} {run.message}")
    run = run_to_show(run, no_names=no_names)
    stored = run.stored
    if not as_json and stored is not None:
        console = output()
        plan_header(console, settings, stored)
        plan_summary(console, stored)
        if stored.plan.findings:
            print_text(console, findings_summary(findings_by_kind(stored.plan.findings)))
        if stored.plan.changes or stored.plan.findings:
            print_text(console, f"To see all of it: swit-provisioning show {stored.plan_id}")
        outcomes_table(console, run.entries.values())
        if run.state is RunState.BLOCKED:
            guards_table(console, _guards_that_stopped(run_document(run)))
    return _end(run, as_json=as_json)


def _guards_that_stopped(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The guards in the run's message; empty if something else stopped the run."""
    return [g for g in document["guards"] if stops(g) and g["message"] in document["message"]]


def _sent_of(stored: StoredPlan, entries: Collection[JournalEntry]) -> str:
    """How many changes of the plan were sent, and how many may have been."""
    unknown = sum(entry.outcome is None for entry in entries)
    sent = sum(entry.outcome not in {None, "skipped"} for entry in entries)
    more = f", and {unknown} more may have been: their answers are not known" if unknown else ""
    return f"{sent} of {len(stored.plan.changes)} changes were sent{more}."


def _end(run: RunResult, *, as_json: bool) -> int:
    """Print the last lines, or the JSON document; the exit code."""
    document = run_document(run)
    if as_json:
        print_json(document)
    else:
        console = output() if run.state.is_success else errors()
        outcomes = ", ".join(f"{n} {kind}" for kind, n in document["outcomes"].items())
        line = f"{run.state.capitalize()}: {outcomes or 'no change was sent'}"
        print_text(console, f"{line} · {run.calls} API calls · {run.seconds:.1f} s")
        if run.state.is_success and run.left_for_later:
            print_text(console, f"Left for later: {run.left_for_later}.")
            print_text(console, f"To send it: swit-provisioning apply {document['plan_id']}")
        if run.run_id:
            print_text(console, f"Run {run.run_id} (in the Dagster UI)")
        if document["message"] and not _guards_that_stopped(document):
            print_text(console, for_a_terminal(document["message"]), style="red")
    return run.state.exit_code
