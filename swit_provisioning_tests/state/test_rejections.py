from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def test_a_rejection_stands_until_it_is_lifted(store: Store, clock: Clock) -> None:
    store.rejections.add(PlanHash("p1"), actor="ann@dc1", reason="not these people")
    clock.forward(days=400)
    found = store.rejections.of(PlanHash("p1"))
    assert found is not None
    assert (found.actor, found.reason) == ("ann@dc1", "not these people")
    assert "ann@dc1 on 2026-03-01 02:30 UTC: not these people." in found.sentence
    assert store.rejections.of(PlanHash("p2")) is None
    store.rejections.lift(PlanHash("p1"), actor="bob@dc1")
    assert store.rejections.of(PlanHash("p1")) is None


def test_a_plan_may_be_rejected_again(store: Store) -> None:
    store.rejections.add(PlanHash("p1"), actor="ann@dc1", reason="")
    store.rejections.lift(PlanHash("p1"), actor="bob@dc1")
    store.rejections.add(PlanHash("p1"), actor="ann@dc1", reason="no, really")
    found = store.rejections.of(PlanHash("p1"))
    assert found is not None
    assert found.reason == "no, really"
