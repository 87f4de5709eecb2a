"""`history`: what was done, when, by which run, with what answer."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from swit_provisioning.cli.framework import output, print_json
from swit_provisioning.cli.render import (
    COLOURS,
    MOST_ROWS,
    deed_document,
    header,
    print_table,
    safe,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.actions import SPECS, describe
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.settings import Settings
from swit_provisioning.state.history import Deed
from swit_provisioning.state.store import Store

_RUN_SHOWN: Final = 8
_OUTCOME_COLOURS: Final = {"rejected": "yellow", "skipped": "yellow", "failed": "red"}
_UNKNOWN: Final = "no answer noted"


def show_history(
    settings: Settings,
    *,
    user: str | None,
    team: str | None,
    since: datetime | None,
    as_json: bool,
) -> int:
    """Print what fits, oldest first; nothing is asked of Swit or the directory."""
    with open_store(settings) as store:
        deeds = store.history.deeds(user=user, team=team, since=since)
        if not as_json:
            say_whose(output(), settings, store)
    if as_json:
        asked = {"user": user, "team": team, "since": since.isoformat() if since else None}
        document = {**asked, "entries": [deed_document(deed) for deed in deeds]}
        print_json(document)
    elif deeds:
        say_deeds(output(), deeds)
    else:
        narrowed = user or team or since
        output().print("Nothing that fits was sent." if narrowed else "Nothing was sent yet.")
    return 0


def say_whose(console: Console, settings: Settings, store: Store) -> None:
    """The first line of an output, as the newest plan has it."""
    newest = store.plans.latest()
    stored = store.plans.get(newest) if newest else None
    header(
        console,
        settings,
        organization=stored.plan.organization_name if stored else "none yet",
        directory=stored.plan.directory if stored else "none yet",
    )


def say_deeds(console: Console, deeds: Sequence[Deed]) -> None:
    """The newest ones as a table, who approved them, and how they ended, counted."""
    columns = ("when", "run", "action", "target", "what", "answer")
    rows = map(_cells, deeds[-MOST_ROWS:])
    print_table(console, columns, rows, whole={"when", "run", "action", "target"})
    if len(deeds) > MOST_ROWS:
        earlier = len(deeds) - MOST_ROWS
        console.print(f"{earlier} earlier ones are not shown: --since narrows, --json shows all")
    _say_approvals(console, deeds)
    outcomes = Counter(deed.entry.outcome or _UNKNOWN for deed in deeds)
    runs = len({deed.entry.run_id for deed in deeds})
    told = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
    console.print(f"{told} · {runs} {'run' if runs == 1 else 'runs'}", highlight=False)


def _cells(deed: Deed) -> list[str]:
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


def _answer(deed: Deed) -> str:
    """The outcome; Swit's words and status where it was not simply done."""
    entry = deed.entry
    outcome = entry.outcome or _UNKNOWN
    colour = _OUTCOME_COLOURS.get(outcome, "red" if entry.outcome is None else "green")
    told = f"[{colour}]{outcome}[/{colour}]"
    if entry.http_status and outcome in {"rejected", "failed"}:
        told += f" (HTTP {entry.http_status})"
    if entry.message:
        told += f": {safe(entry.message)}"
    return told


def _say_approvals(console: Console, deeds: Sequence[Deed]) -> None:
    """Each once, though it stands behind every change of its run."""
    told = {
        f"Run {deed.entry.run_id[:_RUN_SHOWN]} was approved by {deed.approval.actor}:"
        f" {deed.approval.reason}"
        for deed in deeds
        if deed.approval
    }
    for line in sorted(told):
        said = for_a_terminal(line)
        console.print(said, markup=False, highlight=False, soft_wrap=True)
