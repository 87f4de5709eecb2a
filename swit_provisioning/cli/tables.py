"""What a person sees: a summary first, then a table by action. Colours only on a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swit_provisioning.cli.documents import Verdicts
from swit_provisioning.reconcile.plan import Change, Plan
from swit_provisioning.reconcile.policy import Action
from swit_provisioning.settings import Settings
from swit_provisioning.store.journal import JournalEntry

MOST_ROWS: Final = 200
"""Rows of one table: more is for `--json` and the Dagster UI."""

MOST_PEOPLE: Final = 5
"""People named in one cell."""

_COLOURS: Final = {
    "user.create": "green",
    "user.deactivate": "red",
    "user.remove": "red",
    "team.create": "green",
    "team.delete": "red",
    "membership.add": "green",
    "membership.remove": "red",
}


def header(console: Console, settings: Settings, *, organization: str, directory: str) -> None:
    """The first line of every output: which organisation, which directory, which mode."""
    mode = "TEST MODE" if settings.is_running_locally else "live"
    console.print(
        f"Organisation: {escape(organization)} · Directory: {escape(directory)} · {mode}",
        highlight=False,
        soft_wrap=True,
    )


def plan_summary(console: Console, plan: Plan, calls: int, seconds: float) -> None:
    """Plan id, counts, calls and time."""
    counts = ", ".join(f"{n} {action}" for action, n in plan.counts().items())
    console.print(f"Plan {plan.plan_id}: {counts or 'nothing to do'}", highlight=False)
    if plan.changes:
        console.print(f"About {calls} API calls, {_duration(seconds)}.", highlight=False)


def changes_table(console: Console, changes: Iterable[Change], title: str) -> None:
    """One row a change: what, whom, why."""
    rows = list(changes)
    if not rows:
        return
    table = Table(title=title, title_justify="left", show_lines=False)
    for column in ("action", "target", "what", "why"):
        table.add_column(column, overflow="fold")
    for change in rows[:MOST_ROWS]:
        colour = _COLOURS.get(change.action, "yellow")
        table.add_row(
            f"[{colour}]{change.action}[/{colour}]",
            escape(change.target),
            escape(what(change)),
            escape(change.reason),
        )
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"... and {len(rows) - MOST_ROWS} more: --json shows all")


def what(change: Change) -> str:
    """Before and after in a few words."""
    after, before = change.after, change.before
    say: dict[Action, Callable[[], str]] = {
        "user.create": lambda: _listed(after.get("name"), after.get("phone_number")),
        "user.deactivate": lambda: "the account stays, inactive",
        "user.remove": lambda: "the account is gone for good",
        "user.activate": lambda: "active again",
        "team.create": lambda: f"under {after.get('parent', after['parent_id'])}",
        "team.delete": lambda: f"{len(before.get('members', []))} members",
        "team.sort": lambda: f"{len(after['team_ids'])} child teams",
        "membership.add": lambda: _people(after["emails"]),
        "membership.remove": lambda: _people(before["emails"]),
        "primary.update": lambda: f"primary team: {after.get('team', after['team_id'])}",
    }
    return say.get(change.action, lambda: _differences(change))()


def _people(emails: Sequence[str]) -> str:
    shown = ", ".join(emails[:MOST_PEOPLE])
    more = len(emails) - MOST_PEOPLE
    return shown if more <= 0 else f"{shown} and {more} more"


def _differences(change: Change) -> str:
    """`name: A → B`; a parent by its name rather than its id."""
    hidden = {"parent_id"} if "parent" in change.after else set()
    return ", ".join(
        f"{key}: {change.before.get(key) or '-'} → {value or '-'}"
        for key, value in change.after.items()
        if key not in hidden
    )


def _listed(*values: object) -> str:
    return ", ".join(str(value) for value in values if value)


def guards_table(console: Console, verdicts: Verdicts) -> None:
    """Each guard in one line; the ones that stop the plan with their way out."""
    for verdict in verdicts:
        mark = "[green]passed [/green]" if not stops(verdict) else "[red]STOPPED[/red]"
        console.print(f"{mark} {verdict['name']}: {escape(verdict['message'])}", highlight=False)


def stops(verdict: Mapping[str, Any]) -> bool:
    """Whether nothing may be written because of this guard."""
    return bool(verdict["blocking"] and not verdict["passed"])


def findings_table(console: Console, plan: Plan) -> None:
    """What a person should know, beside the changes."""
    if not plan.findings:
        return
    table = Table(title="Findings", title_justify="left")
    for column in ("kind", "who or what", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in plan.findings[:MOST_ROWS]:
        table.add_row(escape(finding.kind), escape(finding.subject), escape(finding.message))
    console.print(table)


def outcomes_table(console: Console, entries: Iterable[JournalEntry]) -> None:
    """Only what was not simply done: rejected, failed, skipped."""
    rows = [entry for entry in entries if entry.outcome not in {"applied", "already so"}]
    if not rows:
        return
    table = Table(title="Not done", title_justify="left")
    for column in ("action", "target", "outcome", "Swit said"):
        table.add_column(column, overflow="fold")
    for entry in rows[:MOST_ROWS]:
        said = entry.message or ""
        table.add_row(entry.action, escape(entry.target), entry.outcome or "failed", escape(said))
    console.print(table)


def _duration(seconds: float) -> str:
    if seconds < 90:  # noqa: PLR2004 - below that, seconds read better
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
