"""A stored plan as a person reads it, or as JSON."""

from typing import Final, Literal

from rich.console import Console

from swit_provisioning.apply.plan_states import PlanState, StateName
from swit_provisioning.cli.console import output, print_json, print_text
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
from swit_provisioning.report.people import without_people_in
from swit_provisioning.report.plain import for_a_terminal
from swit_provisioning.report.team_tree import tree_of
from swit_provisioning.resources.expected_pace import expected_pace
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan

View = Literal["summary", "short", "full"]
"""How much of a plan is printed: a sentence, at most ten rows of each table, everything."""

STATE_COLOURS: Final[dict[StateName, str]] = {
    "applied": "green",
    "waiting for approval": "red",
    "blocked": "red",
    "rejected": "red",
    "begun": "yellow",
    "approved": "yellow",
    "stale": "yellow",
    "expired": "yellow",
}
_SHORT_ROWS: Final = 10
_SHORT_TREE: Final = 12
_ALL: Final = 1_000_000


def print_plan(
    settings: Settings,
    stored: StoredPlan,
    state: PlanState,
    *,
    as_json: bool,
    view: View = "short",
    no_names: bool = False,
) -> None:
    """Summary, changes, tree, findings, guards; the state of the plan and what to do next."""
    if as_json:
        with open_store(settings) as store:
            pace = expected_pace(settings, store)
        print_json(plan_document(stored, state, pace, no_names=no_names))
        return
    console = output()
    plan_header(console, settings, stored)
    if view == "summary":
        plan_summary(console, stored)
    else:
        say_summary(console, settings, stored)
        _print_details(console, stored, most=_ALL if view == "full" else _SHORT_ROWS)
    print_state(console, state, no_names=no_names)


def _print_details(console: Console, stored: StoredPlan, *, most: int) -> None:
    all_of_them = f"swit-provisioning show {stored.plan_id} --full"
    plan = stored.plan
    for changes, aside in (
        (plan.changes, ""),
        (plan.disabled, ", not sent: DISABLED_ACTIONS"),
        (plan.held, ", not sent: does not stick, see the findings"),
    ):
        changes_tables(console, changes, aside=aside, most=most, all_of_them=all_of_them)
    tree = tree_of(plan.teams, plan.changes)
    team_tree(console, tree, most=_SHORT_TREE if most == _SHORT_ROWS else _ALL)
    findings_table(console, plan.findings, most=most, all_of_them=all_of_them)
    guards_table(console, stored.verdicts)


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
        print_text(console, f"{kinds} · {pace.sentence}", style="dim")


def print_state(console: Console, state: PlanState, *, no_names: bool = False) -> None:
    """The state of a plan, who decided about it, and what to do next."""
    style = STATE_COLOURS.get(state.name, "")
    for sentence in state.sentences:
        said = without_people_in(sentence) if no_names else sentence
        print_text(console, for_a_terminal(said), style=style)
    if state.advice:
        print_text(console, state.advice)
