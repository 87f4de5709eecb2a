"""What `--json` prints, and what `--no-names` hides in every output."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunResult
from swit_provisioning.operations.plan_page import ExpectedPace
from swit_provisioning.planning.estimate import calls_by_kind, estimate
from swit_provisioning.planning.model import Change
from swit_provisioning.report.redaction import (
    hidden_target,
    hidden_values,
    without_people,
    without_people_in,
)
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.journal_history import HistoryEntry
from swit_provisioning.state.plan_approvals import Approval, Rejection
from swit_provisioning.state.stored_plans import StoredPlan

GuardResults = Iterable[Mapping[str, Any]]


def plan_document(
    stored: StoredPlan, state: PlanState, pace: ExpectedPace, *, no_names: bool = False
) -> dict[str, Any]:
    """The document of `plan` and `show`. `no_names` hides people in the decisions only."""
    plan = stored.plan
    calls, seconds = estimate(plan, pace.per_second)
    return {
        "plan_id": stored.plan_id,
        "plan_hash": stored.plan_hash,
        "created_at": stored.created_at.isoformat(),
        "state": state.name,
        **decision_document(state, no_names=no_names),
        "counts": plan.counts(),
        "guards": guard_documents(stored.guard_results),
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
    """The document of `apply` and `sync`.

    The guards are those of the gate, which knows approvals and the last 24 hours. `outcomes`
    counts the changes that this run sent; earlier runs may have sent others of the plan.
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
        "guards": guard_documents(run.guards or (stored.guard_results if stored else ())),
        "findings": [finding.document() for finding in plan.findings] if plan else [],
        "calls": run.calls,
        "seconds": round(run.seconds, 1),
    }


def deed_document(deed: HistoryEntry) -> dict[str, Any]:
    """One entry of `history`; `outcome` is null if no answer was recorded."""
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
    """Who approved, rejected and applied a plan; null for nobody."""
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


def guard_documents(results: GuardResults) -> list[dict[str, Any]]:
    """The results of the guards: name, passed, blocking, message."""
    keys = ("name", "passed", "blocking", "message")
    return [{key: result[key] for key in keys} for result in results]


def undone_message(entries: Iterable[JournalEntry]) -> str:
    """The number of changes that were not applied, with the first one; empty if there is none."""
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
    """The number of changes for each outcome."""
    return dict(Counter(entry.outcome or "failed" for entry in entries))


def change_document(change: Change) -> dict[str, Any]:
    """One change of a plan."""
    return {
        "action": change.action,
        "target": change.target,
        "before": dict(change.before),
        "after": dict(change.after),
        "reason": change.reason,
    }


def plan_to_show(stored: StoredPlan, *, no_names: bool) -> StoredPlan:
    """The plan; with `no_names` without people, but with the same id."""
    if not no_names:
        return stored
    results = tuple({**v, "message": without_people_in(v["message"])} for v in stored.guard_results)
    return replace(stored, plan=without_people(stored.plan), guard_results=results)


def entry_to_show(entry: JournalEntry, *, no_names: bool) -> JournalEntry:
    """An entry of the journal; with `no_names` without people."""
    if not no_names:
        return entry
    return replace(
        entry,
        target=hidden_target(entry.action, entry.target),
        before=hidden_values(entry.action, entry.before),
        after=hidden_values(entry.action, entry.after),
        message=without_people_in(entry.message) if entry.message else entry.message,
    )


def deed_to_show(deed: HistoryEntry, *, no_names: bool) -> HistoryEntry:
    """An entry of the history; with `no_names` without people."""
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
    """The result of a run; with `no_names` without people."""
    if not no_names:
        return run
    shown = {name: entry_to_show(entry, no_names=True) for name, entry in run.entries.items()}
    return replace(
        run,
        message=without_people_in(run.message),
        stored=run.stored and plan_to_show(run.stored, no_names=True),
        entries=shown,
    )
