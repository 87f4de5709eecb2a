"""Which part of a new plan is sent with `ON_LIMIT=hold_back`, by the decisions about the other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swit_provisioning.apply.approvals import PlanJudge
from swit_provisioning.apply.waiting_plans import plan_to_send
from swit_provisioning.planning.hold_back import waiting_plan
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning.state.store import Store
from swit_provisioning_tests.planning.made_plans import WHOLE_DIRECTORY, change, plan_with

JOINER = change("user.create", "new:user:ann@x")
LEAVERS = [change("user.deactivate", f"U{number}") for number in range(5)]
GUARD = "deactivations_within_limit"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self) -> None:
        """Let an hour pass."""
        self.time += timedelta(hours=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judge(tmp_path: Path, clock: Clock) -> Iterator[PlanJudge]:
    with Store.open(f"sqlite:///{tmp_path / 'state.sqlite'}", clock=clock) as store:
        store.reads.accept(WHOLE_DIRECTORY)
        yield PlanJudge(
            store=store,
            limits=Limits(max_deactivations=Limit(number=1)),
            max_age=timedelta(hours=72),
            holds_back=True,
            clock=clock,
        )


def whole(*more: object, leavers: int = 3) -> Plan:
    return plan_with(*LEAVERS[:leavers], *more, active_users_that_may_go=20)  # type: ignore[arg-type]


def save(judge: PlanJudge, plan: Plan, *, by: str | None = None) -> Plan:
    """Store a plan, and first the one that waits beside it, as a run does."""
    for each in (waiting_plan(plan), plan) if plan.waiting else (plan,):
        results = [result.document() for result in judge.judge(each)]
        judge.store.plans.save(each, run_id="R", guard_results=results, actor=by)
    return plan


def approve(judge: PlanJudge, plan: Plan, *, actor: str = "ann") -> None:
    assert judge.approve(plan.plan_hash, actor=actor, reason="sold") == (GUARD,)


def states(judge: PlanJudge) -> dict[str, str]:
    return {state.plan.plan_hash: state.name for state in judge.states(limit=9)}


def test_nothing_is_divided_unless_a_limit_is_exceeded_and_the_setting_says_so(
    judge: PlanJudge,
) -> None:
    small, large = whole(JOINER, leavers=1), whole(JOINER)
    assert plan_to_send(judge, small) is small
    one = replace(large, person="ann@x")
    assert plan_to_send(judge, one) is one
    judge.holds_back = False
    assert plan_to_send(judge, large) is large


def test_a_plan_of_which_all_would_wait_is_blocked_as_a_whole(judge: PlanJudge) -> None:
    plan = whole()
    assert plan_to_send(judge, plan) is plan


def test_the_part_that_waits_stays_approvable_after_the_rest_was_accepted(
    judge: PlanJudge, clock: Clock
) -> None:
    rest = save(judge, plan_to_send(judge, whole(JOINER)))
    held = waiting_plan(rest)
    assert states(judge) == {rest.plan_hash: "ready", held.plan_hash: "waiting for approval"}
    clock.move()
    judge.store.acceptances.accept("R", plan_hash=rest.plan_hash, application_id="R")
    judge.store.acceptances.finish("R")
    assert states(judge) == {rest.plan_hash: "applied", held.plan_hash: "waiting for approval"}
    # A night that accepts another plan makes it stale.
    clock.move()
    other = save(judge, plan_to_send(judge, whole(JOINER, leavers=4)))
    clock.move()
    judge.store.acceptances.accept("R2", plan_hash=other.plan_hash, application_id="R2")
    assert states(judge)[held.plan_hash] == "stale"
    assert states(judge)[waiting_plan(other).plan_hash] == "waiting for approval"


def test_an_approved_part_is_sent_with_the_rest_and_is_applied_then(
    judge: PlanJudge, clock: Clock
) -> None:
    held = waiting_plan(save(judge, plan_to_send(judge, whole())))
    assert held.changes == ()  # nothing was divided
    held = waiting_plan(save(judge, plan_to_send(judge, whole(JOINER))))
    approve(judge, held)
    clock.move()
    bob = change("user.create", "new:user:bob@x")
    night = save(judge, plan_to_send(judge, whole(bob)))
    assert night.includes == held.plan_hash
    assert night.waiting == ()
    assert len(night.changes) == 4
    assert not any(result.stops for result in judge.judge(night))
    assert states(judge)[night.plan_hash] == "approved"
    approval = judge.approval_of(night)
    assert approval is not None
    clock.move()
    judge.store.acceptances.accept(
        "N", plan_hash=night.plan_hash, application_id="N", approval_id=approval.approval_id
    )
    judge.store.acceptances.finish("N")
    judge.store.approvals.spend(held.plan_hash)
    assert states(judge)[held.plan_hash] == states(judge)[night.plan_hash] == "applied"
    # Spent: the same departures would wait again.
    clock.move()
    assert plan_to_send(judge, whole(bob)).waiting_hash == held.plan_hash


def test_an_approval_does_not_cover_one_more_departure(judge: PlanJudge) -> None:
    held = waiting_plan(save(judge, plan_to_send(judge, whole(JOINER))))
    approve(judge, held)
    night = plan_to_send(judge, whole(JOINER, leavers=4))
    assert night.changes == (JOINER,)
    assert len(night.waiting) == 4


def test_an_approval_by_the_person_who_applies_it_does_not_count_with_two_people(
    judge: PlanJudge,
) -> None:
    judge.two_people = True
    held = waiting_plan(save(judge, plan_to_send(judge, whole(JOINER)), by="bob@dc1"))
    approve(judge, held, actor="ann@dc1")
    assert plan_to_send(judge, whole(JOINER), applied_by="bob@dc1").includes == held.plan_hash
    own = plan_to_send(judge, whole(JOINER), applied_by="ann@dc2")
    assert (own.changes, own.waiting_hash) == ((JOINER,), held.plan_hash)


def test_a_rejected_part_blocks_nothing_also_if_there_is_no_rest(judge: PlanJudge) -> None:
    held = waiting_plan(save(judge, plan_to_send(judge, whole(JOINER))))
    judge.reject(held.plan_hash, actor="ann", reason="a wrong filter")
    assert plan_to_send(judge, whole(JOINER)).changes == (JOINER,)
    quiet = plan_to_send(judge, whole())
    assert (quiet.changes, quiet.waiting_hash) == ((), held.plan_hash)
    assert not any(result.stops for result in judge.judge(quiet))


def test_what_was_held_back_does_not_count_in_the_last_24_hours(judge: PlanJudge) -> None:
    save(judge, plan_to_send(judge, whole(JOINER)))
    assert plan_to_send(judge, whole(JOINER, leavers=1)).waiting == ()
