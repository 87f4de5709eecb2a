"""A stored plan and what came of it, as a person asked to see them: with or without people."""

from dataclasses import replace
from pathlib import Path

from swit_provisioning.apply.plan_states import PlanState
from swit_provisioning.cli.errors import UnknownPlanError, UnwritableFileError
from swit_provisioning.cli.finished_run import FinishedRun
from swit_provisioning.report.page import plan_page
from swit_provisioning.report.people import (
    code_of,
    hidden_values,
    without_people,
    without_people_in,
)
from swit_provisioning.resources.page_facts import page_facts
from swit_provisioning.resources.private_file import write_private
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.store.history import Deed
from swit_provisioning.store.journal import JournalEntry
from swit_provisioning.store.plans import StoredPlan


def stored_plan(settings: Settings, plan_id: str) -> StoredPlan:
    """The plan whose hash begins with these digits.

    Raises:
        UnknownPlanError: there is none.
        AmbiguousPlanError: there are several.

    """
    with open_store(settings) as store:
        plan_hash = store.plans.find(plan_id)
        stored = store.plans.get(plan_hash) if plan_hash else None
    if stored is None:
        raise UnknownPlanError(plan_id)
    return stored


def write_page(
    settings: Settings, stored: StoredPlan, state: PlanState, path: Path, *, no_names: bool
) -> None:
    """The plan as one page, for this account alone to read.

    Raises:
        UnwritableFileError: it can't be written there.

    """
    with open_store(settings) as store:
        facts = page_facts(settings, store, stored, state, no_names=no_names)
    page = plan_page(stored.plan, facts)
    try:
        write_private(path, page)
    except OSError as error:
        example = f"swit-provisioning show {stored.plan_id} --html plan.html"
        raise UnwritableFileError(path, error, example=example) from error


def plan_to_show(stored: StoredPlan, *, no_names: bool) -> StoredPlan:
    """The plan, on demand without people; its id stays."""
    if not no_names:
        return stored
    verdicts = tuple({**v, "message": without_people_in(v["message"])} for v in stored.verdicts)
    return replace(stored, plan=without_people(stored.plan), verdicts=verdicts)


def entry_to_show(entry: JournalEntry, *, no_names: bool) -> JournalEntry:
    """An entry of the journal, on demand without people."""
    if not no_names:
        return entry
    is_a_person = entry.action.startswith("user.") or entry.action == "primary.update"
    return replace(
        entry,
        target=code_of(entry.target) if is_a_person else entry.target,
        before=hidden_values(entry.action, entry.before),
        after=hidden_values(entry.action, entry.after),
        message=without_people_in(entry.message) if entry.message else entry.message,
    )


def deed_to_show(deed: Deed, *, no_names: bool) -> Deed:
    """An entry of the journal and the approval behind it, on demand without people."""
    if not no_names:
        return deed
    made = deed.approval
    return replace(
        deed,
        entry=entry_to_show(deed.entry, no_names=True),
        approval=made
        and replace(made, who=without_people_in(made.who), why=without_people_in(made.why)),
    )


def run_to_show(run: FinishedRun, *, no_names: bool) -> FinishedRun:
    """How a run ended, on demand without people."""
    return replace(run, message=without_people_in(run.message)) if no_names else run
