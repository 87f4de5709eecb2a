"""Outcomes as a frame: what the applied assets hold."""

from collections.abc import Iterable

import pandas as pd

from swit_provisioning.apply.outcomes import Outcome
from swit_provisioning.reconcile.frames import OUTCOMES


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
