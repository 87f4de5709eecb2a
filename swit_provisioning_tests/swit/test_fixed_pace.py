"""The fixed pace, on a clock that only sleeping advances."""

import threading

import pytest

from swit_provisioning.swit.rate_limit import FixedPace
from swit_provisioning_tests.swit.simulated_swit import Clock, SimulatedSwit


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fixed(clock: Clock, per_second: float) -> FixedPace:
    return FixedPace(per_second, clock=clock.read, sleep=clock.sleep)


def test_the_first_request_is_immediate_and_the_others_are_spaced(clock: Clock) -> None:
    pace = fixed(clock, 4)
    for _ in range(5):
        pace.wait()
    assert clock.naps == pytest.approx([0.25 * 1.05] * 4)


def test_a_late_request_does_not_wait_and_later_ones_do_not_catch_up(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.wait()
    clock.now += 10
    pace.wait()
    assert clock.naps == []
    pace.wait()
    assert clock.naps == pytest.approx([0.25 * 1.05])


def test_no_request_is_sent_before_retry_after(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.wait()
    for seconds in (30, 5, None):
        pace.throttled(clock.now, seconds)
    pace.wait()
    assert clock.now == pytest.approx(130)
    assert pace.per_second == 4


def test_retry_after_also_holds_waiting_requests(clock: Clock) -> None:
    """A 429 arrives while other calls sleep until their turn."""
    pace = fixed(clock, 4)

    def refused_meanwhile(seconds: float) -> None:
        first = not clock.naps
        clock.sleep(seconds)
        if first:
            pace.throttled(100, 10)

    pace._sleep = refused_meanwhile
    pace.wait()
    pace.wait()
    assert clock.now == pytest.approx(110 + 0.25 * 1.05)


def test_a_fixed_pace_does_not_change(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.succeeded(pace.wait())
    assert pace.per_second == 4


def test_threads_that_wake_up_late_do_not_exceed_the_limit(clock: Clock) -> None:
    """The fourth wakes up late; the others keep their turns, except the one a second later."""
    pace = fixed(clock, 4)
    went = [pace.wait() for _ in range(3)]
    clock.now += 0.45
    went += [pace.wait() for _ in range(9)]
    assert all(later - earlier >= 1 for earlier, later in zip(went, went[4:], strict=False))
    assert went[-1] <= 100 + 0.45 + 11 * 0.25 * 1.05


def test_each_thread_gets_its_own_turn() -> None:
    pace = FixedPace(1_000_000, sleep=lambda _: None)
    went: list[float] = []

    def take() -> None:
        went.extend(pace.wait() for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(went)) == 1600


@pytest.mark.parametrize("per_second", [5, 20, 50, 200])
@pytest.mark.parametrize("latency", [0.02, 0.1])
def test_a_known_limit_is_used_and_not_exceeded(per_second: int, latency: float) -> None:
    swit = SimulatedSwit(latency=latency, in_flight=int(per_second * latency) + 2)
    swit.limited(per_second)
    seconds = swit.send(FixedPace(per_second, clock=swit.read, sleep=swit.sleep), 2000)
    assert seconds <= 1.08 * 2000 / per_second
    assert swit.refused == 0
