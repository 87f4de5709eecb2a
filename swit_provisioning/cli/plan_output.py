"""A stored plan as a person reads it, or as JSON."""

from rich.console import Console

from swit_provisioning.cli.console import errors, output, print_json
from swit_provisioning.cli.documents import plan_document
from swit_provisioning.cli.tables import (
    changes_tables,
    findings_table,
    guards_table,
    header,
    plan_summary,
    team_tree,
)
from swit_provisioning.reconcile.estimate import calls_by_kind, estimate
from swit_provisioning.report.plain import for_a_terminal
from swit_provisioning.report.team_tree import tree_of
from swit_provisioning.resources.expected_pace import expected_pace
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.rejections import Rejection


def print_plan(settings: Settings, stored: StoredPlan, *, as_json: bool) -> None:
    """Summary, changes, tree, findings, guards; how to apply it."""
    if as_json:
        with open_store(settings) as store:
            pace = expected_pace(settings, store)
        print_json(plan_document(stored, pace))
        return
    console = output()
    plan_header(console, settings, stored)
    say_summary(console, settings, stored)
    changes_tables(console, stored.plan.changes)
    changes_tables(console, stored.plan.disabled, aside=", not sent: DISABLED_ACTIONS")
    changes_tables(console, stored.plan.held, aside=", not sent: does not stick, see the findings")
    team_tree(console, tree_of(stored.plan.teams, stored.plan.changes))
    findings_table(console, stored.plan.findings, all_of_them="--json shows all")
    guards_table(console, stored.verdicts)
    if stored.plan.changes:
        console.print(f"To apply it: swit-provisioning apply {stored.plan_id}", highlight=False)


def plan_header(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """The first line of every output about this plan."""
    header(
        console,
        settings,
        organization=stored.plan.organization_name,
        directory=stored.plan.directory,
    )


def say_summary(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """What it does in one sentence, and what it will take: calls by kind, pace, time."""
    with open_store(settings) as store:
        pace = expected_pace(settings, store)
    plan_summary(console, stored, *estimate(stored.plan, pace.per_second))
    if stored.plan.changes:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in calls_by_kind(stored.plan).items())
        console.print(f"{kinds} · {pace.sentence}", style="dim", highlight=False)


def say_rejection(rejection: Rejection | None) -> None:
    """Say that the plan was rejected, if it was."""
    if rejection is not None:
        said = for_a_terminal(rejection.sentence)
        errors().print(said, style="red", markup=False, highlight=False)
