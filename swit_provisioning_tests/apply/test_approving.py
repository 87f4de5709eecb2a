"""Approvals and rejections: for one plan and the limits that it breaks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swit_provisioning.apply.approvals import PlanJudge, StateName, same_person
from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.model import LIMITED_COUNTS, Plan, PlanHash, shown_id
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import departures

MAX_AGE = timedelta(hours=72)
DEACTIVATIONS = "deactivations_within_limit"
UPDATES = "updates_within_limit"
ACTIVE = "active_users_that_may_go"
FIRST_SYNC = "first_sync_takes_nothing_away"
READ = {"OU=A": {"users": 20, "groups": 1}}


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'state.sqlite'}", clock=clock) as opened:
        opened.reads.accept(READ)
        yield opened


@pytest.fixture
def judge(store: Store, clock: Clock) -> PlanJudge:
    limits = Limits(max_deactivations=Limit.parse("10%"), max_updates=Limit.parse("0"))
    return PlanJudge(store=store, limits=limits, max_age=MAX_AGE, clock=clock)


def made(judge: PlanJudge, plan: Plan, *, by: str | None = None) -> PlanHash:
    """Store a plan as a run does."""
    verdicts = [verdict.document() for verdict in judge.judge(plan)]
    judge.store.plans.save(plan, run_id="R", guard_results=verdicts, actor=by)
    return plan.plan_hash


def stopped_by(judge: PlanJudge, plan: Plan) -> list[str]:
    return [verdict.name for verdict in judge.judge(plan) if verdict.stops]


def sent(store: Store, plan: Plan, *, application: str = "A", approval: int | None = None) -> None:
    """Record that a whole plan was applied."""
    by = Application(
        application_id=application, plan_hash=PlanHash("P"), run_id="R", approval_id=approval
    )
    for change in plan.changes:
        entry = store.journal.intent(change, by)
        store.journal.outcome(entry, Answer(outcome="applied", changed={change.action: 1}))


def test_an_approval_lifts_the_limits_that_the_plan_breaks_and_no_other(judge: PlanJudge) -> None:
    plan = departures(1, 2, 3)
    plan_hash = made(judge, plan)
    assert stopped_by(judge, plan) == [DEACTIVATIONS]
    assert judge.approve(plan_hash, actor="ann@dc1", reason="sold") == (DEACTIVATIONS,)
    assert stopped_by(judge, plan) == []
    approval = judge.store.approvals.of(plan_hash)
    assert approval is not None
    assert (approval.actor, approval.reason, approval.guards) == (
        "ann@dc1",
        "sold",
        (DEACTIVATIONS,),
    )


@pytest.mark.incident(13)
def test_an_approval_is_for_one_plan_alone(judge: PlanJudge) -> None:
    judge.approve(made(judge, departures(1, 2, 3)), actor="ann", reason="sold")
    assert stopped_by(judge, departures(1, 2, 3, 4)) == [DEACTIVATIONS]


def test_a_plan_within_its_limits_needs_no_approval_and_gets_none(judge: PlanJudge) -> None:
    plan_hash = made(judge, departures(1))
    assert judge.approve(plan_hash, actor="ann", reason="sold") == ()
    assert judge.store.approvals.of(plan_hash) is None


def test_an_approval_expires_with_the_age_of_a_plan(judge: PlanJudge, clock: Clock) -> None:
    plan = departures(1, 2, 3)
    judge.approve(made(judge, plan), actor="ann", reason="sold")
    clock.time += MAX_AGE
    assert stopped_by(judge, plan) == []
    clock.time += timedelta(seconds=1)
    assert stopped_by(judge, plan) == [DEACTIVATIONS]


def test_changes_of_the_last_24_hours_count_against_the_limits(
    judge: PlanJudge, clock: Clock
) -> None:
    """2 of 20 users may be deactivated a day, in any number of runs; approved ones do not count."""
    approved = judge.store.approvals.add(
        PlanHash("P"), actor="ann", reason="sold", guards=(DEACTIVATIONS,)
    )
    sent(judge.store, departures(1, 2), approval=approved)
    assert stopped_by(judge, departures(3, 4)) == []
    sent(judge.store, departures(3, 4))
    clock.time += timedelta(hours=23, minutes=59)
    assert stopped_by(judge, departures(5)) == [DEACTIVATIONS]
    clock.time += timedelta(minutes=2)
    assert stopped_by(judge, departures(5)) == []


def test_an_approval_excludes_only_changes_that_its_limits_count_from_the_24_hours(
    judge: PlanJudge,
) -> None:
    """Of 100, 19 were deactivated in a day: 9 in a plan approved for the teams that it deleted."""
    journal, day = judge.store.journal, judge.clock() - timedelta(hours=24)
    plan = departures(1, 2)
    updated = replace(plan.changes[0], change_id="user.update:U9", action="user.update")
    mixed = replace(plan, changes=(*plan.changes, updated))
    assert judge.approve(made(judge, mixed), actor="ann", reason="new names") == (UPDATES,)
    approval = judge.approval_of(mixed)
    assert approval is not None
    sent(judge.store, mixed, approval=approval.approval_id)
    assert journal.unapproved_since(day) == {"user.deactivate": 2}
    assert stopped_by(judge, departures(3)) == [DEACTIVATIONS]
    assert judge.approve(made(judge, departures(3, 4)), actor="ann", reason="sold") == (
        DEACTIVATIONS,
    )
    approval = judge.approval_of(departures(3, 4))
    assert approval is not None
    sent(judge.store, departures(3, 4), application="B", approval=approval.approval_id)
    assert journal.unapproved_since(day) == {"user.deactivate": 2}


def test_an_approval_of_a_first_sync_excludes_what_it_takes_away_from_the_24_hours(
    judge: PlanJudge,
) -> None:
    """It is within the other limits, and creations are not what was approved."""
    judge.store.reads.accept({})
    plan = departures(1)
    created = replace(plan.changes[0], change_id="user.create:U9", action="user.create")
    mixed = replace(plan, changes=(*plan.changes, created))
    assert judge.approve(made(judge, mixed), actor="ann", reason="tidy up") == (FIRST_SYNC,)
    approval = judge.approval_of(mixed)
    assert approval is not None
    sent(judge.store, mixed, approval=approval.approval_id)
    day = judge.clock() - timedelta(hours=24)
    assert judge.store.journal.unapproved_since(day) == {"user.create": 1}


def test_changes_sent_before_an_interruption_are_not_counted_twice(
    judge: PlanJudge,
) -> None:
    plan = departures(1, 2)
    sent(judge.store, departures(1), application="A1")
    (goes_on,) = (v for v in judge.judge(plan, application_id="A1") if v.name == DEACTIVATIONS)
    assert goes_on.passed
    assert stopped_by(judge, plan) == [DEACTIVATIONS]


def test_a_plan_that_is_too_old_is_not_approved(judge: PlanJudge, clock: Clock) -> None:
    plan_hash = made(judge, departures(1, 2, 3))
    clock.time += MAX_AGE + timedelta(seconds=1)
    with pytest.raises(RefusedError, match="PLAN_MAX_AGE_HOURS is 72") as caught:
        judge.approve(plan_hash, actor="ann", reason="sold")
    assert caught.value.state is RunState.STALE


def test_a_bad_read_is_never_approved(judge: PlanJudge) -> None:
    plan = departures(1, 2, 3)
    bad = replace(
        plan, baselines=replace(plan.baselines, directory={"OU=A": {"users": 0, "groups": 0}})
    )
    plan_hash = made(judge, bad)
    with pytest.raises(RefusedError, match="directory_read_is_complete") as caught:
        judge.approve(plan_hash, actor="ann", reason="sold")
    assert caught.value.state is RunState.BLOCKED
    assert judge.store.approvals.of(plan_hash) is None


def test_the_departure_of_a_protected_user_is_never_approved(judge: PlanJudge) -> None:
    plan = departures(1, 2, 3)
    protected = replace(plan.baselines, never_deactivated={"U2": "PROTECTED_ROLES (admin)"})
    plan_hash = made(judge, replace(plan, baselines=protected))
    with pytest.raises(RefusedError, match="protected_users_untouched") as caught:
        judge.approve(plan_hash, actor="ann", reason="sold")
    assert caught.value.state is RunState.BLOCKED
    assert judge.store.approvals.of(plan_hash) is None


def test_a_selection_is_judged_by_its_changes_and_the_approval_of_the_whole_plan(
    judge: PlanJudge,
) -> None:
    plan = departures(1, 2, 3, 4)
    two, three = plan.without({"user.deactivate:U3", "user.deactivate:U4"}), departures(1, 2, 3)
    made(judge, plan)
    assert not any(verdict.stops for verdict in judge.judge(plan, part=two))
    assert any(verdict.stops for verdict in judge.judge(plan, part=three))
    assert judge.lift(plan, actor="ann", reason="sold", part=two) == ()
    assert judge.lift(plan, actor="ann", reason="sold", part=three) == (DEACTIVATIONS,)
    assert not any(verdict.stops for verdict in judge.judge(plan, part=three))
    assert stopped_by(judge, three) == [DEACTIVATIONS]


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_an_unknown_plan_is_named_in_the_error(judge: PlanJudge, decide: str) -> None:
    with pytest.raises(RefusedError, match="no plan 0123") as caught:
        getattr(judge, decide)("0123", actor="ann", reason="x")
    assert caught.value.state is RunState.UNKNOWN_PLAN


def test_a_plan_without_changes_cannot_be_rejected(judge: PlanJudge) -> None:
    """All plans without changes have one id: a rejection would stop every night without changes."""
    plan_hash = made(judge, departures())
    with pytest.raises(RefusedError, match="nothing to reject"):
        judge.reject(plan_hash, actor="ann", reason="x")
    assert judge.store.rejections.of(plan_hash) is None


def test_a_rejection_voids_an_approval_and_an_approval_lifts_a_rejection(
    judge: PlanJudge,
) -> None:
    plan = departures(1, 2, 3)
    plan_hash = made(judge, plan)
    judge.approve(plan_hash, actor="ann", reason="sold")
    judge.reject(plan_hash, actor="bob", reason="not yet")
    assert judge.store.rejections.of(plan_hash) is not None
    assert stopped_by(judge, plan) == [DEACTIVATIONS]
    judge.approve(plan_hash, actor="ann", reason="now")
    assert judge.store.rejections.of(plan_hash) is None
    assert stopped_by(judge, plan) == []


def states(judge: PlanJudge) -> list[StateName]:
    found = judge.states(limit=9)
    return [state.name for state in found]


def accepted(store: Store, plan_hash: PlanHash, application: str) -> None:
    store.acceptances.accept(
        application, plan_hash=plan_hash, application_id=application, approval_id=None
    )


def test_the_state_of_a_plan_follows_decisions_and_runs(judge: PlanJudge, clock: Clock) -> None:
    store = judge.store
    plan_hash = made(judge, departures(1, 2, 3))
    assert states(judge) == ["waiting for approval"]
    judge.reject(plan_hash, actor="bob", reason="")
    assert states(judge) == ["rejected"]
    judge.approve(plan_hash, actor="ann", reason="sold")
    assert states(judge) == ["approved"]
    accepted(store, plan_hash, "A1")
    assert states(judge) == ["begun"]
    store.acceptances.finish("A1")
    assert states(judge) == ["applied"]
    made(judge, departures(1, 2, 3))
    assert states(judge) == ["approved"]
    store.approvals.spend(plan_hash)
    assert states(judge) == ["waiting for approval"]
    clock.time += MAX_AGE + timedelta(seconds=1)
    assert states(judge) == ["expired"]


def told(judge: PlanJudge, plan_hash: PlanHash) -> str:
    """The state of a plan in words, and what to do next."""
    state = next(s for s in judge.states(limit=9) if s.plan.plan_hash == plan_hash)
    return " ".join([*state.sentences, state.advice])


def test_a_plan_shows_its_state_who_decided_when_and_what_to_do_next(
    judge: PlanJudge, clock: Clock
) -> None:
    store = judge.store
    plan_hash = made(judge, departures(1, 2, 3))
    when = f"{clock.time:%Y-%m-%d %H:%M} UTC"
    apply, approve = (
        f"swit-provisioning {verb} {shown_id(plan_hash)}" for verb in ("apply", "approve")
    )
    waiting = told(judge, plan_hash)
    assert f"Waiting for an approval. Stopped by {DEACTIVATIONS}." in waiting
    assert (approve in waiting, apply in waiting) == (True, False)
    judge.reject(plan_hash, actor="bob", reason="a wrong filter")
    rejected = told(judge, plan_hash)
    assert f"Rejected by bob on {when}: a wrong filter." in rejected
    assert (approve in rejected, apply in rejected) == (True, False)
    judge.approve(plan_hash, actor="ann", reason="sold")
    approved = told(judge, plan_hash)
    assert f"Approved by ann on {when}: sold" in approved
    assert (apply in approved, "Stopped" in approved) == (True, False)
    approval = store.approvals.of(plan_hash)
    assert approval is not None
    store.acceptances.accept(
        "R1",
        plan_hash=plan_hash,
        application_id="R1",
        approval_id=approval.approval_id,
        actor="night@dc1",
    )
    begun = told(judge, plan_hash)
    assert f"Partly applied by night@dc1 on {when} (run R1): 0 of 3 changes are done." in begun
    assert f"To send the rest: {apply}" in begun
    store.acceptances.finish("R1")
    store.approvals.spend(plan_hash)
    applied = told(judge, plan_hash)
    assert f"Applied by night@dc1 on {when} (run R1)." in applied
    assert f"Approved by ann on {when}: sold" in applied
    assert apply not in applied
    for decide in (judge.approve, judge.reject):
        with pytest.raises(RefusedError, match=f"was applied by night@dc1 on {when}"):
            decide(plan_hash, actor="bob", reason="too late")
    made(judge, departures(1, 2, 3))
    newest = made(judge, departures(4))
    stale = told(judge, plan_hash)
    assert f"Stale: the newest plan, {shown_id(newest)}, no longer makes all its changes." in stale
    assert (apply in stale, "swit-provisioning plan" in stale) == (False, True)
    clock.time += MAX_AGE + timedelta(seconds=1)
    assert "Expired: it was made on" in told(judge, newest)
    assert f"swit-provisioning apply {shown_id(newest)}" not in told(judge, newest)


def test_a_plan_is_stale_when_the_newest_plan_lacks_one_of_its_changes(judge: PlanJudge) -> None:
    made(judge, departures(1, 2, 3))
    made(judge, departures(1, 2, 3, 4))
    assert states(judge) == ["waiting for approval", "waiting for approval"]
    made(judge, departures(1))
    assert states(judge) == ["ready", "stale", "stale"]
    made(judge, departures())
    assert states(judge) == ["nothing to do", "stale", "stale", "stale"]


def test_a_plan_for_one_person_makes_no_other_plan_stale(judge: PlanJudge, clock: Clock) -> None:
    made(judge, departures(1, 2, 3))
    one, two = (replace(departures(n), person=f"someone{n}@example.com") for n in (1, 4))
    clock.time += timedelta(minutes=1)
    made(judge, one)
    # The newest plan for everyone lacks this one, but was made before.
    made(judge, two)
    assert states(judge) == ["ready", "ready", "waiting for approval"]
    assert [state.plan.person for state in judge.states(limit=3)] == [two.person, one.person, ""]
    clock.time += timedelta(minutes=1)
    made(judge, departures(1, 2))
    assert states(judge) == ["ready", "stale", "ready", "stale"]


def test_a_partly_applied_plan_is_stale_after_a_newer_one_was_accepted(
    judge: PlanJudge, clock: Clock
) -> None:
    """The gate refuses the rest of it, so the advice must not be to apply it."""
    half, newer = departures(1), departures(2)
    accepted(judge.store, made(judge, half), "A1")
    assert "To send the rest" in told(judge, half.plan_hash)
    clock.time += timedelta(minutes=1)
    accepted(judge.store, made(judge, newer), "A2")
    assert states(judge) == ["begun", "stale"]
    words = told(judge, half.plan_hash)
    assert f"Stale: a newer plan, {newer.plan_id}, was accepted on {clock.time:%Y-%m-%d}" in words
    assert "To make a new plan: swit-provisioning plan" in words
    clock.time += timedelta(minutes=1)
    made(judge, half)
    assert "To apply it" in told(judge, half.plan_hash)


def test_the_advice_suggests_no_approval_that_could_not_lift_the_guard(judge: PlanJudge) -> None:
    plan = departures(1, 2)
    protected = replace(plan.baselines, never_deactivated={"U2": "PROTECTED_ROLES (admin)"})
    plan_hash = made(judge, replace(plan, baselines=protected))
    accepted(judge.store, plan_hash, "A1")
    words = told(judge, plan_hash)
    assert "Partly applied" in words
    assert ("approve" in words, "swit-provisioning plan" in words) == (False, True)


def test_only_plans_that_can_be_approved_wait_for_an_approval(judge: PlanJudge) -> None:
    plan = departures(1, 2, 3)
    bad = replace(
        plan, baselines=replace(plan.baselines, directory={"OU=A": {"users": 0, "groups": 0}})
    )
    made(judge, bad)
    assert states(judge) == ["blocked"]


@pytest.fixture
def two_people(judge: PlanJudge) -> PlanJudge:
    return replace(judge, two_people=True)


@pytest.mark.parametrize("actor", ["ann@dc1", "Ann (with APPROVAL_KEY)", "ANN@example.com"])
def test_with_two_people_the_maker_of_a_plan_cannot_approve_it(
    two_people: PlanJudge, actor: str
) -> None:
    plan_hash = made(two_people, departures(1, 2, 3), by="ann@dc1")
    with pytest.raises(RefusedError, match="made by ann@dc1") as caught:
        two_people.approve(plan_hash, actor=actor, reason="sold")
    assert caught.value.state is RunState.BLOCKED
    assert two_people.store.approvals.of(plan_hash) is None
    assert two_people.approve(plan_hash, actor="bob@dc1", reason="sold") == (DEACTIVATIONS,)


def test_with_two_people_an_approval_does_not_count_for_who_applies_the_plan(
    two_people: PlanJudge, judge: PlanJudge
) -> None:
    plan = departures(1, 2, 3)
    plan_hash = made(two_people, plan, by="night@dc1")
    two_people.approve(plan_hash, actor="ann@example.com", reason="sold")
    (own,) = (v for v in two_people.judge(plan, applied_by="ann@dc1") if v.stops)
    assert own.name == DEACTIVATIONS
    assert "The approval by ann@example.com does not count" in own.message
    assert not any(v.stops for v in two_people.judge(plan, applied_by="bob@dc1"))
    assert not any(v.stops for v in judge.judge(plan, applied_by="ann@dc1"))


def test_with_two_people_nobody_approves_and_applies_at_once(
    two_people: PlanJudge, judge: PlanJudge
) -> None:
    plan = departures(1, 2, 3)
    plan_hash = made(two_people, plan, by="night@dc1")
    with pytest.raises(RefusedError, match="by the person who applies it") as caught:
        two_people.lift(plan, actor="ann@dc1", reason="sold", application_id="A")
    assert caught.value.state is RunState.BLOCKED
    assert two_people.store.approvals.of(plan_hash) is None
    assert two_people.lift(departures(1), actor="ann@dc1", reason="sold", application_id="A") == ()
    assert judge.lift(plan, actor="ann@dc1", reason="sold", application_id="A") == (DEACTIVATIONS,)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("ann@dc1", "ann@dc2", True),
        ("Ann Kim (with APPROVAL_KEY)", "ann.kim@example.com", True),
        ("ann@dc1", "anne@dc1", False),
        ("ann.kim@dc1", "ann@dc1", False),
    ],
)
def test_names_of_one_person_are_recognised(first: str, second: str, same: bool) -> None:  # noqa: FBT001 - a parameter
    assert same_person(first, second) is same


def accept_count(store: Store, number: int) -> None:
    """Record an accepted read with so many objects of each kind."""
    store.reads.accept(
        READ, counts=dict.fromkeys(LIMITED_COUNTS, number), counted_by=Plan(changes=()).counted_by()
    )


def test_a_share_is_of_the_smallest_count_that_was_accepted_within_a_week(
    judge: PlanJudge, store: Store, clock: Clock
) -> None:
    plan = departures(1, 2)
    for number in (20, 19, 50):
        accept_count(store, number)
    assert stopped_by(judge, plan) == [DEACTIVATIONS]
    clock.time += timedelta(days=8)
    assert stopped_by(judge, plan) == [], "the last accepted read has 50"
    accept_count(store, 20)
    assert stopped_by(judge, plan) == []


def test_counts_by_other_settings_are_no_baseline(judge: PlanJudge, store: Store) -> None:
    """With UNMANAGED_USERS=keep fewer users may go; that says nothing of the users there are."""
    counts: dict[str, int] = dict.fromkeys(LIMITED_COUNTS, 5)
    store.reads.accept(READ, counts=counts, counted_by={"unmanaged_users": "keep"})
    assert stopped_by(judge, departures(1, 2)) == []


def test_a_read_of_an_empty_organisation_is_no_baseline(judge: PlanJudge, store: Store) -> None:
    """The first sync has just created everybody: ten of a hundred may leave the next day."""
    counts = dict.fromkeys(LIMITED_COUNTS, 1) | {ACTIVE: 0}
    store.reads.accept(READ, counts=counts, counted_by=Plan(changes=()).counted_by())
    assert stopped_by(judge, departures(1, 2)) == []
    store.reads.accept({"OU=A": {"users": 20, "groups": 1}})
    assert stopped_by(judge, departures(1, 2)) == [], "an earlier version had no counts"


def test_users_created_since_the_organisation_was_empty_are_no_baseline(
    judge: PlanJudge, store: Store, clock: Clock
) -> None:
    def create(*numbers: int) -> None:
        sent(store, renamed(departures(*numbers), "user.create"), application=f"create {numbers}")

    create(*range(10))
    store.reads.accept(READ, counts={ACTIVE: 0}, counted_by=Plan(changes=()).counted_by())
    assert stopped_by(judge, departures(1, 2)) == []
    clock.time += timedelta(hours=1)
    create(11)
    plan = departures(1, 2)
    assert stopped_by(judge, plan) == [DEACTIVATIONS]
    results = judge.judge(plan, application_id="create (11,)")
    assert not any(result.stops for result in results), "the application that goes on"
    clock.time += timedelta(days=8)
    assert stopped_by(judge, plan) == []


def renamed(plan: Plan, action: Action) -> Plan:
    """The plan with another action for each change."""
    return replace(plan, changes=tuple(replace(c, action=action) for c in plan.changes))
