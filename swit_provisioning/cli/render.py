"""Output for people: first lines, plans, tables. Colours only on a terminal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from swit_provisioning.apply.approvals import PlanState, StateName
from swit_provisioning.cli.documents import GuardResults, plan_document
from swit_provisioning.cli.errors import UnknownPlanError, UnwritableFileError
from swit_provisioning.cli.framework import output, print_json, print_text
from swit_provisioning.cli.options import View
from swit_provisioning.operations.plan_page import (
    expected_pace,
    page_facts,
    write_private,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.planning.estimate import calls_by_kind, estimate
from swit_provisioning.planning.model import Change, Finding
from swit_provisioning.report.page import plan_page
from swit_provisioning.report.redaction import (
    without_people_in,
)
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.report.summary import by_action, duration, summary
from swit_provisioning.report.tree import Branch, Mark, rows_of, tree_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import StoredPlan

MOST_ROWS: Final = 200
"""Rows of one table; `--json` and the Dagster UI show more."""

MOST_OF_A_KIND: Final = 20
"""Findings of one kind in a table, so that a frequent kind does not hide the others."""

MOST_TEAMS: Final = 100
"""Lines of the team tree."""

_GAP: Final = 3
"""Columns between two cells of a table."""
_INDENT: Final = 4
"""Columns before the further cells of a row that is printed as a list."""

COLOURS: Final = {"adds": "green", "takes away": "red", "changes": "yellow"}
_TEAM_COLOURS: Final[dict[Mark, str]] = {"created": "green", "deleted": "red", "moved": "cyan"}


def safe(text: str) -> str:
    """Foreign text for a terminal, without markup and control characters."""
    return escape(for_a_terminal(text))


def header(console: Console, settings: Settings, *, organization: str, directory: str) -> None:
    """Print the first line of every output: organisation, directory, mode."""
    console.print(
        f"Organisation: {safe(organization)} · Directory: {safe(directory)} · {settings.mode}",
        highlight=False,
        soft_wrap=True,
    )


def plan_header(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """The first line of commands about a stored plan."""
    header(
        console,
        settings,
        organization=stored.plan.organization_name,
        directory=stored.plan.directory,
    )


def state_header(console: Console, settings: Settings, store: Store) -> None:
    """The first line of commands that read neither side: from the state and the settings."""
    bound_to = store.organization.bound_to()
    header(
        console,
        settings,
        organization=bound_to or settings.expected_organization or "not known yet",
        directory=settings.directory_title,
    )


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
) -> None:
    """Print rows of cells (markup) as a table, or as a list if the terminal is too narrow.

    Words are never broken, nor are cells of the columns `whole`, which people copy.
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
    """Print each row as its first cell and, indented below, the named others."""
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
    """Print the plan id and a one-sentence summary; calls and time if they are given."""
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
    """Print a table for each action, actions that take something away first.

    At most `most` rows per table (`None`: all); `all_of_them` says how to see the others.
    """
    for action, found in by_action(changes).items():
        why = {change.reason for change in found}
        shared = f": {safe(found[0].reason)}" if len(why) == 1 else ""
        # Not the table's title, which would be folded to the width of a narrow table.
        console.print(
            f"[bold]{SPECS[action].heading} ({len(found):,}, {action}{aside}){shared}[/bold]",
            highlight=False,
            soft_wrap=True,
        )
        colour = COLOURS[SPECS[action].effect]
        rows = []
        for change in found[:most]:
            said = describe(action, change.before, change.after)
            cells = [f"[{colour}]{safe(change.target)}[/{colour}]", safe(said)]
            rows.append(cells if shared else [*cells, safe(change.reason)])
        columns = ("who or what", "what") if shared else ("who or what", "what", "why")
        print_table(console, columns, rows, whole={"who or what"})
        if len(found) > len(rows):
            print_text(console, f"... and {len(found) - len(rows):,} more: {all_of_them}")


def team_tree(console: Console, root: Branch | None, *, most: int = MOST_TEAMS) -> None:
    """Print the team tree after the plan, with a mark at each team that changes."""
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


def guards_table(console: Console, results: GuardResults) -> None:
    """Print each guard in one line, with advice if it stops the plan."""
    for result in results:
        mark = ("STOPPED", "red") if stops(result) else ("passed ", "green")
        said = for_a_terminal(result["message"])
        print_text(console, Text.assemble(mark, f" {result['name']}: {said}"))


def stops(result: Mapping[str, Any]) -> bool:
    """True if this guard stops the plan."""
    return bool(result["blocking"] and not result["passed"])


def findings_table(
    console: Console,
    findings: Iterable[Finding],
    *,
    all_of_them: str,
    most: int | None = MOST_OF_A_KIND,
) -> None:
    """Print the findings by kind; `all_of_them` says how to see the others."""
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
    """Print the changes that were rejected, failed or skipped."""
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
    """Print a plan: summary, changes, tree, findings, guards, state and what to do next."""
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
    guards_table(console, stored.guard_results)


def say_summary(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """Print the summary of a plan with calls, pace and time."""
    with open_store(settings) as store:
        pace = expected_pace(settings, store)
    plan_summary(console, stored, *estimate(stored.plan, pace.per_second))
    if stored.plan.changes:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in calls_by_kind(stored.plan).items())
        print_text(console, f"{kinds} · {pace.sentence}", style="dim")


def print_state(console: Console, state: PlanState, *, no_names: bool = False) -> None:
    """Print the state of a plan, who decided about it, and what to do next."""
    style = STATE_COLOURS.get(state.name, "")
    for sentence in state.sentences:
        said = without_people_in(sentence) if no_names else sentence
        print_text(console, for_a_terminal(said), style=style)
    if state.advice:
        print_text(console, state.advice)


def stored_plan(settings: Settings, plan_id: str) -> StoredPlan:
    """The plan whose hash starts with `plan_id`.

    Raises:
        UnknownPlanError: there is none.
        AmbiguousPlanError: there are several.

    """
    with open_store(settings) as store:
        plan_hash = store.plans.find(plan_id)
        stored = store.plans.get(plan_hash) if plan_hash else None
    if stored is None:
        raise UnknownPlanError(plan_id)
    return stored


def write_page(
    settings: Settings, stored: StoredPlan, state: PlanState, path: Path, *, no_names: bool
) -> None:
    """Write the plan as an HTML page that only this account can read.

    Raises:
        UnwritableFileError: the file cannot be written.

    """
    with open_store(settings) as store:
        facts = page_facts(settings, store, stored, state, no_names=no_names)
    page = plan_page(stored.plan, facts)
    try:
        write_private(path, page)
    except OSError as error:
        example = f"swit-provisioning show {stored.plan_id} --html plan.html"
        raise UnwritableFileError(path, error, example=example) from error
