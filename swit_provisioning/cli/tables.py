"""What a person sees: a summary first, then a table by action. Colours only on a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swit_provisioning.cli.documents import Verdicts
from swit_provisioning.reconcile.plan import Change, Finding
from swit_provisioning.reconcile.words import what
from swit_provisioning.report.plain import for_a_terminal
from swit_provisioning.report.summary import IN_WORDS, by_action, duration, summary
from swit_provisioning.report.team_tree import Branch, Mark, rows_of
from swit_provisioning.settings import Settings
from swit_provisioning.store.journal import JournalEntry
from swit_provisioning.store.plans import StoredPlan

MOST_ROWS: Final = 200
"""Rows of one table: more is for `--json` and the Dagster UI."""

MOST_OF_A_KIND: Final = 20
"""Findings of one kind in a table, so that many of one don't hide the few of another."""

MOST_TEAMS: Final = 100
"""Lines of the team tree."""

COLOURS: Final = {
    "user.create": "green",
    "user.deactivate": "red",
    "user.remove": "red",
    "team.create": "green",
    "team.delete": "red",
    "membership.add": "green",
    "membership.remove": "red",
}
_TEAM_COLOURS: Final[dict[Mark, str]] = {"created": "green", "deleted": "red", "moved": "cyan"}


def safe(text: str) -> str:
    """Text of others as the terminal shows it: no markup, nothing that steers the display."""
    return escape(for_a_terminal(text))


def header(console: Console, settings: Settings, *, organization: str, directory: str) -> None:
    """The first line of every output: which organisation, which directory, which mode."""
    console.print(
        f"Organisation: {safe(organization)} · Directory: {safe(directory)} · {settings.mode}",
        highlight=False,
        soft_wrap=True,
    )


def own_header(console: Console, settings: Settings, organization_id: str | None) -> None:
    """The first line where neither side was read: what the state and the settings say."""
    header(
        console,
        settings,
        organization=organization_id or settings.swit_organization or "not known yet",
        directory=settings.directory_title,
    )


def plan_summary(
    console: Console, stored: StoredPlan, calls: int | None = None, seconds: float = 0
) -> None:
    """Plan id, what it does in one sentence; calls and time where they are known."""
    console.print(f"Plan {stored.plan_id}: {summary(stored.plan.changes)}", highlight=False)
    if stored.plan.changes and calls is not None:
        console.print(f"About {calls:,} API calls, {duration(seconds)}.", highlight=False)


def changes_tables(console: Console, changes: Iterable[Change], *, aside: str = "") -> None:
    """A table for each action, what takes something away first; one row a change."""
    for action, found in by_action(changes).items():
        why = {change.reason for change in found}
        all_of_them = f": {safe(found[0].reason)}" if len(why) == 1 else ""
        # Not as the table's title, which would be folded to the width of a narrow table.
        console.print(
            f"[bold]{IN_WORDS[action]} ({len(found):,}, {action}{aside}){all_of_them}[/bold]",
            highlight=False,
            soft_wrap=True,
        )
        table = Table()
        for column in ("who or what", "what", *(() if all_of_them else ("why",))):
            table.add_column(column, overflow="fold")
        colour = COLOURS.get(action, "yellow")
        for change in found[:MOST_ROWS]:
            said = what(action, change.before, change.after)
            cells = [f"[{colour}]{safe(change.target)}[/{colour}]", safe(said)]
            table.add_row(*cells, *(() if all_of_them else (safe(change.reason),)))
        console.print(table)
        if len(found) > MOST_ROWS:
            console.print(
                f"... and {len(found) - MOST_ROWS:,} more: --json, or show PLAN_ID --html FILE,"
                " shows all",
                highlight=False,
            )


def team_tree(console: Console, root: Branch | None) -> None:
    """The teams as they will be, with a sign and words at each that changes."""
    if root is None:
        return
    for row in rows_of(root, MOST_TEAMS):
        if row.branch is None:
            line = f"[dim]{row.guides}{row.left_out}[/dim]"
        else:
            colour = _TEAM_COLOURS.get(row.branch.mark or "sorted", "yellow")
            named = f"{row.branch.sign} {safe(row.branch.name)}".strip()
            note = f" [dim]({safe(row.branch.note)})[/dim]" if row.branch.note else ""
            marked = f"[{colour}]{named}[/{colour}]" if row.branch.mark else named
            line = f"{row.guides}{marked}{note}"
        console.print(line, highlight=False, soft_wrap=True)


def guards_table(console: Console, verdicts: Verdicts) -> None:
    """Each guard in one line; the ones that stop the plan with their way out."""
    for verdict in verdicts:
        mark = "[green]passed [/green]" if not stops(verdict) else "[red]STOPPED[/red]"
        console.print(f"{mark} {verdict['name']}: {safe(verdict['message'])}", highlight=False)


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
            table.add_row(*map(safe, cells))
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
        table.add_row(entry.action, safe(entry.target), entry.outcome or "failed", safe(said))
    console.print(table)
