"""Whether what a plan rests on still holds when it is sent: its age, newer plans, a second read.

The gate asks before it accepts a plan, and every step that sends asks again: a run may have been
suspended since, or be re-executed days later.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import dagster as dg

from swit_provisioning.apply.approvals import DecisionRefusedError
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.defs.common import as_failure, cause, told
from swit_provisioning.defs.resources import Evidence
from swit_provisioning.operations.services import approver
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import reconcile
from swit_provisioning.planning.snapshots import SwitState
from swit_provisioning.planning.staleness import (
    in_effect,
    moved_changes,
    not_comparable,
    not_to_be_repeated,
    who_is_back,
)
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import Directory, DirectoryError
from swit_provisioning.state.errors import OtherOrganizationError
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning.state.plans import Acceptance, StoredPlan
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reader import read_organization

_MOST_NAMED: Final = 20


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What reading both sides again takes."""

    settings: Settings
    store: Store
    directory: Directory
    swit: SwitClient


def nothing_written(entries: Mapping[str, JournalEntry]) -> str:
    """How a refusal begins, by what the journal has of the plan."""
    return "Nothing more was written" if entries else "Nothing was written"


def refuse_old(stored: StoredPlan, settings: Settings, store: Store, nothing: str) -> None:
    """Refuse a plan whose reads are older than `PLAN_MAX_AGE_HOURS`.

    `nothing` begins the message: "Nothing was written", or "Nothing more was written".
    """
    try:
        approver(settings, store).must_be_young(stored)
    except DecisionRefusedError as error:
        message = told(settings, f"{nothing}. {error}")
        raise dg.Failure(message, metadata={"status": error.status}, allow_retries=False) from error


def overtaken(plan_id: str, newest: Acceptance, nothing: str) -> dg.Failure:
    """Return (not raise) the failure of the rest of an old plan: it must not undo a newer one."""
    message = (
        f"{nothing}. The run {newest.run_id} has accepted the plan"
        f" {newest.plan_id} since, so what is left of plan {plan_id} is out of date."
        " Make a new one: swit-provisioning sync"
    )
    return dg.Failure(message, metadata={"status": "stale"}, allow_retries=False)


def is_too_old(evidence: Evidence, settings: Settings, store: Store) -> bool:
    """Whether both sides must be read again before the first change is sent."""
    most = timedelta(minutes=settings.evidence_max_age_minutes)
    return store.now() - evidence.read_at > most


def read_again(
    plan_id: str,
    part: Plan,
    entries: Mapping[str, JournalEntry],
    sides: Sides,
    *,
    stale_if_moved: bool = False,
) -> Evidence:
    """Read both sides, plan anew, find which changes of `part` are no longer called for.

    `part` is what is to be sent of the plan `plan_id`, and `entries` what the journal has of it.
    With `stale_if_moved` a change that is no longer called for makes the plan stale; else that
    change is left out. People who are back in the directory are left alone in either case.
    """
    read_at = sides.store.now()
    nothing = nothing_written(entries)
    now, fresh = _planned_now(sides, nothing)
    # Also where nobody knows what came of it: a run that was killed may have done it.
    sent = frozenset(name for name, entry in entries.items() if entry.outcome != "skipped")
    settled = frozenset(n for n, entry in entries.items() if entry.outcome in DONE | {"rejected"})
    back = who_is_back(part, fresh, settled)
    # Swit did these though the answer was lost. Sent again, they get the outcome that they have.
    settled |= in_effect(part, fresh, now, sent - settled)
    moved = moved_changes(part, fresh, sent, back)
    problems = not_comparable(part, fresh)
    if stale_if_moved:
        problems += [sentence for sentences in moved.values() for sentence in sentences]
    if problems:
        raise _stale(plan_id, problems, nothing, sides.settings)
    return Evidence(
        read_at=read_at,
        back=back,
        moved=frozenset(moved) | not_to_be_repeated(part, fresh, sent - settled, settled, back),
    )


def _planned_now(sides: Sides, nothing: str) -> tuple[SwitState, Plan]:
    settings, store = sides.settings, sides.store
    try:
        now = read_organization(sides.swit, expected=settings.expected_organization)
        store.organization.bind(now.facts.organization_id)
        return now, reconcile(sides.directory.read(), now, settings.policy(), store.memory())
    except (DirectoryError, SwitError, OtherOrganizationError) as error:
        failure = as_failure(error, doing=nothing, settings=settings)
        raise failure from cause(error, settings)


def _stale(plan_id: str, problems: Collection[str], nothing: str, settings: Settings) -> dg.Failure:
    """Return (not raise) the failure that says what a plan made now would not do."""
    sentences = [sentence.removesuffix(".") for sentence in problems]
    more = len(sentences) - _MOST_NAMED
    message = (
        f"{nothing}. Plan {plan_id} is stale: {'; '.join(sentences[:_MOST_NAMED])}"
        f"{f' and {more} more' if more > 0 else ''}. Make a new one: swit-provisioning plan"
    )
    return dg.Failure(told(settings, message), metadata={"status": "stale"}, allow_retries=False)
