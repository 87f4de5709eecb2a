"""What is kept about a state that came back from a backup."""

import pytest

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.restores import Mark
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def test_every_run_counts_and_a_state_keeps_its_name(store: Store, url: str) -> None:
    first = store.restorations.advance()
    assert first.count == 1
    with Store.open(url) as again:
        assert again.restorations.mark() == first
        assert again.restorations.advance() == Mark(name=first.name, count=2)


def test_two_states_have_two_names(store: Store, tmp_path: object) -> None:
    with Store.open(f"sqlite:///{tmp_path}/another.sqlite") as another:
        assert another.restorations.mark().name != store.restorations.mark().name


@pytest.mark.parametrize("text", ["", "a", "a:", ":3", "a:b", "a:-1"])
def test_what_is_no_mark_is_none(text: str) -> None:
    assert Mark.of(text) is None


def test_a_mark_comes_back_as_it_was_written() -> None:
    mark = Mark(name="3f2a", count=12)
    assert Mark.of(f"{mark}\n") == mark


def test_after_a_restore_approvals_are_void_and_the_first_planner_is_known(store: Store) -> None:
    store.approvals.add(PlanHash("P1"), who="ann", why="the merger", guards=())
    assert store.restorations.latest() is None
    assert store.restorations.void_approval(PlanHash("P1")) is None
    begun = store.restorations.begin("it is older", beyond=40)
    assert store.restorations.latest() == begun
    assert store.approvals.of(PlanHash("P1")) is None
    void = store.restorations.void_approval(PlanHash("P1"))
    assert void is not None
    assert (void.who, void.why) == ("ann", "the merger")
    assert store.restorations.void_approval(PlanHash("P2")) is None
    assert store.restorations.advance().count == 41
    for run_id in ("R1", "R2"):
        store.restorations.planned(run_id)
    latest = store.restorations.latest()
    assert latest is not None
    assert latest.planned_by == "R1"


def test_an_approval_of_after_the_restore_counts(store: Store, clock: Clock) -> None:
    store.restorations.begin("it is older")
    clock.forward(minutes=1)
    store.approvals.add(PlanHash("P1"), who="ann", why="the merger", guards=())
    assert store.approvals.of(PlanHash("P1")) is not None
    store.approvals.spend(PlanHash("P1"))
    assert store.restorations.void_approval(PlanHash("P1")) is None
