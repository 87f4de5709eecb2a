"""The JSON documents that scripts read: one on standard output, and nothing else there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from swit_provisioning.cli.runs import FinishedRun
from swit_provisioning.reconcile.estimate import estimate
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.store.journal import JournalEntry
from swit_provisioning.store.plans import StoredPlan

Verdicts = Iterable[Mapping[str, Any]]


def plan_document(stored: StoredPlan, per_second: float) -> dict[str, Any]:
    """`plan` and `show`: what would be done, what the guards say, how long it takes."""
    plan = stored.plan
    calls, seconds = estimate(plan, per_second)
    return {
        "plan_id": stored.plan_id,
        "created_at": stored.created_at.isoformat(),
        "counts": plan.counts(),
        "guards": guard_documents(stored.verdicts),
        "findings": [finding.document() for finding in plan.findings],
        "changes": [change_document(change) for change in plan.changes],
        "disabled": [change_document(change) for change in plan.disabled],
        "estimate": {"calls": calls, "seconds": round(seconds, 1)},
    }


def run_document(
    run: FinishedRun, status: str, stored: StoredPlan | None, entries: Iterable[JournalEntry]
) -> dict[str, Any]:
    """`apply` and `sync`: what was done."""
    plan = stored.plan if stored else None
    return {
        "run_id": run.run_id,
        "plan_id": stored.plan_id if stored else None,
        "status": status,
        "message": run.message,
        "counts": plan.counts() if plan else {},
        "outcomes": outcome_counts(entries),
        "guards": guard_documents(stored.verdicts) if stored else [],
        "findings": [finding.document() for finding in plan.findings] if plan else [],
        "calls": run.calls,
        "seconds": round(run.seconds, 1),
    }


def guard_documents(verdicts: Verdicts) -> list[dict[str, Any]]:
    """The guards' verdicts: name, passed, blocking, message."""
    keys = ("name", "passed", "blocking", "message")
    return [{key: verdict[key] for key in keys} for verdict in verdicts]


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
