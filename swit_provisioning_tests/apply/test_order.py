"""Which changes of a step are sent in parallel, and which wait."""

import signal
import threading

import pytest

from swit_provisioning.apply.executor import predecessors, run_in_parallel
from swit_provisioning.planning.actions import Step
from swit_provisioning.state.coordination import LeaseLostError
from swit_provisioning_tests.apply.changes import (
    create_team,
    create_user,
    new_team,
    plan_of,
    sort_teams,
    update_team,
)
from swit_provisioning_tests.apply.conftest import Stage, Steps

PATIENCE = 60


def never() -> None:
    """Do nothing: no interrupt is expected."""
    message = "it was stopped"
    raise AssertionError(message)


def test_independent_changes_wait_for_no_other() -> None:
    changes = [create_user("ann@x"), create_user("bob@x"), sort_teams("P"), sort_teams("Q")]
    assert set(map(frozenset, predecessors(changes).values())) == {frozenset()}


def test_teams_under_one_parent_arrive_one_after_the_other() -> None:
    changes = [create_team(name, parent) for name, parent in ("aR", "bQ", "cR", "dR", "eQ")]
    assert list(predecessors(changes).values()) == [
        set(),
        set(),
        {f"team.create:{new_team('a')}"},
        {f"team.create:{new_team('c')}"},
        {f"team.create:{new_team('b')}"},
    ]


def test_a_change_waits_for_an_earlier_one_of_the_same_team() -> None:
    first = update_team("T1", name="(moving) A")
    changes = [first, update_team("T2", name="A"), update_team("T1", name="B")]
    assert predecessors(changes)["team.update:T1"] == {first.change_id}


def test_dependencies_on_other_steps_are_ignored_within_a_step() -> None:
    change = update_team("T1", name="A", needs=["team.create:new:team:x"])
    assert predecessors([change]) == {"team.update:T1": set()}


def test_items_start_in_order_and_each_runs_once() -> None:
    begun: list[str] = []
    before = {"c": set[str](), "a": set[str](), "d": {"c"}, "b": {"a", "d"}}
    assert (
        list(run_in_parallel(before, begun.append, at_once=1, stop=never))
        == begun
        == ["c", "a", "d", "b"]
    )


def test_the_number_of_parallel_items_reaches_its_maximum_and_not_more() -> None:
    together = threading.Barrier(4)
    before = {str(number): set[str]() for number in range(8)}

    def work(_: str) -> None:
        together.wait(PATIENCE)

    assert set(run_in_parallel(before, work, at_once=4, stop=never)) == set(before)


def test_a_waiting_item_does_not_delay_others() -> None:
    others = threading.Event()

    def work(item: str) -> None:
        if item == "slow":
            assert others.wait(PATIENCE)
        if item == "2":
            others.set()

    before = {"slow": set[str](), "after slow": {"slow"}, "1": set[str](), "2": {"1"}}
    through = list(run_in_parallel(before, work, at_once=2, stop=never))
    assert through == ["1", "2", "slow", "after slow"]


def test_after_an_error_running_items_finish_and_no_other_starts() -> None:
    begun, through, failed = [], [], threading.Event()

    def work(item: str) -> None:
        begun.append(item)
        if item == "bad":
            failed.set()
            message = "no more"
            raise RuntimeError(message)
        assert failed.wait(PATIENCE)
        through.append(item)

    before = {item: set[str]() for item in ("good", "bad", *"abcdefgh")}
    with pytest.raises(RuntimeError, match="no more"):
        list(run_in_parallel(before, work, at_once=2, stop=never))
    assert "bad" in begun
    assert len(begun) <= 4
    assert sorted(through) == sorted(set(begun) - {"bad"})


def test_an_interrupt_stops_the_work_and_waits_briefly_for_calls_in_flight() -> None:
    interrupted, answered = threading.Event(), threading.Event()

    def work(item: str) -> None:
        if item == "slow":
            answered.wait(PATIENCE)
        elif item == "after the interrupt":
            message = "it was begun"
            raise AssertionError(message)

    before = {"quick": set[str](), "slow": set[str](), "after the interrupt": {"slow"}}
    through = run_in_parallel(before, work, at_once=2, stop=interrupted.set, grace_seconds=0.01)
    assert next(through) == "quick"
    through.close()
    assert interrupted.is_set()
    answered.set()


def test_an_interrupt_during_the_clean_up_after_an_error_stops_the_work() -> None:
    stopped, answered = threading.Event(), threading.Event()
    error = RuntimeError("no more")
    main = threading.main_thread().ident

    def is_raised_by_the_main_thread() -> bool:
        traceback = error.__traceback__
        return traceback is not None and traceback.tb_frame.f_code is run_in_parallel.__code__

    def work(item: str) -> None:
        if item == "bad":
            raise error
        for _ in range(PATIENCE * 1000):
            if is_raised_by_the_main_thread():
                break
            answered.wait(0.001)
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        answered.wait(PATIENCE)

    through = run_in_parallel(
        {"slow": set(), "bad": set()}, work, at_once=2, stop=stopped.set, grace_seconds=0.01
    )
    with pytest.raises(KeyboardInterrupt):
        list(through)
    assert stopped.is_set()
    answered.set()


def test_an_interrupt_while_progress_is_reported_stops_the_work(stage: Stage) -> None:
    class Interrupted(Steps):
        def advance(self, step: Step, done: int, planned: int) -> None:
            super().advance(step, done, planned)
            raise KeyboardInterrupt

    stage.progress, stage.concurrency = Interrupted(), 1
    plan = plan_of(create_user("ann@example.com"), create_user("bob@example.com"))
    with pytest.raises(KeyboardInterrupt) as caught:
        stage.apply(plan)
    with pytest.raises(LeaseLostError, match="the run was interrupted"):
        stage.lease.check()
    assert caught.value.__traceback__ is not None  # it holds the frames of the interrupted calls
    assert stage.asked() == ["organization.user.create"]
