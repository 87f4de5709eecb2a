"""A few rejections are a warning; more than ten and more than a fifth of an action fail the run."""

import pytest

from swit_provisioning.apply.change_log import (
    MassRefusal,
    change_log_frame,
    mass_refusals,
    outcome_counts,
)
from swit_provisioning.planning.model import Change, PlanHash
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import add_members, create_user, update_user

BY_R1 = Application(application_id="R1", plan_hash=PlanHash("P1"), run_id="R1")


def note(store: Store, change: Change, outcome: str, *, left_out: tuple[str, ...] = ()) -> None:
    entry_id = store.journal.intent(change, BY_R1)
    message = "No seats left." if outcome == "rejected" else None
    store.journal.outcome(entry_id, Answer(outcome=outcome, message=message, left_out=left_out))


def found(store: Store) -> list[MassRefusal]:
    return mass_refusals(
        change_log_frame(store.history.of_application("R1", plan_hash=PlanHash("P1")))
    )


@pytest.mark.parametrize(
    ("rejected", "applied", "too_many"),
    [(10, 0, False), (11, 0, True), (11, 43, True), (11, 44, False), (20, 80, False)],
)
def test_more_than_ten_and_more_than_a_fifth_are_a_mass_refusal(
    store: Store,
    rejected: int,
    applied: int,
    too_many: bool,  # noqa: FBT001 - a case
) -> None:
    for number in range(rejected + applied):
        outcome = "rejected" if number < rejected else "applied"
        note(store, create_user(f"u{number}@example.com"), outcome)
    note(store, update_user("U1", name="Ann"), "applied")
    assert [(m.action, m.refused, m.objects) for m in found(store)] == (
        [("user.create", rejected, rejected + applied)] if too_many else []
    )


def test_the_message_has_the_counts_the_message_of_swit_and_what_to_do(store: Store) -> None:
    for number in range(12):
        note(store, create_user(f"u{number}@example.com"), "rejected")
    [refusal] = found(store)
    assert refusal.message == (
        "12 of 12 user.create were rejected, more than a fifth: something is wrong with all of"
        " them. Swit said: No seats left. Correct it, then run: swit-provisioning sync"
    )


def test_each_member_counts_and_all_of_them_for_a_refused_team(store: Store) -> None:
    """One rejected guest in each of twelve teams passes; a rejected team of thirty fails."""
    for number in range(12):
        team = add_members(f"T{number}", *(f"U{n}" for n in range(10)))
        note(store, team, "rejected", left_out=("U3",))
    assert found(store) == []
    note(store, add_members("T99", *(f"U{n}" for n in range(30))), "rejected")
    assert [(m.refused, m.objects) for m in found(store)] == [(42, 150)]


def test_the_last_attempt_of_each_change_counts(store: Store) -> None:
    changes = [create_user(f"u{number}@example.com") for number in range(12)]
    for change in changes:
        note(store, change, "rejected")
    for change in changes:
        note(store, change, "applied")
    log = change_log_frame(store.history.of_application("R1", plan_hash=PlanHash("P1")))
    assert len(log) == 24
    assert outcome_counts(log) == {"applied": 12}
    assert mass_refusals(log) == []


def test_failed_and_skipped_changes_do_not_count_as_rejected(store: Store) -> None:
    for number in range(12):
        note(store, create_user(f"u{number}@example.com"), "failed" if number % 2 else "skipped")
    store.journal.intent(create_user("ann@example.com"), BY_R1)
    log = change_log_frame(store.history.of_application("R1", plan_hash=PlanHash("P1")))
    assert mass_refusals(log) == []
    assert outcome_counts(log) == {"skipped": 6, "failed": 6, "unknown": 1}
