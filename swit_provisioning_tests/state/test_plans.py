from dataclasses import replace
from datetime import timedelta

import pytest

from swit_provisioning.planning.model import Baselines, Binding, Finding, PlanHash
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import AmbiguousPlanError
from swit_provisioning_tests.state.conftest import Clock
from swit_provisioning_tests.state.made import a_plan, two_plans_with_one_name

LIMIT = "deactivations_within_limit"


def test_a_plan_comes_back_whole(store: Store, clock: Clock) -> None:
    plan = replace(
        a_plan(1, 2),
        findings=(Finding(kind="missing email", subject="CN=Zoë", message="Give it one."),),
        bindings=(Binding(kind="user", directory_id="g1", object_id="U1"),),
        baselines=Baselines(users=7, directory={"OU=A": {"users": 3, "groups": 1}}),
    )
    store.plans.save(plan, run_id="R1", guard_results=[{"name": LIMIT, "passed": True}])
    stored = store.plans.get(plan.plan_hash)
    assert stored is not None
    assert stored.plan == plan
    assert stored.plan_id == plan.plan_id
    assert stored.created_at == clock.time
    assert stored.guard_results == ({"name": LIMIT, "passed": True},)


def test_an_unknown_plan_is_none(store: Store) -> None:
    assert store.plans.get(PlanHash("nothing")) is None
    assert store.plans.latest() is None
    assert store.plans.made_by("R1") is None


def test_the_same_plan_made_again_is_as_new_as_its_last_making(store: Store, clock: Clock) -> None:
    plan = a_plan(1)
    store.plans.save(plan, run_id="R1", guard_results=[])
    clock.forward(days=30)
    store.plans.save(plan, run_id="R2", guard_results=[{"name": LIMIT, "passed": False}])
    stored = store.plans.get(plan.plan_hash)
    assert stored is not None
    assert stored.created_at == clock.time
    assert stored.guard_results == ({"name": LIMIT, "passed": False},)
    assert store.plans.made_by("R1") == store.plans.made_by("R2") == plan.plan_hash


def test_what_the_guards_count_is_that_of_the_last_making(store: Store) -> None:
    """The id covers what is sent, not what it is a share of."""
    before, after = (replace(a_plan(1), baselines=Baselines(users=n)) for n in (100, 5))
    assert before.plan_id == after.plan_id
    store.plans.save(before, run_id="R1", guard_results=[])
    store.plans.save(after, run_id="R2", guard_results=[])
    stored = store.plans.get(after.plan_hash)
    assert stored is not None
    assert stored.plan.baselines.users == 5


def test_a_run_that_planned_twice_has_made_the_last_one(store: Store) -> None:
    for number in (1, 2):
        store.plans.save(a_plan(number), run_id="R1", guard_results=[])
    assert store.plans.made_by("R1") == store.plans.latest() == a_plan(2).plan_hash


def test_an_approval_is_for_one_plan_until_it_is_spent(store: Store, clock: Clock) -> None:
    approval_id = store.approvals.add(
        PlanHash("P1"), actor="ann", reason="the merger", guards=(LIMIT,)
    )
    approval = store.approvals.of(PlanHash("P1"))
    assert approval is not None
    assert (approval.approval_id, approval.at) == (approval_id, clock.time)
    assert (approval.actor, approval.reason) == ("ann", "the merger")
    assert approval.guards == (LIMIT,)
    assert store.approvals.of(PlanHash("P2")) is None
    store.approvals.spend(PlanHash("P1"))
    assert store.approvals.of(PlanHash("P1")) is None


def test_an_approval_expires(store: Store, clock: Clock) -> None:
    store.approvals.add(PlanHash("P1"), actor="ann", reason="the merger", guards=())
    clock.forward(hours=72)
    assert store.approvals.of(PlanHash("P1"), newer_than=timedelta(hours=72)) is not None
    clock.forward(seconds=1)
    assert store.approvals.of(PlanHash("P1"), newer_than=timedelta(hours=72)) is None


