"""Calls sent of calls planned, calls a second, time left: from the first writer to the last."""

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


def test_what_is_planned_is_what_was_sent_and_one_call_for_all_that_is_undone(run: Run) -> None:
    """The teams are read once before a deletion, so that is one call more."""
    progress = run.progress()
    run.send(5, seconds=2.0)
    half = run.headway(progress, "create_users", 5, 10)
    assert (half.sent, half.planned, half.per_second) == (5, 5 + 9, 2.5)
    assert half.seconds_left == pytest.approx(9 / 2.5)
    run.send(8, seconds=2.0)  # three were sent again
    whole = run.headway(progress, "create_users", 10, 10)
    assert (whole.sent, whole.planned) == (13, 13 + 4)


def test_at_the_end_nothing_is_left(run: Run) -> None:
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


def test_a_run_that_goes_on_does_not_plan_what_an_earlier_one_has_done(run: Run) -> None:
    progress = run.progress()
    run.send(1, seconds=1.0)
    assert run.headway(progress, "update_users", 1, 1).planned == 1 + 3


def test_before_the_first_call_nobody_can_say_how_long_it_takes(run: Run) -> None:
    first = run.headway(run.progress(), "create_users", 0, 10)
    assert (first.per_second, first.seconds_left) == (0.0, None)
    assert first.sentence == "create users: 0 of 14 calls, 0.0 a second"


def test_the_log_gets_a_line_now_and_then_and_the_display_all(run: Run) -> None:
    progress = run.progress()
    for done in range(1, 10):
        run.send(1, seconds=LINE_EVERY_SECONDS / 4)
        progress.advance("create_users", done, 10)
    assert len(run.shown) == 9
    assert run.lines == [
        "create users: 4 of 14 calls, 0.3 a second, about 38 s left",
        "create users: 8 of 14 calls, 0.3 a second, about 22 s left",
    ]


def test_the_next_op_goes_on_counting_in_its_own_log(run: Run) -> None:
    progress = run.progress()
    run.send(10, seconds=1.0)
    progress.advance("create_users", 10, 10)
    second: list[str] = []
    progress.begin(PLAN, sent=run.sent, log=second.append)
    run.send(1, seconds=LINE_EVERY_SECONDS)
    progress.advance("update_users", 1, 1)
    assert (run.lines, len(second)) == ([], 1)
    assert run.shown[-1].sent == 11


def test_nothing_is_shown_before_a_writer_begins(run: Run) -> None:
    RunProgress(run.shown.append, clock=run.clock).advance("create_users", 1, 10)
    assert run.shown == []
