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
from swit_provisioning.state.plan_approvals import Approval


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


def change_log_frame(entries: Iterable[HistoryEntry]) -> pd.DataFrame:
    """One row for each entry (schema `CHANGE_LOG`)."""
    return CHANGE_LOG.frame(_row(entry.entry, entry.approval) for entry in entries)


def _row(entry: JournalEntry, approval: Approval | None) -> dict[str, Any]:
    side = SPECS[entry.action].members
    objects = 1
    if side is not None:
        objects = len({"before": entry.before, "after": entry.after}[side]["user_ids"])
    # Of a batch, the users who were left out; all of them if Swit refused the team itself.
    refused = (len(entry.left_out) or objects) if entry.outcome == "rejected" else 0
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
        "refused": refused,
        "approved_by": approval.actor if approval else None,
        "approved_because": approval.reason if approval else None,
    }


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), ensure_ascii=False)


def outcome_counts(log: pd.DataFrame) -> dict[str, int]:
    """Outcome -> number of changes; the last attempt of each counts."""
    last = last_tries(log)["outcome"].fillna(UNKNOWN)
    return {str(outcome): int(n) for outcome, n in Counter(last).items()}


def last_tries(log: pd.DataFrame) -> pd.DataFrame:
    """The rows with the final outcome of each change."""
    return log.drop_duplicates("change_id", keep="last")


MOST_REFUSED: Final = 10
"""This many changes of one action may always be refused."""
LARGEST_SHARE: Final = 5
"""And one in this many."""


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
