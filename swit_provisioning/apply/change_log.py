"""The journal of one application as a frame: every try of every change, oldest first."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from swit_provisioning.reconcile.frames import CHANGE_LOG
from swit_provisioning.store.history import Deed
from swit_provisioning.store.journal import JournalEntry

UNKNOWN: Final = "unknown"
"""In counts: nobody noted what came of it."""
_USERS: Final = {"membership.add": "after", "membership.remove": "before"}


def change_log_frame(deeds: Iterable[Deed]) -> pd.DataFrame:
    """One row for each entry (schema `CHANGE_LOG`)."""
    return CHANGE_LOG.frame(_row(deed) for deed in deeds)


def outcome_counts(log: pd.DataFrame) -> dict[str, int]:
    """How many changes ended how: of each the last try counts."""
    last = last_tries(log)["outcome"].fillna(UNKNOWN)
    return {str(outcome): int(n) for outcome, n in Counter(last).items()}


def last_tries(log: pd.DataFrame) -> pd.DataFrame:
    """The rows that say what came of each change in the end."""
    return log.drop_duplicates("change_id", keep="last")


def _row(deed: Deed) -> dict[str, Any]:
    entry, approval = deed.entry, deed.approval
    objects = _objects(entry)
    return {
        "entry": entry.entry_id,
        "at": entry.at.isoformat(),
        "run_id": entry.run_id,
        "plan_id": entry.plan_id,
        "change_id": entry.change_id,
        "step": entry.step,
        "action": entry.action,
        "target": entry.target,
        "object_id": entry.made_id or entry.object_id,
        "before": _text(entry.before),
        "after": _text(entry.after),
        "reason": entry.reason,
        "outcome": entry.outcome,
        "message": entry.message,
        "http_status": entry.http_status,
        "calls": entry.calls,
        "seconds": entry.seconds,
        "objects": objects,
        "refused": _refused(entry, objects),
        "approved_by": approval.who if approval else None,
        "approved_because": approval.why if approval else None,
    }


def _objects(entry: JournalEntry) -> int:
    side = _USERS.get(entry.action)
    if side is None:
        return 1
    return len((entry.after if side == "after" else entry.before)["user_ids"])


def _refused(entry: JournalEntry, objects: int) -> int:
    """Of a batch those who were left out; all where Swit refused the team itself."""
    if entry.outcome != "rejected":
        return 0
    return len(entry.left_out) or objects


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), ensure_ascii=False)
