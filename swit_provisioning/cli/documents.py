"""The JSON documents of `--json`, and values without people for `--no-names`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.run_model import RunResult
from swit_provisioning.cli.json_types import (
    ApplicationDocument,
    ChangeDocument,
    DecisionDocument,
    FindingDocument,
    GuardDocument,
    HistoryEntryDocument,
    ListedPlanDocument,
    PlanDocument,
    RunDocument,
    WaitingPlanDocument,
)
from swit_provisioning.operations.plan_page import ExpectedPace
from swit_provisioning.planning.model import Change, Finding, Plan, calls_by_kind, estimate
from swit_provisioning.report.redaction import (
    hidden_target,
    hidden_values,
    stored_without_people,
    without_people_in,
)
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.journal_history import HistoryEntry
from swit_provisioning.state.plan_approvals import Acceptance, Approval, Rejection
from swit_provisioning.state.stored_plans import StoredPlan

GuardResults = Iterable[Mapping[str, Any]]


def iso(time: datetime | None) -> str | None:
    """A time in ISO 8601."""
    return None if time is None else time.isoformat()


def decision_document(decision: Approval | Rejection | None) -> DecisionDocument | None:
    """Who approved or rejected a plan, why and when."""
    if decision is None:
        return None
    return {"who": decision.actor, "why": decision.reason, "at": decision.at.isoformat()}


def application_document(application: Acceptance | None) -> ApplicationDocument | None:
    """Who applied a plan, in which run, and from when to when."""
    if application is None:
        return None
    return {
        "who": application.actor,
        "run_id": application.run_id,
        "begun_at": application.accepted_at.isoformat(),
        "finished_at": iso(application.finished_at),
    }


def plan_document(stored: StoredPlan, state: PlanState, pace: ExpectedPace) -> PlanDocument:
    """The document of `plan` and `show`."""
    plan = stored.plan
    calls, seconds = estimate(plan, pace.per_second)
    return {
        "plan_id": stored.plan_id,
        "plan_hash": stored.plan_hash,
        "created_at": stored.created_at.isoformat(),
        "state": state.name,
        "approved": decision_document(state.approval),
        "rejected": decision_document(state.rejection),
        "applied": application_document(state.application),
        "user": plan.person or None,
        "counts": plan.counts(),
        "guards": guard_documents(stored.guard_results),
        "findings": finding_documents(plan.findings),
        "changes": [change_document(change) for change in plan.changes],
        "disabled": [change_document(change) for change in plan.disabled],
        "held": [change_document(change) for change in plan.held],
        "waiting": waiting_document(plan),
        "estimate": {
            "calls": calls,
            "seconds": round(seconds, 1),
            "calls_per_second": round(pace.per_second, 2),
            "by_kind": calls_by_kind(plan),
        },
    }


def waiting_document(plan: Plan) -> WaitingPlanDocument | None:
    """The plan of the changes that exceed a limit and wait for an approval; null: none do."""
    if not plan.waiting:
        return None
    return {
        "plan_id": plan.waiting_id,
        "plan_hash": plan.waiting_hash,
        "counts": dict(Counter(change.action for change in plan.waiting)),
    }


def listed_plan_document(state: PlanState) -> ListedPlanDocument:
    """One plan in the documents of `plans` and `status`."""
    return {
        "plan_id": state.plan.plan_id,
        "plan_hash": state.plan.plan_hash,
        "created_at": state.plan.created_at.isoformat(),
        "run_id": state.plan.run_id,
        "state": state.name,
        "user": state.plan.person or None,
        "counts": dict(state.plan.counts),
        "stopped_by": state.stopped_by,
        "approved": decision_document(state.approval),
        "rejected": decision_document(state.rejection),
        "applied": application_document(state.application),
    }


def run_document(run: RunResult) -> RunDocument:
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
        "message": run.message or _undone_message(entries),
        "user": (plan.person or None) if plan else None,
        "counts": plan.counts() if plan else {},
        "outcomes": _outcomes(entry for entry in entries if entry.run_id == run.run_id),
        "left_for_later": run.left_for_later,
        "waiting": waiting_document(plan) if plan else None,
        "guards": guard_documents(run.guards or (stored.guard_results if stored else ())),
        "findings": finding_documents(plan.findings) if plan else [],
        "calls": run.calls,
        "seconds": round(run.seconds, 1),
    }


def _undone_message(entries: list[JournalEntry]) -> str:
    """The number of changes that were not applied, with the first one; empty if there is none."""
    undone = [entry for entry in entries if entry.outcome not in DONE]
    if not undone:
        return ""
    first = undone[0]
    counts = ", ".join(f"{n} {outcome}" for outcome, n in _outcomes(undone).items())
    answer = f": {first.message}" if first.message else ""
    return (
        f"{len(undone)} of {len(entries)} changes were not done ({counts}); the first:"
        f" {first.action} of {first.target}{answer}"
    )


def _outcomes(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """The number of changes for each outcome."""
    return dict(Counter(entry.outcome or "failed" for entry in entries))


def history_document(done: HistoryEntry) -> HistoryEntryDocument:
    """One entry of `history`; `outcome` is null if no answer was recorded."""
    entry = done.entry
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
        "approval": decision_document(done.approval),
    }


def guard_documents(results: GuardResults) -> list[GuardDocument]:
    """The results of the guards."""
    return [
        {
            "name": result["name"],
            "passed": result["passed"],
            "blocking": result["blocking"],
            "message": result["message"],
        }
        for result in results
    ]


def finding_documents(findings: Iterable[Finding]) -> list[FindingDocument]:
    """The findings of a plan."""
    return [
        {
            "kind": finding.kind,
            "subject": finding.subject,
            "message": finding.message,
            "attribute": finding.attribute,
            "side": finding.side,
        }
        for finding in findings
    ]


def change_document(change: Change) -> ChangeDocument:
    """One change of a plan."""
    return {
        "action": change.action,
        "target": change.target,
        "before": dict(change.before),
        "after": dict(change.after),
        "reason": change.reason,
    }


def state_without_people(state: PlanState) -> PlanState:
    """The state of a plan with codes for the people who decided about it."""
    application = state.application
    if application is not None and application.actor:
        application = replace(application, actor=without_people_in(application.actor))
    return replace(
        state,
        approval=_decision_without_people(state.approval),
        rejection=_decision_without_people(state.rejection),
        application=application,
        stale_because=without_people_in(state.stale_because),
    )


def history_without_people(done: HistoryEntry) -> HistoryEntry:
    """An entry of the history with codes for people."""
    entry, approval = _entry_without_people(done.entry), _decision_without_people(done.approval)
    return replace(done, entry=entry, approval=approval)


def run_without_people(run: RunResult) -> RunResult:
    """The result of a run with codes for people."""
    return replace(
        run,
        message=without_people_in(run.message),
        stored=run.stored and stored_without_people(run.stored),
        entries={name: _entry_without_people(entry) for name, entry in run.entries.items()},
    )


def _entry_without_people(entry: JournalEntry) -> JournalEntry:
    return replace(
        entry,
        target=hidden_target(entry.action, entry.target),
        before=hidden_values(entry.action, entry.before),
        after=hidden_values(entry.action, entry.after),
        message=without_people_in(entry.message) if entry.message else entry.message,
    )


_Decision = TypeVar("_Decision", Approval | None, Rejection | None)


def _decision_without_people(decision: _Decision) -> _Decision:
    if decision is None:
        return decision
    actor, reason = map(without_people_in, (decision.actor, decision.reason))
    return replace(decision, actor=actor, reason=reason)
