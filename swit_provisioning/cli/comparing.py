"""`show A B`: what differs between two stored plans."""

from typing import Any

from rich.console import Console

from swit_provisioning.cli.console import output, print_json
from swit_provisioning.cli.documents import change_document
from swit_provisioning.cli.showing import plan_to_show, stored_plan
from swit_provisioning.cli.tables import (
    MOST_ROWS,
    changes_tables,
    header,
    plan_summary,
    print_table,
    safe,
)
from swit_provisioning.reconcile.words import what
from swit_provisioning.report.comparison import Comparison, compare
from swit_provisioning.report.people import change_without_people
from swit_provisioning.report.summary import IN_WORDS
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan


def show_difference(
    settings: Settings, first_id: str, second_id: str, *, as_json: bool, no_names: bool
) -> int:
    """Print what is in one plan only, and what both do differently.

    Raises:
        UnknownPlanError: there is no plan of one of these ids.
        AmbiguousPlanError: one of them is that of several plans.

    """
    first, second = (stored_plan(settings, plan_id) for plan_id in (first_id, second_id))
    # Compared as they are: two values that differ may both be hidden.
    found = compare(first.plan, second.plan)
    if no_names:
        found = _without_people(found)
    if as_json:
        print_json(_document(first, second, found))
    else:
        first, second = (plan_to_show(plan, no_names=no_names) for plan in (first, second))
        _print(settings, first, second, found)
    return 0


def _without_people(found: Comparison) -> Comparison:
    return Comparison(
        only_first=tuple(map(change_without_people, found.only_first)),
        only_second=tuple(map(change_without_people, found.only_second)),
        different=tuple(
            (change_without_people(a), change_without_people(b)) for a, b in found.different
        ),
        same=found.same,
        settings=found.settings,
        sides=found.sides,
    )


def _document(first: StoredPlan, second: StoredPlan, found: Comparison) -> dict[str, Any]:
    return {
        "plans": [
            {
                "plan_id": plan.plan_id,
                "plan_hash": plan.plan_hash,
                "created_at": plan.created_at.isoformat(),
            }
            for plan in (first, second)
        ],
        "only_first": [change_document(change) for change in found.only_first],
        "only_second": [change_document(change) for change in found.only_second],
        "different": [
            {"first": change_document(a), "second": change_document(b)} for a, b in found.different
        ],
        "same": found.same,
        "settings": list(found.settings),
        "sides": list(found.sides),
    }


def _print(settings: Settings, first: StoredPlan, second: StoredPlan, found: Comparison) -> None:
    console = output()
    header(
        console,
        settings,
        organization=second.plan.organization_name,
        directory=second.plan.directory,
    )
    for plan in (first, second):
        plan_summary(console, plan)
    for side in found.sides:
        console.print(f"The two plans are not of the same {side}.", style="yellow")
    if found.settings:
        names = ", ".join(found.settings)
        console.print(f"Settings that differ: {names}", style="yellow", markup=False)
    changes_tables(console, found.only_first, aside=f", only in {first.plan_id}")
    changes_tables(console, found.only_second, aside=f", only in {second.plan_id}")
    _different(console, first.plan_id, second.plan_id, found)
    verdict = "Both do the same" if found.is_empty else "The same in both"
    console.print(f"{verdict}: {found.same:,} changes.", highlight=False)


def _different(console: Console, first_id: str, second_id: str, found: Comparison) -> None:
    if not found.different:
        return
    console.print(f"[bold]In both, but different ({len(found.different):,})[/bold]")
    rows = []
    for a, b in found.different[:MOST_ROWS]:
        said = (what(c.action, c.before, c.after) for c in (a, b))
        rows.append([IN_WORDS[a.action], safe(b.target), *map(safe, said)])
    columns = ("action", "who or what", f"in {first_id}", f"in {second_id}")
    print_table(console, columns, rows, whole={"who or what"})
    if len(found.different) > MOST_ROWS:
        console.print(f"... and {len(found.different) - MOST_ROWS:,} more: --json shows all")
