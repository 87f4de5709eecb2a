"""The JSON documents that scripts read: one on standard output, and nothing else there."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.plan_states import PlanState
from swit_provisioning.cli.finished_run import FinishedRun
from swit_provisioning.reconcile.estimate import calls_by_kind, estimate
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.report.people import without_people_in
from swit_provisioning.resources.expected_pace import ExpectedPace
from swit_provisioning.store.approvals import Approval
from swit_provisioning.store.history import Deed
from swit_provisioning.store.journal import JournalEntry
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.store.rejections import Rejection

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


def run_document(
    run: FinishedRun, status: str, stored: StoredPlan | None, entries: Iterable[JournalEntry]
) -> dict[str, Any]:
    """`apply` and `sync`: what was done.

    The guards are as the gate judged them: an approval lifts some, and limits count the last day.
    `entries` are the changes of the plan that were sent so far; `outcomes` counts this run's.
    """
    plan = stored.plan if stored else None
    entries = list(entries)
    return {
        "run_id": run.run_id,
        "plan_id": stored.plan_id if stored else None,
        "plan_hash": stored.plan_hash if stored else None,
        # A script knows seven words.
        "status": "failed" if status in {"canceled", "unknown plan", "wrong use"} else status,
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
        "approval": {"who": approval.who, "why": approval.why, "at": approval.at.isoformat()}
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
            "who": application.who and shown(application.who),
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
    return {"who": shown(made.who), "why": shown(made.why), "at": made.at.isoformat()}


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
