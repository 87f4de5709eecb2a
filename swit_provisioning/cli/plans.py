"""`plans`, `show`, `approve`, `reject` and `history`: what the state database holds."""

from pathlib import Path
from typing import Final

import click

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.cli import documents, render
from swit_provisioning.cli.console import (
    output,
    print_json,
    print_plan_header,
    print_state_header,
    print_table,
    print_text,
    safe,
)
from swit_provisioning.cli.framework import UnwritableFileError, View, time_of_option, view_of
from swit_provisioning.cli.json_types import ComparisonDocument, HistoryDocument
from swit_provisioning.operations.plan_page import (
    ExpectedPace,
    expected_pace,
    page_facts,
    write_private,
)
from swit_provisioning.operations.services import current_actor, open_store, plan_judge
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.planning.model import calls_by_kind, estimate
from swit_provisioning.report.page import plan_page
from swit_provisioning.report.redaction import change_without_people, stored_without_people
from swit_provisioning.report.summary import Comparison, compare, summary
from swit_provisioning.report.tree import tree_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.stored_plans import StoredPlan

_SHORT_ROWS: Final = 10
_SHORT_TREE: Final = 12
_ALL: Final = 1_000_000


def list_plans(settings: Settings, *, limit: int, as_json: bool) -> int:
    """Print the newest plans and their states."""
    with open_store(settings) as store:
        states = plan_judge(settings, store).states(limit=limit)
        if not as_json:
            print_state_header(output(), settings, store)
    if as_json:
        print_json([documents.listed_plan_document(state) for state in states])
    elif states:
        render.plans_table(output(), states)
    else:
        print_text(output(), "No plan is stored yet. `swit-provisioning plan` makes one.")
    return 0


def show(
    settings: Settings,
    plan_id: str,
    other_plan_id: str | None,
    *,
    html: Path | None,
    full: bool,
    summary: bool,
    as_json: bool,
    no_names: bool,
) -> int:
    """Print a stored plan and its state, write it as a page, or compare it with another plan.

    Raises:
        RefusedError: there is no such plan, or there are several.
        UnwritableFileError: `html` cannot be written.

    """
    view = view_of(full=full, summary=summary)
    if other_plan_id is not None:
        if html is not None:
            message = "--html writes one plan. Name one, or leave --html out to compare two."
            raise click.UsageError(message)
        return _show_difference(
            settings, plan_id, other_plan_id, as_json=as_json, no_names=no_names
        )
    with open_store(settings) as store:
        judge = plan_judge(settings, store)
        stored, state = judge.current(judge.stored(plan_id))
        if no_names:
            stored, state = (
                stored_without_people(stored),
                documents.state_without_people(state),
            )
        pace = expected_pace(settings, store)
        if html is not None:
            facts = page_facts(settings, store, stored, state, no_names=no_names)
            try:
                write_private(html, plan_page(stored.plan, facts))
            except OSError as error:
                example = f"swit-provisioning show {stored.plan_id} --html plan.html"
                raise UnwritableFileError(html, error, example=example) from error
    if html is None or as_json:
        print_plan(settings, stored, state, pace, as_json=as_json, view=view)
    else:
        print_plan_header(settings, stored)
        _print_summary(stored, pace)
        render.print_state(output(), state)
        print_text(output(), f"The page is in {html}", wrap=False)
    return 0


def print_plan(
    settings: Settings,
    stored: StoredPlan,
    state: PlanState,
    pace: ExpectedPace,
    *,
    as_json: bool,
    view: View,
) -> None:
    """Print a plan: summary, changes, tree, findings, guards, state and what to do next."""
    if as_json:
        print_json(documents.plan_document(stored, state, pace))
        return
    console, plan = output(), stored.plan
    print_plan_header(settings, stored)
    if view == "summary":
        render.plan_summary(console, stored)
    else:
        _print_summary(stored, pace)
        most = _ALL if view == "full" else _SHORT_ROWS
        all_of_them = f"swit-provisioning show {stored.plan_id} --full"
        for changes, aside in (
            (plan.changes, ""),
            (plan.disabled, ", not sent: DISABLED_ACTIONS"),
            (plan.held, ", not sent: does not stick, see the findings"),
            (plan.waiting, ", not sent: exceeds a limit, waits for an approval"),
        ):
            render.changes_tables(console, changes, aside=aside, most=most, all_of_them=all_of_them)
        most_teams = _ALL if view == "full" else _SHORT_TREE
        render.team_tree(console, tree_of(plan.teams, plan.changes), most=most_teams)
        render.findings_table(console, plan.findings, most=most, all_of_them=all_of_them)
        render.guards_table(console, stored.guard_results)
    render.print_state(console, state)
    if plan.waiting:
        words = f"Plan {plan.waiting_id} waits for a decision beside it: {summary(plan.waiting)}."
        print_text(console, words, style="yellow")
        print_text(console, f"To see it: swit-provisioning show {plan.waiting_id}")


