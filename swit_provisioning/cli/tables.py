"""What a person sees: a summary first, then a table by action. Colours only on a terminal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from swit_provisioning.cli.console import print_text
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

_GAP: Final = 3
"""Columns between two cells of a table."""
_INDENT: Final = 4
"""Columns before what is said of a row in a list."""

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
        organization=organization_id or settings.expected_organization or "not known yet",
        directory=settings.directory_title,
    )


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
) -> None:
    """Print rows of cells (markup) as a table, or as a list where the terminal is too narrow.

    No word is broken, and no cell of the columns `whole`: people copy them.
    """
    texts = [[Text.from_markup(for_a_terminal(cell), emoji=False) for cell in row] for row in rows]
    least, natural = [], []
    for column, *cells in zip(columns, *texts, strict=True):
        lengths = [cell_len(column), *(cell.cell_len for cell in cells)]
        words = (cell_len(word) for cell in (Text(column), *cells) for word in cell.plain.split())
        natural.append(max(lengths))
        least.append(max(lengths) if column in whole else max(words, default=1))
    spare = console.width - _GAP * (len(columns) - 1) - sum(least)
    if spare < 0:
        _print_list(console, columns, texts, whole)
        return
    wanted = [most - width for most, width in zip(natural, least, strict=True)]
    share = min(spare / sum(wanted), 1) if any(wanted) else 0
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column, width, more in zip(columns, least, wanted, strict=True):
        table.add_column(column, width=width + int(share * more), overflow="fold")
    for row in texts:
        table.add_row(*row)
    console.print(table)


def _print_list(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[Text]],
    whole: Collection[str],
) -> None:
    """A row as its first cell and, indented below, the others with their names."""
    for first, *others in rows:
        line, indent, wrap = first, 0, columns[0] not in whole
        for column, cell in zip(columns[1:], others, strict=True):
            if not cell:
                continue
            named = Text.assemble((f"{column}: ", "dim"), cell)
            if indent + line.cell_len + 2 + named.cell_len <= console.width:
                line = Text.assemble(line, "  ", named)
            else:
                print_text(console, line, indent=indent, wrap=wrap)
                line, indent, wrap = named, _INDENT, column not in whole
        print_text(console, line, indent=indent, wrap=wrap)


def plan_summary(
    console: Console, stored: StoredPlan, calls: int | None = None, seconds: float = 0
) -> None:
    """Plan id, what it does in one sentence; calls and time where they are known."""
    print_text(console, f"Plan {stored.plan_id}: {summary(stored.plan.changes)}")
    if stored.plan.changes and calls is not None:
        print_text(console, f"About {calls:,} API calls, {duration(seconds)}.")


def changes_tables(
    console: Console,
    changes: Iterable[Change],
    *,
    aside: str = "",
    most: int | None = MOST_ROWS,
    all_of_them: str = "--json shows all",
) -> None:
    """A table for each action, what takes something away first; one row a change.

    `most` rows of each (`None`: all); `all_of_them` says where the rest is shown.
    """
    for action, found in by_action(changes).items():
        why = {change.reason for change in found}
        shared = f": {safe(found[0].reason)}" if len(why) == 1 else ""
        # Not as the table's title, which would be folded to the width of a narrow table.
        console.print(
            f"[bold]{IN_WORDS[action]} ({len(found):,}, {action}{aside}){shared}[/bold]",
            highlight=False,
            soft_wrap=True,
        )
        colour = COLOURS.get(action, "yellow")
        rows = []
        for change in found[:most]:
            said = what(action, change.before, change.after)
            cells = [f"[{colour}]{safe(change.target)}[/{colour}]", safe(said)]
            rows.append(cells if shared else [*cells, safe(change.reason)])
        columns = ("who or what", "what") if shared else ("who or what", "what", "why")
        print_table(console, columns, rows, whole={"who or what"})
        if len(found) > len(rows):
            print_text(console, f"... and {len(found) - len(rows):,} more: {all_of_them}")


def team_tree(console: Console, root: Branch | None, *, most: int = MOST_TEAMS) -> None:
    """The teams as they will be, with a sign and words at each that changes."""
    if root is None:
        return
    for row in rows_of(root, most):
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
        mark = ("STOPPED", "red") if stops(verdict) else ("passed ", "green")
        said = for_a_terminal(verdict["message"])
        print_text(console, Text.assemble(mark, f" {verdict['name']}: {said}"))


def stops(verdict: Mapping[str, Any]) -> bool:
    """Whether nothing may be written because of this guard."""
    return bool(verdict["blocking"] and not verdict["passed"])


def findings_table(
    console: Console,
    findings: Iterable[Finding],
    *,
    all_of_them: str,
    most: int | None = MOST_OF_A_KIND,
) -> None:
    """What a person should know, by kind, counted; `all_of_them` says where the rest is shown."""
    kinds = findings_by_kind(findings)
    if not kinds:
        return
    print_text(console, findings_summary(kinds))
    for kind, found in kinds.items():
        where = "in the directory" if found[0].side == "directory" else "in Swit or the settings"
        print_text(console, f"{kind} ({len(found)}), to be mended {where}:")
        rows = [[*map(safe, (f.subject, f.attribute, f.message))] for f in found[:most]]
        columns = ("who or what", "attribute", "what to do")
        print_table(console, columns, rows, whole={"who or what", "attribute"})
        if len(found) > len(rows):
            print_text(console, f"... and {len(found) - len(rows)} more: {all_of_them}")


def findings_by_kind(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings grouped by kind, in their order."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def findings_summary(kinds: Mapping[str, Sequence[Finding]]) -> str:
    """`Findings: 2 no address, 1 unusable address`."""
    return "Findings: " + ", ".join(f"{len(found)} {kind}" for kind, found in kinds.items())


def outcomes_table(console: Console, entries: Iterable[JournalEntry]) -> None:
    """Only what was not simply done: rejected, failed, skipped."""
    undone = [entry for entry in entries if entry.outcome not in {"applied", "already so"}]
    if not undone:
        return
    print_text(console, f"Not done ({len(undone):,}):", style="bold")
    rows = [
        [entry.action, safe(entry.target), entry.outcome or "failed", safe(entry.message or "")]
        for entry in undone[:MOST_ROWS]
    ]
    columns = ("action", "target", "outcome", "Swit said")
    print_table(console, columns, rows, whole={"action", "target", "outcome"})
    if len(undone) > len(rows):
        print_text(console, f"... and {len(undone) - len(rows):,} more: --json shows all")
