"""What is kept about a state that came back from a backup."""

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def test_after_a_restore_approvals_are_void_and_the_first_planner_is_known(store: Store) -> None:
    store.approvals.add(PlanHash("P1"), actor="ann", reason="the merger", guards=())
    assert store.restorations.latest() is None
    assert store.restorations.void_approval(PlanHash("P1")) is None
    store.restorations.begin("it is older")
    assert store.approvals.of(PlanHash("P1")) is None
    void = store.restorations.void_approval(PlanHash("P1"))
    assert void is not None
    assert (void.actor, void.reason) == ("ann", "the merger")
    assert store.restorations.void_approval(PlanHash("P2")) is None
    for run_id in ("R1", "R2"):
        store.restorations.planned(run_id)
    latest = store.restorations.latest()
    assert latest is not None
    assert (latest.reason, latest.planned_by) == ("it is older", "R1")


def test_an_approval_of_after_the_restore_counts(store: Store, clock: Clock) -> None:
    store.restorations.begin("it is older")
    clock.forward(minutes=1)
    store.approvals.add(PlanHash("P1"), actor="ann", reason="the merger", guards=())
    assert store.approvals.of(PlanHash("P1")) is not None
    store.approvals.spend(PlanHash("P1"))
    assert store.restorations.void_approval(PlanHash("P1")) is None