def _print_summary(stored: StoredPlan, pace: ExpectedPace) -> None:
    """Print the summary of a plan with calls, pace and time."""
    render.plan_summary(output(), stored, *estimate(stored.plan, pace.per_second))
    if stored.plan.changes:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in calls_by_kind(stored.plan).items())
        print_text(output(), f"{kinds} · {pace.sentence}", style="dim")


def _show_difference(
    settings: Settings, first_id: str, second_id: str, *, as_json: bool, no_names: bool
) -> int:
    """Print the changes that are only in one of two plans, and those that differ."""
    with open_store(settings) as store:
        judge = plan_judge(settings, store)
        first, second = judge.stored(first_id), judge.stored(second_id)
    # Compared before names are hidden: two different values may have the same code.
    found = compare(first.plan, second.plan)
    if no_names:
        found = found.with_each_change(change_without_people)
        first, second = stored_without_people(first), stored_without_people(second)
    if as_json:
        document: ComparisonDocument = {
            "plans": [
                {
                    "plan_id": plan.plan_id,
                    "plan_hash": plan.plan_hash,
                    "created_at": plan.created_at.isoformat(),
                }
                for plan in (first, second)
            ],
            "only_first": [documents.change_document(change) for change in found.only_first],
            "only_second": [documents.change_document(change) for change in found.only_second],
            "different": [
                {"first": documents.change_document(a), "second": documents.change_document(b)}
                for a, b in found.different
            ],
            "same": found.same,
            "settings": list(found.settings),
            "sides": list(found.sides),
        }
        print_json(document)
    else:
        print_plan_header(settings, second)
        _print_difference(first, second, found)
    return 0


def _print_difference(first: StoredPlan, second: StoredPlan, found: Comparison) -> None:
    console = output()
    for plan in (first, second):
        render.plan_summary(console, plan)
    for side in found.sides:
        print_text(console, f"The two plans have a different {side}.", style="yellow")
    if found.settings:
        names = ", ".join(found.settings)
        print_text(console, f"Settings that differ: {names}", style="yellow")
    render.changes_tables(console, found.only_first, aside=f", only in {first.plan_id}")
    render.changes_tables(console, found.only_second, aside=f", only in {second.plan_id}")
    if found.different:
        number = len(found.different)
        print_text(console, f"In both, but different ({number:,})", style="bold")
        rows = []
        for a, b in found.different[: render.MOST_ROWS]:
            words = (safe(describe(c.action, c.before, c.after)) for c in (a, b))
            rows.append([SPECS[a.action].heading, safe(b.target), *words])
        columns = ("action", "target", f"in {first.plan_id}", f"in {second.plan_id}")
        print_table(console, columns, rows, whole={"target"}, total=number)
    title = "Both plans are the same" if found.is_empty else "The same in both"
    print_text(console, f"{title}: {found.same:,} changes.")


def approve(settings: Settings, plan_id: str, *, reason: str) -> int:
    """Approve a plan and print which guards the approval lifts."""
    reason = reason.strip()
    if not reason:
        message = "give a reason: others read it later"
        raise click.BadParameter(message, param_hint="--reason")
    with open_store(settings) as store:
        judge = plan_judge(settings, store)
        plan = judge.stored(plan_id)
        lifted = judge.approve(plan.plan_hash, actor=current_actor(), reason=reason)
    text = f"Plan {plan.plan_id} exceeds no limit, so it needs no approval."
    if lifted:
        text = f"Approved for plan {plan.plan_id} only: {', '.join(lifted)}."
    print_text(output(), text)
    print_text(output(), f"To apply it: swit-provisioning apply {plan.plan_id}")
    return 0


def reject(settings: Settings, plan_id: str, *, reason: str) -> int:
    """Reject a plan."""
    with open_store(settings) as store:
        judge = plan_judge(settings, store)
        plan = judge.stored(plan_id)
        judge.reject(plan.plan_hash, actor=current_actor(), reason=reason.strip())
    text = f"Rejected: plan {plan.plan_id}, also if a later run plans the same changes again."
    print_text(output(), text)
    return 0


def show_history(
    settings: Settings,
    *,
    user: str | None,
    team: str | None,
    since: str | None,
    as_json: bool,
) -> int:
    """Print the matching entries of the journal, oldest first."""
    after = time_of_option("--since", since)
    with open_store(settings) as store:
        entries = store.history.find(user=user, team=team, since=after)
        if not as_json:
            print_state_header(output(), settings, store)
    if as_json:
        document: HistoryDocument = {
            "user": user,
            "team": team,
            "since": after.isoformat() if after else None,
            "entries": [documents.history_document(entry) for entry in entries],
        }
        print_json(document)
    elif entries:
        render.history_table(output(), entries)
    else:
        is_narrowed = user or team or since
        text = "No matching change was sent." if is_narrowed else "No change was sent yet."
        print_text(output(), text)
    return 0