def test_a_run_may_send_the_plan_that_it_accepted_last(store: Store) -> None:
    store.acceptances.accept("R1", plan_hash=PlanHash("P1"), application_id="R1")
    approval = store.approvals.add(PlanHash("P2"), actor="ann", reason="the merger", guards=())
    store.acceptances.accept(
        "R1", plan_hash=PlanHash("P2"), application_id="R1", approval_id=approval
    )
    accepted = store.acceptances.of("R1")
    assert accepted is not None
    assert (accepted.plan_id, accepted.approval_id) == ("P2", approval)
    assert store.acceptances.of("R2") is None


def test_a_plan_that_broke_half_way_is_gone_on_with_until_it_is_through(
    store: Store, clock: Clock
) -> None:
    store.acceptances.accept("R1", plan_hash=PlanHash("P1"), application_id="R1")
    clock.forward(minutes=1)
    store.acceptances.accept("R2", plan_hash=PlanHash("P1"), application_id="R1")
    unfinished = store.acceptances.unfinished(PlanHash("P1"))
    assert unfinished is not None
    assert unfinished.application_id == "R1"
    store.acceptances.finish("R1")
    assert store.acceptances.unfinished(PlanHash("P1")) is None


def test_a_plan_made_anew_is_not_gone_on_with(store: Store) -> None:
    """Months later the same plan comes back: what its old journal calls done must be done again."""
    plan = a_plan(1)
    store.plans.save(plan, run_id="R1", guard_results=[])
    store.acceptances.accept("R1", plan_hash=plan.plan_hash, application_id="R1")
    assert store.acceptances.unfinished(plan.plan_hash) is not None
    store.plans.save(plan, run_id="R2", guard_results=[])
    assert store.acceptances.unfinished(plan.plan_hash) is None


def test_plans_are_listed_once_each_as_they_were_made_last(store: Store, clock: Clock) -> None:
    assert store.plans.listed(limit=9) == []
    for run, number in (("R1", 1), ("R2", 2), ("R3", 1)):
        clock.forward(hours=1)
        store.plans.save(
            a_plan(number), run_id=run, guard_results=[{"name": LIMIT, "passed": True}]
        )
    first, second = store.plans.listed(limit=9)
    assert (first.plan_id, first.run_id) == (a_plan(1).plan_id, "R3")
    assert (second.plan_id, second.run_id) == (a_plan(2).plan_id, "R2")
    assert first.created_at == clock.time
    assert first.counts == {"user.deactivate": 1}
    assert first.guard_results == ({"name": LIMIT, "passed": True},)
    assert store.plans.listed(limit=1) == [first]


def test_a_plan_is_found_by_any_digits_that_no_other_one_begins_with(store: Store) -> None:
    plan = a_plan(1)
    store.plans.save(plan, run_id="R1", guard_results=[])
    store.plans.save(plan, run_id="R2", guard_results=[])
    store.plans.save(a_plan(2), run_id="R2", guard_results=[])
    for digits in (plan.plan_id, plan.plan_hash, plan.plan_hash[:4], f" {plan.plan_id.upper()}\n"):
        assert store.plans.find(digits) == plan.plan_hash
    for digits in ("", " ", "%", "_", "nope", plan.plan_id[:-1] + "g", f"{plan.plan_hash}0"):
        assert store.plans.find(digits) is None


def test_two_plans_that_begin_alike_are_two_plans(store: Store) -> None:
    harmless, harmful = two_plans_with_one_name()
    assert harmless.plan_id == harmful.plan_id == "84aaa020ac14"
    for plan in (harmless, harmful):
        store.plans.save(plan, run_id="R", guard_results=[])
    store.approvals.add(harmless.plan_hash, actor="ann", reason="a new name", guards=("a guard",))
    store.rejections.add(harmless.plan_hash, actor="bob", reason="not now")
    assert store.approvals.of(harmful.plan_hash) is None
    assert store.rejections.of(harmful.plan_hash) is None
    with pytest.raises(AmbiguousPlanError) as raised:
        store.plans.find("84aaa020ac14")
    apart = sorted(plan.plan_hash[:13] for plan in (harmless, harmful))
    assert str(raised.value) == (
        f"2 plans begin with 84aaa020ac14: {apart[0]}, {apart[1]}. Look at each with"
        " `swit-provisioning show`, and give more digits."
    )
    assert [store.plans.find(digits) for digits in apart] == sorted(
        [harmless.plan_hash, harmful.plan_hash]
    )
