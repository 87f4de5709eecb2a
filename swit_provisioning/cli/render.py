"""What a person sees: a summary first, then a table by action. Colours only on a terminal."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from swit_provisioning.apply.approvals import PlanState, StateName
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunResult
from swit_provisioning.cli.errors import UnknownPlanError, UnwritableFileError
from swit_provisioning.cli.framework import output, print_json, print_text
from swit_provisioning.cli.options import View
from swit_provisioning.operations.plan_page import (
    ExpectedPace,
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
    hidden_target,
    hidden_values,
    without_people,
    without_people_in,
)
from swit_provisioning.report.safe_text import for_a_terminal
from swit_provisioning.report.summary import by_action, duration, summary
from swit_provisioning.report.tree import Branch, Mark, rows_of, tree_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.decisions import Approval, Rejection
from swit_provisioning.state.history import Deed
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.plans import StoredPlan

Verdicts = Iterable[Mapping[str, Any]]


def plan_document(
    stored: StoredPlan, state: PlanState, pace: ExpectedPace, *, no_names: bool = False
) -> dict[str, Any]:
    """`plan` and `show`: the state, what would be done, what the guards say, how long it takes.

    `no_names` hides people in the decisions; `stored` is shown as it is.
    """
    plan = stored.plan
    calls, seconds = estimate(plan, pace.per_second)
    return {
        "plan_id": stored.plan_id,
        "plan_hash": stored.plan_hash,
        "created_at": stored.created_at.isoformat(),
        "state": state.name,
        **decision_document(state, no_names=no_names),
        "counts": plan.counts(),
        "guards": guard_documents(stored.verdicts),
        "findings": [finding.document() for finding in plan.findings],
        "changes": [change_document(change) for change in plan.changes],
        "disabled": [change_document(change) for change in plan.disabled],
        "held": [change_document(change) for change in plan.held],
        "estimate": {
            "calls": calls,
            "seconds": round(seconds, 1),
            "calls_per_second": round(pace.per_second, 2),
            "by_kind": calls_by_kind(plan),
        },
    }


def run_document(run: RunResult) -> dict[str, Any]:
    """`apply` and `sync`: what was done.

    The guards are as the gate judged them: an approval lifts some, and limits count the last day.
    `outcomes` counts the changes that this run sent; earlier runs may have sent others of the plan.
    """
    stored, entries = run.stored, list(run.entries.values())
    plan = stored.plan if stored else None
    return {
        "run_id": run.run_id,
        "plan_id": stored.plan_id if stored else None,
        "plan_hash": stored.plan_hash if stored else None,
        "status": run.state.json_state,
        "message": run.message or undone_message(entries),
        "counts": plan.counts() if plan else {},
        "outcomes": outcome_counts(entry for entry in entries if entry.run_id == run.run_id),
        "left_for_later": run.left_for_later,
        "guards": guard_documents(run.guards or (stored.verdicts if stored else ())),
        "findings": [finding.document() for finding in plan.findings] if plan else [],
        "calls": run.calls,
        "seconds": round(run.seconds, 1),
    }


def deed_document(deed: Deed) -> dict[str, Any]:
    """`history`: one entry of the journal; `outcome` is null where no answer was noted."""
    entry, approval = deed.entry, deed.approval
    return {
        "at": entry.at.isoformat(),
        "run_id": entry.run_id,
        "plan_id": entry.plan_id,
        "plan_hash": entry.plan_hash,
        "action": entry.action,
        "target": entry.target,
        "object_id": entry.made_id or entry.object_id,
        "before": dict(entry.before),
        "after": dict(entry.after),
        "reason": entry.reason,
        "outcome": entry.outcome,
        "message": entry.message,
        "http_status": entry.http_status,
        "attempts": entry.calls,
        "seconds": entry.seconds,
        "approval": {"who": approval.actor, "why": approval.reason, "at": approval.at.isoformat()}
        if approval
        else None,
    }


def decision_document(state: PlanState, *, no_names: bool = False) -> dict[str, Any]:
    """Who approved, rejected and applied a plan; null: nobody. `no_names`: codes for people."""
    application = state.application
    shown = without_people_in if no_names else str
    return {
        "approved": _decision(state.approval, shown),
        "rejected": _decision(state.rejection, shown),
        "applied": {
            "who": application.actor and shown(application.actor),
            "run_id": application.run_id,
            "begun_at": application.accepted_at.isoformat(),
            "finished_at": application.finished_at.isoformat() if application.finished_at else None,
        }
        if application
        else None,
    }


def _decision(
    made: Approval | Rejection | None, shown: Callable[[str], str]
) -> dict[str, str] | None:
    if made is None:
        return None
    return {"who": shown(made.actor), "why": shown(made.reason), "at": made.at.isoformat()}


def guard_documents(verdicts: Verdicts) -> list[dict[str, Any]]:
    """The guards' verdicts: name, passed, blocking, message."""
    keys = ("name", "passed", "blocking", "message")
    return [{key: verdict[key] for key in keys} for verdict in verdicts]


