"""The evidence that an accepted plan rests on, and what a second read of both sides says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self

import pandas as pd

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.planning.guards import GuardResult
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.schemas import changes_frame
from swit_provisioning.planning.snapshots import OrganizationSnapshot
from swit_provisioning.planning.staleness import (
    in_effect,
    not_comparable,
    not_repeatable,
    returning_users,
    stale_changes,
)
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.plan_approvals import Approval

_MOST_NAMED: Final = 20


class StalePlanError(Exception):
    """A plan made now would not make all changes of the stored one; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of both sides when a plan is sent."""

    read_at: datetime
    """When reading them began."""
    returning: frozenset[str] = frozenset()
    """Ids of users whom the plan lets go and who are in the directory again."""
    moved: frozenset[str] = frozenset()
    """Ids of changes that were no longer called for when both sides were read again."""

    @classmethod
    def of(cls, accepted: pd.DataFrame) -> Self | None:
        """Read what `accepted_frame` has written; `None` for a frame of an earlier version."""
        facts = accepted.attrs.get("facts", {})
        if "read_at" not in facts:
            return None
        return cls(
            read_at=datetime.fromisoformat(facts["read_at"]),
            returning=frozenset(facts["back"]),
            moved=frozenset(facts["moved"]),
        )

    def with_earlier(self, earlier: Self) -> Self:
        """Keep what was left out before: the guards have not judged those changes."""
        return replace(
            self, returning=self.returning | earlier.returning, moved=self.moved | earlier.moved
        )


def accepted_frame(plan: Plan, evidence: Evidence, *, plan_hash: str) -> pd.DataFrame:
    """The frame of the asset `accepted_plan`: the chosen changes, and the evidence beside them."""
    frame = changes_frame(plan.changes)
    frame.attrs["facts"] = {
        "plan_hash": plan_hash,
        "read_at": evidence.read_at.isoformat(),
        "back": sorted(evidence.returning),
        "moved": sorted(evidence.moved),
    }
    return frame


def compared(
    part: Plan,
    fresh: Plan,
    now: OrganizationSnapshot,
    entries: Mapping[str, JournalEntry],
    *,
    read_at: datetime,
    stale_if_moved: bool = False,
) -> Evidence:
    """Find which changes of `part` are no longer called for by `fresh`, a plan made from `now`.

    `part` holds the chosen changes of a stored plan, and `entries` what the journal has of it. With
    `stale_if_moved` a change that is no longer called for makes the plan stale; else that change
    is left out. Users who are back in the directory are left alone in either case.

    Raises:
        StalePlanError: the plan is stale, or for another organisation or other settings.

    """
    # Also with an unknown outcome: a run that was killed may have sent it.
    sent = frozenset(name for name, entry in entries.items() if entry.outcome != "skipped")
    settled = frozenset(n for n, entry in entries.items() if entry.outcome in DONE | {"rejected"})
    returning = returning_users(part, fresh, settled)
    # Swit applied these though the answer was lost. Sent again, they get their true outcome.
    settled |= in_effect(part, fresh, now, sent - settled)
    moved = stale_changes(part, fresh, sent, returning)
    problems = not_comparable(part, fresh)
    if stale_if_moved:
        problems += [sentence for sentences in moved.values() for sentence in sentences]
    if problems:
        sentences = [sentence.removesuffix(".") for sentence in problems]
        more = len(sentences) - _MOST_NAMED
        message = (
            f"{'; '.join(sentences[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}."
            " Make a new one: swit-provisioning plan"
        )
        raise StalePlanError(message)
    repeated = not_repeatable(part, fresh, now, sent - settled, settled, returning)
    return Evidence(read_at=read_at, returning=returning, moved=frozenset(moved) | repeated)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the gate decided about a plan."""

    plan: Plan
    results: tuple[GuardResult, ...]
    """What each guard says."""
    blocked_by: tuple[str, ...] = ()
    """Why the plan may not be sent, a sentence each; empty: it is accepted."""
    frame: pd.DataFrame | None = None
    """The accepted plan; `None`: blocked, or there is nothing to do."""
    evidence: Evidence | None = None
    approval: Approval | None = None
    """The approval that lifted a limit, if one did."""
    remaining: str = ""
    """The changes that were not chosen, counted; empty: none."""
    counts: Mapping[str, int] | None = None
    """Action -> changes that are sent now."""
