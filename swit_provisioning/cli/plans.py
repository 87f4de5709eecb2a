"""`plans`, `show`, `approve`, `reject`: stored plans, and what people decide about them."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.cli.documents import change_document, decision_document, plan_to_show
from swit_provisioning.cli.framework import output, print_json, print_text
from swit_provisioning.cli.options import View
from swit_provisioning.cli.render import (
    MOST_ROWS,
    STATE_COLOURS,
    changes_tables,
    plan_header,
    plan_summary,
    print_plan,
    print_state,
    print_table,
    safe,
    say_summary,
    state_header,
    stored_plan,
    write_page,
)
from swit_provisioning.operations.services import (
    current_actor,
    open_store,
    plan_judge,
)
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.report.redaction import change_without_people
from swit_provisioning.report.summary import Comparison, compare
from swit_provisioning.settings import Settings
from swit_provisioning.state.stored_plans import StoredPlan


def list_plans(settings: Settings, *, limit: int, as_json: bool) -> int:
    """Print the newest plans and their states."""
    with open_store(settings) as store:
        states = plan_judge(settings, store).states(limit=limit)
        if not as_json:
            state_header(output(), settings, store)
    if as_json:
        print_json([plan_row(state) for state in states])
        return 0
    console = output()
    if not states:
        console.print("No plan is stored yet. `swit-provisioning plan` makes one.")
        return 0
    print_plans(console, states)
    return 0


def show_plan(
    settings: Settings,
    plan_id: str,
    *,
    as_json: bool,
    no_names: bool,
    html: Path | None,
    view: View = "short",
) -> int:
    """Print a stored plan and its state, or write it as a page.

    Raises:
        UnknownPlanError: there is no such plan.
        AmbiguousPlanError: there are several.
        UnwritableFileError: `html` cannot be written.

    """
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        stored, state = plan_judge(settings, store).current(stored)
    stored = plan_to_show(stored, no_names=no_names)
    if html is not None:
        write_page(settings, stored, state, html, no_names=no_names)
    if html is None or as_json:
        print_plan(settings, stored, state, as_json=as_json, view=view, no_names=no_names)
    else:
        console = output()
        plan_header(console, settings, stored)
        say_summary(console, settings, stored)
        print_state(console, state, no_names=no_names)
        console.print(f"The page is in {html}", markup=False, highlight=False, soft_wrap=True)
    return 0


def approve_plan(settings: Settings, plan_id: str, *, why: str) -> int:
    """Approve a plan and print which guards the approval lifts."""
    reason = why.strip()
    if not reason:
        message = "give a reason: others read it later"
        raise click.BadParameter(message, param_hint="--reason")
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        lifted = plan_judge(settings, store).approve(
            stored.plan_hash, actor=current_actor(), reason=reason
        )
    if lifted:
        text = f"Approved for plan {stored.plan_id} only: {', '.join(lifted)}."
    else:
        text = f"Plan {stored.plan_id} exceeds no limit, so it needs no approval."
    print_text(output(), text)
    print_text(output(), f"To apply it: swit-provisioning apply {stored.plan_id}")
    return 0


def reject_plan(settings: Settings, plan_id: str, *, why: str) -> int:
    """Reject a plan."""
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        plan_judge(settings, store).reject(
            stored.plan_hash, actor=current_actor(), reason=why.strip()
        )
    print_text(
        output(),
        f"Rejected: plan {stored.plan_id}, also if a later run plans the same changes again.",
    )
    return 0


def plan_row(state: PlanState) -> dict[str, Any]:
    """One plan in the documents of `plans` and `status`."""
    return {
        "plan_id": state.plan.plan_id,
        "plan_hash": state.plan.plan_hash,
        "created_at": state.plan.created_at.isoformat(),
        "run_id": state.plan.run_id,
        "state": state.name,
        "counts": dict(state.plan.counts),
        "stopped_by": state.stopped_by,
        **decision_document(state),
    }


def print_plans(console: Console, states: list[PlanState]) -> None:
    """Print one row for each plan."""
    rows = []
    for state in states:
        counts = ", ".join(f"{n} {action}" for action, n in state.plan.counts.items())
        colour = STATE_COLOURS.get(state.name, "default")
        rejection, approval, decision = state.rejection, state.approval, ""
        if rejection is not None:
            decision = f"rejected by {rejection.actor}: {rejection.reason}".rstrip(": ")
        elif approval is not None:
            decision = f"approved by {approval.actor}: {approval.reason}"
        rows.append(
            [
                state.plan.plan_id,
                f"{state.plan.created_at:%Y-%m-%d %H:%M}",
                f"[{colour}]{state.name}[/{colour}]",
                counts or "none",
                ", ".join(state.stopped_by),
                safe(decision),
            ]
        )
    columns = ("plan", "made (UTC)", "state", "changes", "stopped by", "decided")
    print_table(console, columns, rows, whole={"plan", "made (UTC)", "state"})


def show_difference(
    settings: Settings, first_id: str, second_id: str, *, as_json: bool, no_names: bool
) -> int:
    """Print the changes that are only in one of two plans, and those that differ.

    Raises:
        UnknownPlanError: one of the plans does not exist.
        AmbiguousPlanError: several plans have one of these ids.

    """
    first, second = (stored_plan(settings, plan_id) for plan_id in (first_id, second_id))
    # Compared before names are hidden: two different values may have the same code.
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
    plan_header(console, settings, second)
    for plan in (first, second):
        plan_summary(console, plan)
    for side in found.sides:
        console.print(f"The two plans have a different {side}.", style="yellow")
    if found.settings:
        names = ", ".join(found.settings)
        console.print(f"Settings that differ: {names}", style="yellow", markup=False)
    changes_tables(console, found.only_first, aside=f", only in {first.plan_id}")
    changes_tables(console, found.only_second, aside=f", only in {second.plan_id}")
    _different(console, first.plan_id, second.plan_id, found)
    title = "Both plans are the same" if found.is_empty else "The same in both"
    console.print(f"{title}: {found.same:,} changes.", highlight=False)


def _different(console: Console, first_id: str, second_id: str, found: Comparison) -> None:
    if not found.different:
        return
    console.print(f"[bold]In both, but different ({len(found.different):,})[/bold]")
    rows = []
    for a, b in found.different[:MOST_ROWS]:
        said = (describe(c.action, c.before, c.after) for c in (a, b))
        rows.append([SPECS[a.action].heading, safe(b.target), *map(safe, said)])
    columns = ("action", "who or what", f"in {first_id}", f"in {second_id}")
    print_table(console, columns, rows, whole={"who or what"})
    if len(found.different) > MOST_ROWS:
        console.print(f"... and {len(found.different) - MOST_ROWS:,} more: --json shows all")
