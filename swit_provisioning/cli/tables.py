"""What a person sees: a summary first, then a table by action. Colours only on a terminal."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swit_provisioning.cli.documents import Verdicts
from swit_provisioning.reconcile.plan import Change, Finding, Plan
from swit_provisioning.reconcile.words import what
from swit_provisioning.settings import Settings
from swit_provisioning.store.journal import JournalEntry

MOST_ROWS: Final = 200
"""Rows of one table: more is for `--json` and the Dagster UI."""

MOST_OF_A_KIND: Final = 20
"""Findings of one kind in a table, so that many of one don't hide the few of another."""

COLOURS: Final = {
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
    for column in ("action", "target", "what", "reason"):
        table.add_column(column, overflow="fold")
    for change in rows[:MOST_ROWS]:
        colour = COLOURS.get(change.action, "yellow")
        table.add_row(
            f"[{colour}]{change.action}[/{colour}]",
            escape(change.target),
            escape(what(change.action, change.before, change.after)),
            escape(change.reason),
        )
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"... and {len(rows) - MOST_ROWS} more: --json shows all")


def guards_table(console: Console, verdicts: Verdicts) -> None:
    """Each guard in one line; the ones that stop the plan with their way out."""
    for verdict in verdicts:
        mark = "[green]passed [/green]" if not stops(verdict) else "[red]STOPPED[/red]"
        console.print(f"{mark} {verdict['name']}: {escape(verdict['message'])}", highlight=False)


def stops(verdict: Mapping[str, Any]) -> bool:
    """Whether nothing may be written because of this guard."""
    return bool(verdict["blocking"] and not verdict["passed"])


def findings_table(console: Console, findings: Iterable[Finding], *, all_of_them: str) -> None:
    """What a person should know, by kind, counted; `all_of_them` says where the rest stands."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    if not kinds:
        return
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in kinds.items())
    console.print(f"Findings: {counts}", markup=False, highlight=False)
    for kind, found in kinds.items():
        where = "in the directory" if found[0].side == "directory" else "in Swit or the settings"
        console.print(f"{kind} ({len(found)}), to be mended {where}:", markup=False)
        table = Table()
        for column in ("who or what", "attribute", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in found[:MOST_OF_A_KIND]:
            cells = (finding.subject, finding.attribute, finding.message)
            table.add_row(*map(escape, cells))
        console.print(table)
        if len(found) > MOST_OF_A_KIND:
            console.print(f"... and {len(found) - MOST_OF_A_KIND} more: {all_of_them}")


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
    if seconds <= 1:
        return "a second at most"
    if seconds < 90:  # noqa: PLR2004 - below that, seconds read better
        return f"{ceil(seconds)} seconds"
    return f"{ceil(seconds / 60)} minutes"
