"""What came of a change, and the five words for it."""

from dataclasses import dataclass
from typing import Final, Literal

from swit_provisioning.reconcile.plan import Change

OutcomeKind = Literal["applied", "already so", "rejected", "failed", "skipped"]
"""`rejected`: Swit refused it; `failed`: only time can mend it; `skipped`: what it needs is not."""

DONE: Final[frozenset[str]] = frozenset({"applied", "already so"})
"""What others that need the change may build on."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one change, as far as the journal knows."""

    change: Change
    outcome: OutcomeKind
    message: str | None
    """Swit's words, or ours, where it was not simply done."""
    http_status: int | None
    """The status of the answer that decided it; `None` where there was none."""
    calls: int
    """Requests of the last try, each repetition counted."""