def undone_message(entries: Iterable[JournalEntry]) -> str:
    """How many changes were not done, and the first of them with Swit's words; empty: none."""
    entries = list(entries)
    undone = [entry for entry in entries if entry.outcome not in DONE]
    if not undone:
        return ""
    first, counts = undone[0], outcome_counts(undone)
    told = ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
    said = f": {first.message}" if first.message else ""
    return (
        f"{len(undone)} of {len(entries)} changes were not done ({told}); the first:"
        f" {first.action} of {first.target}{said}"
    )


def outcome_counts(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """How many changes ended how."""
    return dict(Counter(entry.outcome or "failed" for entry in entries))


def change_document(change: Change) -> dict[str, Any]:
    """One change, as scripts read it."""
    return {
        "action": change.action,
        "target": change.target,
        "before": dict(change.before),
        "after": dict(change.after),
        "reason": change.reason,
    }


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

COLOURS: Final = {"adds": "green", "takes away": "red", "changes": "yellow"}
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
    """Summary, changes, tree, findings, guards; the state of the plan and what to do next."""
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
    guards_table(console, stored.verdicts)


def plan_header(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """The first line of every output about this plan."""
    header(
        console,
        settings,
        organization=stored.plan.organization_name,
        directory=stored.plan.directory,
    )


def say_summary(console: Console, settings: Settings, stored: StoredPlan) -> None:
    """What it does in one sentence, and what it will take: calls by kind, pace, time."""
    with open_store(settings) as store:
        pace = expected_pace(settings, store)
    plan_summary(console, stored, *estimate(stored.plan, pace.per_second))
    if stored.plan.changes:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in calls_by_kind(stored.plan).items())
        print_text(console, f"{kinds} · {pace.sentence}", style="dim")


def print_state(console: Console, state: PlanState, *, no_names: bool = False) -> None:
    """The state of a plan, who decided about it, and what to do next."""
    style = STATE_COLOURS.get(state.name, "")
    for sentence in state.sentences:
        said = without_people_in(sentence) if no_names else sentence
        print_text(console, for_a_terminal(said), style=style)
    if state.advice:
        print_text(console, state.advice)


def stored_plan(settings: Settings, plan_id: str) -> StoredPlan:
    """The plan whose hash begins with these digits.

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
    """The plan as one page, for this account alone to read.

    Raises:
        UnwritableFileError: it can't be written there.

    """
    with open_store(settings) as store:
        facts = page_facts(settings, store, stored, state, no_names=no_names)
    page = plan_page(stored.plan, facts)
    try:
        write_private(path, page)
    except OSError as error:
        example = f"swit-provisioning show {stored.plan_id} --html plan.html"
        raise UnwritableFileError(path, error, example=example) from error


def plan_to_show(stored: StoredPlan, *, no_names: bool) -> StoredPlan:
    """The plan, on demand without people; its id stays."""
    if not no_names:
        return stored
    verdicts = tuple({**v, "message": without_people_in(v["message"])} for v in stored.verdicts)
    return replace(stored, plan=without_people(stored.plan), verdicts=verdicts)


def entry_to_show(entry: JournalEntry, *, no_names: bool) -> JournalEntry:
    """An entry of the journal, on demand without people."""
    if not no_names:
        return entry
    return replace(
        entry,
        target=hidden_target(entry.action, entry.target),
        before=hidden_values(entry.action, entry.before),
        after=hidden_values(entry.action, entry.after),
        message=without_people_in(entry.message) if entry.message else entry.message,
    )


def deed_to_show(deed: Deed, *, no_names: bool) -> Deed:
    """An entry of the journal and the approval behind it, on demand without people."""
    if not no_names:
        return deed
    made = deed.approval
    return replace(
        deed,
        entry=entry_to_show(deed.entry, no_names=True),
        approval=made
        and replace(
            made, actor=without_people_in(made.actor), reason=without_people_in(made.reason)
        ),
    )


def run_to_show(run: RunResult, *, no_names: bool) -> RunResult:
    """The result of a run, on demand without people."""
    if not no_names:
        return run
    shown = {name: entry_to_show(entry, no_names=True) for name, entry in run.entries.items()}
    return replace(
        run,
        message=without_people_in(run.message),
        stored=run.stored and plan_to_show(run.stored, no_names=True),
        entries=shown,
    )
