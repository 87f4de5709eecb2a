"""`plans`, `show`, `approve`, `reject`: stored plans, and what people decide about them."""

from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from swit_provisioning.apply.plan_states import PlanState, PlanStates, StateName
from swit_provisioning.cli.console import output, print_json
from swit_provisioning.cli.plan_output import plan_header, print_plan, say_rejection, say_summary
from swit_provisioning.cli.showing import plan_to_show, stored_plan, write_page
from swit_provisioning.cli.tables import own_header, safe, stops
from swit_provisioning.resources.approving import approver, max_age
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.settings import Settings
from swit_provisioning.store.approvals import Approval
from swit_provisioning.store.rejections import Rejection

_COLOURS: Final[dict[StateName, str]] = {
    "applied": "green",
    "waiting for approval": "red",
    "blocked": "red",
    "rejected": "red",
    "begun": "yellow",
    "approved": "yellow",
}


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
    console.print(plans_table(states))
    return 0


def show_plan(
    settings: Settings, plan_id: str, *, as_json: bool, no_names: bool, html: Path | None
) -> int:
    """Print a stored plan, or write it as a page. 2: there is none of this id.

    Raises:
        UnknownPlanError: there is no such plan.
        AmbiguousPlanError: there are several.
        UnwritableFileError: `html` can't be written.

    """
    stored = plan_to_show(stored_plan(settings, plan_id), no_names=no_names)
    with open_store(settings) as store:
        rejection = store.rejections.of(stored.plan_hash)
    if html is not None:
        write_page(settings, stored, html)
    if html is None or as_json:
        print_plan(settings, stored, as_json=as_json)
    else:
        console = output()
        plan_header(console, settings, stored)
        say_summary(console, settings, stored)
        console.print(f"The page is in {html}", markup=False, highlight=False, soft_wrap=True)
    say_rejection(rejection)
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
    output().print(said, markup=False, highlight=False)
    output().print(f"To apply it: swit-provisioning apply {stored.plan_id}", highlight=False)
    return 0


def reject_plan(settings: Settings, plan_id: str, *, why: str) -> int:
    """Reject one plan and say what that means."""
    stored = stored_plan(settings, plan_id)
    with open_store(settings) as store:
        approver(settings, store).reject(stored.plan_hash, who=who_am_i(), why=why.strip())
    output().print(
        f"Rejected: plan {stored.plan_id}, also where a later run plans these very changes again.",
        markup=False,
        highlight=False,
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
        "stopped_by": _stopped_by(state),
        "approved": _decision(state.approval),
        "rejected": _decision(state.rejection),
    }


def _decision(made: Approval | Rejection | None) -> dict[str, str] | None:
    if made is None:
        return None
    return {"who": made.who, "why": made.why, "at": made.at.isoformat()}


def plans_table(states: list[PlanState]) -> Table:
    """One line a plan."""
    table = Table()
    for column in ("plan", "made (UTC)", "state", "changes", "stopped by", "decided"):
        table.add_column(column, overflow="fold")
    for state in states:
        counts = ", ".join(f"{n} {action}" for action, n in state.plan.counts.items())
        colour = _COLOURS.get(state.name, "default")
        table.add_row(
            state.plan.plan_id,
            f"{state.plan.created_at:%Y-%m-%d %H:%M}",
            f"[{colour}]{state.name}[/{colour}]",
            counts or "none",
            ", ".join(_stopped_by(state)),
            safe(_decided(state)),
        )
    return table


def _reason(text: str) -> str:
    if not text.strip():
        message = "say why: the reason is what others read later"
        raise click.BadParameter(message, param_hint="--reason")
    return text.strip()


def _stopped_by(state: PlanState) -> list[str]:
    return [verdict["name"] for verdict in state.plan.verdicts if stops(verdict)]


def _decided(state: PlanState) -> str:
    if state.rejection is not None:
        return f"rejected by {state.rejection.who}: {state.rejection.why}".rstrip(": ")
    if state.approval is not None:
        return f"approved by {state.approval.who}: {state.approval.why}"
    return ""
