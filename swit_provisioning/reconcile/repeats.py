"""Which parts of changes are planned again though they were applied, and how often in a row."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A part of a change that was applied and planned again by the very next plan."""

    times: int
    """How often in a row."""
    last_at: datetime
    """When it was sent last."""
