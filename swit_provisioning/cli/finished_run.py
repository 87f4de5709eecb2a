"""A run that has ended, as far as a person or a script asks. No Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

JobName = Literal["plan", "apply", "sync"]


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """How it ended."""

    run_id: str
    success: bool
    status: str
    """`success`, `blocked` (a guard), `canceled`, or what a failed step said: `stale`, `busy`..."""
    message: str
    """What the failed step said; empty after a success."""
    calls: int
    """API calls to Swit, reads included."""
    seconds: float
    guards: tuple[Mapping[str, Any], ...] = ()
    """What the guards said last in this run: name, passed, blocking, message."""
    left_for_later: str = ""
    """What of the plan was not chosen, counted; empty: nothing."""
