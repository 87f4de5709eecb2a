"""Plans, findings, guards and history for people: tables and lines for a terminal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from swit_provisioning.apply.approvals import PlanState, StateName
from swit_provisioning.cli.console import print_markup, print_table, print_text, safe
from swit_provisioning.cli.documents import GuardResults
from swit_provisioning.planning.actions import SPECS, Action, describe
from swit_provisioning.planning.model import Change, Finding
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.report.summary import by_action, duration, findings_by_kind
from swit_provisioning.report.summary import plan_summary as summary_of_plan
from swit_provisioning.report.tree import Branch, Mark, rows_of
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.journal_history import HistoryEntry
from swit_provisioning.state.stored_plans import StoredPlan

MOST_ROWS: Final = 200
"""Rows of one table; `--json` and the Dagster UI show more."""

MOST_OF_A_KIND: Final = 20
"""Findings of one kind in a table, so that a frequent kind does not hide the others."""

MOST_TEAMS: Final = 100
"""Lines of the team tree."""

_EFFECT_COLOURS: Final = {"adds": "green", "takes away": "red", "changes": "yellow"}
_TEAM_COLOURS: Final[dict[Mark, str]] = {"created": "green", "deleted": "red", "moved": "cyan"}
_STATE_COLOURS: Final[dict[StateName, str]] = {
    "applied": "green",
    "waiting for approval": "red",
    "blocked": "red",
    "rejected": "red",
    "begun": "yellow",
    "approved": "yellow",
    "stale": "yellow",
    "expired": "yellow",
}
_OUTCOME_COLOURS: Final = {"rejected": "yellow", "skipped": "yellow", "failed": "red"}
_NO_OUTCOME: Final = "no answer recorded"
_RUN_DIGITS: Final = 8


def coloured(action: Action, markup: str) -> str:
    """Markup in the colour of an action: what it adds is green, what it takes away is red."""
    colour = _EFFECT_COLOURS[SPECS[action].effect]
    return f"[{colour}]{markup}[/{colour}]"


def plan_summary(
    console: Console, stored: StoredPlan, calls: int | None = None, seconds: float = 0
) -> None:
    """Print the plan id and a one-sentence summary; calls and time if they are given."""
    sentence = for_a_terminal(summary_of_plan(stored.plan))
    print_text(console, f"Plan {stored.plan_id}: {sentence}")
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
        # A reason that all changes share is printed once.
        is_shared = len({change.reason for change in found}) == 1
        reason = f": {safe(found[0].reason)}" if is_shared else ""
        # Not the table's title, which would be folded to the width of a narrow table.
        heading = f"{SPECS[action].heading} ({len(found):,}, {action}{aside})"
        print_markup(console, f"[bold]{heading}{reason}[/bold]")
        rows = []
        for change in found[:most]:
            what = describe(action, change.before, change.after)
            cells = [coloured(action, safe(change.target)), safe(what), safe(change.reason)]
            rows.append(cells[:2] if is_shared else cells)
        columns = ("target", "change", "reason")[: 2 if is_shared else 3]
        print_table(
            console, columns, rows, whole={"target"}, total=len(found), all_of_them=all_of_them
        )


def team_tree(console: Console, root: Branch | None, *, most: int = MOST_TEAMS) -> None:
    """Print the team tree after the plan, with a mark at each team that changes."""
    for row in rows_of(root, most) if root else ():
        if row.branch is None:
            print_markup(console, f"[dim]{row.guides}{row.left_out}[/dim]")
            continue
        colour = _TEAM_COLOURS.get(row.branch.mark or "sorted", "yellow")
        named = f"{row.branch.sign} {safe(row.branch.name)}".strip()
        note = f" [dim]({safe(row.branch.note)})[/dim]" if row.branch.note else ""
        marked = f"[{colour}]{named}[/{colour}]" if row.branch.mark else named
        print_markup(console, f"{row.guides}{marked}{note}")


def guards_table(console: Console, results: GuardResults) -> None:
    """Print each guard in one line, with advice if it stops the plan."""
    for result in results:
        mark = ("STOPPED", "red") if stops(result) else ("passed ", "green")
        message = for_a_terminal(result["message"])
        print_text(console, Text.assemble(mark, f" {result['name']}: {message}"))


def stops(result: Mapping[str, Any]) -> bool:
    """True if this guard stops the plan."""
    return bool(result["blocking"] and not result["passed"])


def findings_table(
    console: Console,
    findings: Sequence[Finding],
    *,
    all_of_them: str,
    most: int | None = MOST_OF_A_KIND,
) -> None:
    """Print the findings by kind; `all_of_them` says how to see the others."""
    if findings:
        print_text(console, findings_summary(findings))
    for kind, found in findings_by_kind(findings).items():
        where = "in the directory" if found[0].side == "directory" else "in Swit or the settings"
        print_text(console, f"{kind} ({len(found)}), to correct {where}:")
        rows = [[*map(safe, (f.subject, f.attribute, f.message))] for f in found[:most]]
        print_table(
            console,
            ("subject", "attribute", "what to do"),
            rows,
            whole={"subject", "attribute"},
            total=len(found),
            all_of_them=all_of_them,
        )


def findings_summary(findings: Sequence[Finding]) -> str:
    """`Findings: 2 missing email, 1 invalid email`."""
    kinds = findings_by_kind(findings)
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
    columns = ("action", "target", "outcome", "answer")
    print_table(console, columns, rows, whole={"action", "target", "outcome"}, total=len(undone))


def history_table(console: Console, entries: Sequence[HistoryEntry]) -> None:
    """Print the newest entries as a table, their approvals and the number of each outcome."""
    rows = []
    for done in entries[-MOST_ROWS:]:
        entry = done.entry
        outcome = entry.outcome or _NO_OUTCOME
        colour = _OUTCOME_COLOURS.get(outcome, "red" if entry.outcome is None else "green")
        status = f" (HTTP {entry.http_status})" if entry.http_status else ""
        status = status if outcome in {"rejected", "failed"} else ""
        message = f": {safe(entry.message)}" if entry.message else ""
        rows.append(
            [
                entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
                entry.run_id[:_RUN_DIGITS],
                coloured(entry.action, entry.action),
                safe(entry.target),
                safe(describe(entry.action, entry.before, entry.after)),
                f"[{colour}]{outcome}[/{colour}]{status}{message}",
            ]
        )
    columns = ("when", "run", "action", "target", "change", "answer")
    print_table(console, columns, rows, whole={"when", "run", "action", "target"})
    if earlier := len(entries) - len(rows):
        print_text(
            console, f"{earlier} earlier changes are not shown. Use --since, or --json for all."
        )
    # An approval belongs to all changes of its run, and is printed once.
    approvals = {
        f"Run {done.entry.run_id[:_RUN_DIGITS]} was approved by {done.approval.actor}:"
        f" {done.approval.reason}"
        for done in entries
        if done.approval
    }
    for line in sorted(approvals):
        print_text(console, for_a_terminal(line))
    outcomes = Counter(done.entry.outcome or _NO_OUTCOME for done in entries)
    runs = len({done.entry.run_id for done in entries})
    counts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
    print_text(console, f"{counts} · {runs} {'run' if runs == 1 else 'runs'}")


def plans_table(console: Console, states: Iterable[PlanState]) -> None:
    """Print one row for each plan."""
    rows = []
    for state in states:
        person = safe(state.plan.person)
        counts = ", ".join(f"{n} {action}" for action, n in state.plan.counts.items())
        colour = _STATE_COLOURS.get(state.name, "default")
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
                (counts or "none") + (f" (for {person} only)" if person else ""),
                ", ".join(state.stopped_by),
                safe(decision),
            ]
        )
    columns = ("plan", "made (UTC)", "state", "changes", "stopped by", "decided")
    print_table(console, columns, rows, whole={"plan", "made (UTC)", "state"})


def print_state(console: Console, state: PlanState) -> None:
    """Print the state of a plan, who decided about it, and what to do next."""
    for sentence in state.sentences:
        print_text(console, for_a_terminal(sentence), style=_STATE_COLOURS.get(state.name, ""))
    if state.advice:
        print_text(console, state.advice)
