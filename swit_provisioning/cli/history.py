"""`history`: the changes in the journal, with run, time and answer."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from swit_provisioning.cli.documents import deed_document
from swit_provisioning.cli.framework import output, print_json
from swit_provisioning.cli.render import COLOURS, MOST_ROWS, print_table, safe, state_header
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal_history import HistoryEntry

_RUN_SHOWN: Final = 8
_OUTCOME_COLOURS: Final = {"rejected": "yellow", "skipped": "yellow", "failed": "red"}
_UNKNOWN: Final = "no answer recorded"


def show_history(
    settings: Settings,
    *,
    user: str | None,
    team: str | None,
    since: datetime | None,
    as_json: bool,
) -> int:
    """Print the matching entries of the journal, oldest first."""
    with open_store(settings) as store:
        deeds = store.history.find(user=user, team=team, since=since)
        if not as_json:
            state_header(output(), settings, store)
    if as_json:
        query = {"user": user, "team": team, "since": since.isoformat() if since else None}
        document = {**query, "entries": [deed_document(deed) for deed in deeds]}
        print_json(document)
    elif deeds:
        print_deeds(output(), deeds)
    else:
        narrowed = user or team or since
        output().print("No matching change was sent." if narrowed else "No change was sent yet.")
    return 0


def print_deeds(console: Console, deeds: Sequence[HistoryEntry]) -> None:
    """Print the newest entries as a table, their approvals and the number of each outcome."""
    columns = ("when", "run", "action", "target", "what", "answer")
    rows = map(_cells, deeds[-MOST_ROWS:])
    print_table(console, columns, rows, whole={"when", "run", "action", "target"})
    if len(deeds) > MOST_ROWS:
        earlier = len(deeds) - MOST_ROWS
        console.print(f"{earlier} earlier changes are not shown. Use --since, or --json for all.")
    # An approval belongs to all changes of its run, and is printed once.
    approvals = {
        f"Run {deed.entry.run_id[:_RUN_SHOWN]} was approved by {deed.approval.actor}:"
        f" {deed.approval.reason}"
        for deed in deeds
        if deed.approval
    }
    for line in sorted(approvals):
        console.print(for_a_terminal(line), markup=False, highlight=False, soft_wrap=True)
    outcomes = Counter(deed.entry.outcome or _UNKNOWN for deed in deeds)
    runs = len({deed.entry.run_id for deed in deeds})
    counts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
    console.print(f"{counts} · {runs} {'run' if runs == 1 else 'runs'}", highlight=False)


def _cells(deed: HistoryEntry) -> list[str]:
    entry = deed.entry
    action: Any = entry.action
    colour = COLOURS[SPECS[entry.action].effect]
    return [
        entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        entry.run_id[:_RUN_SHOWN],
        f"[{colour}]{entry.action}[/{colour}]",
        safe(entry.target),
        safe(describe(action, entry.before, entry.after)),
        _answer(deed),
    ]


def _answer(deed: HistoryEntry) -> str:
    """The outcome, with Swit's status and message if there are any."""
    entry = deed.entry
    outcome = entry.outcome or _UNKNOWN
    colour = _OUTCOME_COLOURS.get(outcome, "red" if entry.outcome is None else "green")
    text = f"[{colour}]{outcome}[/{colour}]"
    if entry.http_status and outcome in {"rejected", "failed"}:
        text += f" (HTTP {entry.http_status})"
    if entry.message:
        text += f": {safe(entry.message)}"
    return text
