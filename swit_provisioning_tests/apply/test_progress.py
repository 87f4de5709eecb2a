"""Progress of a run: calls sent and planned, calls a second, time left."""

import pytest

from swit_provisioning.apply.progress import LINE_EVERY_SECONDS, Headway, RunProgress
from swit_provisioning.planning.actions import Step
from swit_provisioning_tests.apply.changes import (
    create_team,
    create_user,
    delete_team,
    plan_of,
    update_user,
)

PLAN = plan_of(
    *(create_user(f"u{number}@example.com") for number in range(10)),
    update_user("U1", name="Ann"),
    delete_team("T1"),
    create_team("IT", "ROOT"),
)


class Run:
    """A client that counts and a clock, both moved by the test."""

    def __init__(self) -> None:
        self.calls, self.now = 7, 100.0
        self.shown: list[Headway] = []
        self.lines: list[str] = []

    def sent(self) -> int:
        return self.calls

    def clock(self) -> float:
        return self.now

    def progress(self) -> RunProgress:
        """Progress that has begun, shown here."""
        progress = RunProgress(self.shown.append, clock=self.clock)
        progress.begin(PLAN, sent=self.sent, log=self.lines.append)
        return progress

    def headway(self, progress: RunProgress, step: Step, done: int, planned: int) -> Headway:
        """What is shown when `done` of `planned` changes of a step have an outcome."""
        progress.advance(step, done, planned)
        return self.shown[-1]

    def send(self, calls: int, *, seconds: float) -> None:
        self.calls += calls
        self.now += seconds


@pytest.fixture
def run() -> Run:
    return Run()


def test_planned_calls_are_the_calls_sent_and_one_for_each_pending_change(run: Run) -> None:
    """One more call: the teams are read before a deletion."""
    progress = run.progress()
    run.send(5, seconds=2.0)
    half = run.headway(progress, "create_users", 5, 10)
    assert (half.sent, half.planned, half.per_second) == (5, 5 + 9, 2.5)
    assert half.seconds_left == pytest.approx(9 / 2.5)
    run.send(8, seconds=2.0)  # three were sent again
    whole = run.headway(progress, "create_users", 10, 10)
    assert (whole.sent, whole.planned) == (13, 13 + 4)


def test_no_call_is_pending_after_the_last_step(run: Run) -> None:
    progress = run.progress()
    for step, planned in (("create_users", 10), ("update_users", 1), ("delete_teams", 1)):
        run.send(planned, seconds=1.0)
        run.headway(progress, step, planned, planned)  # type: ignore[arg-type] # names of steps
    run.send(2, seconds=1.0)
    last = run.headway(progress, "create_teams", 1, 1)
    assert (last.sent, last.planned, last.seconds_left) == (14, 14, 0.0)
    # What settles goes through the steps once more.
    again = run.headway(progress, "create_users", 10, 10)
    assert again.planned == again.sent


def test_a_run_that_continues_another_does_not_count_finished_steps(run: Run) -> None:
    progress = run.progress()
    run.send(1, seconds=1.0)
    assert run.headway(progress, "update_users", 1, 1).planned == 1 + 3


def test_the_time_left_is_unknown_before_the_first_call(run: Run) -> None:
    first = run.headway(run.progress(), "create_users", 0, 10)
    assert (first.per_second, first.seconds_left) == (0.0, None)
    assert first.sentence == "create users: 0 of 14 calls, 0.0 a second"


def test_the_display_gets_every_update_and_the_log_one_every_15_seconds(run: Run) -> None:
    progress = run.progress()
    for done in range(1, 10):
        run.send(1, seconds=LINE_EVERY_SECONDS / 4)
        progress.advance("create_users", done, 10)
    assert len(run.shown) == 9
    assert run.lines == [
        "create users: 4 of 14 calls, 0.3 a second, about 38 s left",
        "create users: 8 of 14 calls, 0.3 a second, about 22 s left",
    ]


def test_the_next_op_continues_the_count_in_its_own_log(run: Run) -> None:
    progress = run.progress()
    run.send(10, seconds=1.0)
    progress.advance("create_users", 10, 10)
    second: list[str] = []
    progress.begin(PLAN, sent=run.sent, log=second.append)
    run.send(1, seconds=LINE_EVERY_SECONDS)
    progress.advance("update_users", 1, 1)
    assert (run.lines, len(second)) == ([], 1)
    assert run.shown[-1].sent == 11


def test_nothing_is_shown_before_the_first_step_begins(run: Run) -> None:
    RunProgress(run.shown.append, clock=run.clock).advance("create_users", 1, 10)
    assert run.shown == []
