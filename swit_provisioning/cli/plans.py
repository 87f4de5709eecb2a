"""`plans`, `show`, `approve`, `reject`: stored plans, and what people decide about them."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from swit_provisioning.apply.plan_states import PlanState, PlanStates
from swit_provisioning.cli.console import output, print_json, print_text
from swit_provisioning.cli.documents import decision_document
from swit_provisioning.cli.plan_output import (
    STATE_COLOURS,
    View,
    plan_header,
    print_plan,
    print_state,
    say_summary,
)
from swit_provisioning.cli.showing import plan_to_show, stored_plan, write_page
from swit_provisioning.cli.tables import own_header, print_table, safe
from swit_provisioning.resources.approving import approver, current_state, max_age
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.settings import Settings


def list_plans(settings: Settings, *, limit: int, as_json: bool) -> int:
    """Print the plans that were made last."""
    with open_store(settings) as store:
        states = PlanStates(store, max_age=max_age(settings)).listed(limit=limit)
        bound_to = store.organization.bound_to()
    if as_json:
        print_json([plan_row(state) for state in states])
        return 0
    console = output()
    own_header(console, settings, bound_to)
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
    """Print a stored plan and its state, or write it as a page. 2: there is none of this id.

    Raises:
        UnknownPlanError: there is no such plan.
        AmbiguousPlanError: there are several.
        UnwritableFileError: `html` can't be written.

    """
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        stored, state = current_state(settings, store, stored)
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
    """Approve one plan and say what that lifts."""
    reason = _reason(why)
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        lifted = approver(settings, store).approve(stored.plan_hash, who=who_am_i(), why=reason)
    if lifted:
        said = f"Approved for plan {stored.plan_id} alone: {', '.join(lifted)}."
    else:
        said = f"Plan {stored.plan_id} breaks no limit, so it needs no approval."
    print_text(output(), said)
    print_text(output(), f"To apply it: swit-provisioning apply {stored.plan_id}")
    return 0


def reject_plan(settings: Settings, plan_id: str, *, why: str) -> int:
    """Reject one plan and say what that means."""
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        approver(settings, store).reject(stored.plan_hash, who=who_am_i(), why=why.strip())
    print_text(
        output(),
        f"Rejected: plan {stored.plan_id}, also where a later run plans these very changes again.",
    )
    return 0


def plan_row(state: PlanState) -> dict[str, Any]:
    """One plan for `--json`."""
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
    """One row a plan."""
    rows = []
    for state in states:
        counts = ", ".join(f"{n} {action}" for action, n in state.plan.counts.items())
        colour = STATE_COLOURS.get(state.name, "default")
        rows.append(
            [
                state.plan.plan_id,
                f"{state.plan.created_at:%Y-%m-%d %H:%M}",
                f"[{colour}]{state.name}[/{colour}]",
                counts or "none",
                ", ".join(state.stopped_by),
                safe(_decided(state)),
            ]
        )
    columns = ("plan", "made (UTC)", "state", "changes", "stopped by", "decided")
    print_table(console, columns, rows, whole={"plan", "made (UTC)", "state"})


def _reason(text: str) -> str:
    if not text.strip():
        message = "say why: the reason is what others read later"
        raise click.BadParameter(message, param_hint="--reason")
    return text.strip()


def _decided(state: PlanState) -> str:
    if state.rejection is not None:
        return f"rejected by {state.rejection.who}: {state.rejection.why}".rstrip(": ")
    if state.approval is not None:
        return f"approved by {state.approval.who}: {state.approval.why}"
    return ""
