"""Outcomes and the journal as frames: `OUTCOMES`, `CHANGE_LOG`, and mass refusals found in them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from swit_provisioning.apply.outcomes import Outcome
from swit_provisioning.planning.actions import SPECS
from swit_provisioning.planning.schemas import CHANGE_LOG, OUTCOMES
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.journal_history import HistoryEntry


def outcomes_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """One row for each change, in the order given (schema `OUTCOMES`)."""
    return OUTCOMES.frame(
        {
            "change_id": o.change.change_id,
            "step": o.change.step,
            "action": o.change.action,
            "target": o.change.target,
            "outcome": o.outcome,
            "message": o.message,
            "http_status": o.http_status,
            "calls": o.calls,
        }
        for o in outcomes
    )


UNKNOWN: Final = "unknown"
"""In counts: the outcome was never recorded."""


def change_log_frame(deeds: Iterable[HistoryEntry]) -> pd.DataFrame:
    """One row for each entry (schema `CHANGE_LOG`)."""
    return CHANGE_LOG.frame(_row(deed) for deed in deeds)


def outcome_counts(log: pd.DataFrame) -> dict[str, int]:
    """Outcome -> number of changes; the last attempt of each counts."""
    last = last_tries(log)["outcome"].fillna(UNKNOWN)
    return {str(outcome): int(n) for outcome, n in Counter(last).items()}


def last_tries(log: pd.DataFrame) -> pd.DataFrame:
    """The rows with the final outcome of each change."""
    return log.drop_duplicates("change_id", keep="last")


def _row(deed: HistoryEntry) -> dict[str, Any]:
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
        "approved_by": approval.actor if approval else None,
        "approved_because": approval.reason if approval else None,
    }


def _objects(entry: JournalEntry) -> int:
    side = SPECS[entry.action].members
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


MOST_REFUSED: Final = 10
"""So many of one action may always be refused."""


LARGEST_SHARE: Final = 5
"""And one in so many."""


@dataclass(frozen=True, kw_only=True)
class MassRefusal:
    """One action that Swit refused for too many objects."""

    action: str
    refused: int
    objects: int
    """How many were to be changed; a membership counts for each user."""
    said: str
    """Swit's words about the first."""

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        said = f" Swit said: {self.said.rstrip('.')}." if self.said else ""
        return (
            f"{self.refused} of {self.objects} {self.action} were rejected, more than a fifth:"
            f" something is wrong with all of them.{said} Correct it, then run:"
            " swit-provisioning sync"
        )


def mass_refusals(log: pd.DataFrame) -> list[MassRefusal]:
    """Actions of which more than a fifth and more than ten were rejected in the end."""
    found = []
    for action, rows in last_tries(log).groupby("action", sort=False):
        refused, objects = int(rows["refused"].sum()), int(rows["objects"].sum())
        if refused <= MOST_REFUSED or refused * LARGEST_SHARE <= objects:
            continue
        said = rows.loc[rows["refused"] > 0, "message"].dropna()
        words = str(said.iloc[0]) if len(said) else ""
        found.append(MassRefusal(action=str(action), refused=refused, objects=objects, said=words))
    return found
