"""How fast requests may go, with a clock that moves only when somebody waits."""

import threading
from dataclasses import dataclass, field

import pytest

from swit_provisioning.swit.pace import AutoPace, FixedPace, parse_pace


@dataclass
class Clock:
    """Seconds; sleeping moves it at once."""

    now: float = 100.0
    naps: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fixed(clock: Clock, per_second: float) -> FixedPace:
    return FixedPace(per_second, clock=clock.read, sleep=clock.sleep)


def auto(clock: Clock, start: float = 5, most: float = 20) -> AutoPace:
    return AutoPace(start, most, clock=clock.read, sleep=clock.sleep)


def test_the_first_request_goes_at_once_and_the_others_are_spaced(clock: Clock) -> None:
    pace = fixed(clock, 4)
    for _ in range(5):
        pace.wait()
    assert clock.naps == pytest.approx([0.25] * 4)


def test_who_comes_late_does_not_wait_and_saves_nothing_up(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.wait()
    clock.now += 10
    pace.wait()
    assert clock.naps == []
    pace.wait()
    assert clock.naps == pytest.approx([0.25])


def test_nothing_goes_before_swit_wants_it(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.wait()
    pace.throttled(30)
    pace.throttled(5)
    pace.throttled(None)
    pace.wait()
    assert clock.now == pytest.approx(130)
    assert pace.per_second == 4


def test_who_already_waits_is_held_too(clock: Clock) -> None:
    """Eight calls in flight: one is refused while the others sleep until their turn."""
    pace = fixed(clock, 4)

    def refused_meanwhile(seconds: float) -> None:
        first = not clock.naps
        clock.sleep(seconds)
        if first:
            pace.throttled(10)

    pace._sleep = refused_meanwhile
    pace.wait()
    pace.wait()
    assert clock.now == pytest.approx(110.25)


def test_a_fixed_pace_does_not_learn(clock: Clock) -> None:
    pace = fixed(clock, 4)
    pace.succeeded()
    assert pace.per_second == 4


def test_the_pace_grows_by_one_each_second_up_to_its_limit(clock: Clock) -> None:
    pace = auto(clock)
    assert pace.per_second == 5
    start = clock.now
    while pace.per_second < 20:
        pace.wait()
        pace.succeeded()
    assert 13 < clock.now - start < 17
    pace.succeeded()
    assert pace.per_second == 20


def test_a_429_halves_the_pace_once_for_all_calls_in_flight(clock: Clock) -> None:
    pace = auto(clock, 16)
    for _ in range(8):
        pace.throttled(None)
    assert pace.per_second == 8
    clock.now += 2
    pace.throttled(None)
    assert pace.per_second == 4


def test_the_pace_never_stands_still(clock: Clock) -> None:
    pace = auto(clock)
    for _ in range(50):
        clock.now += 2
        pace.throttled(None)
    assert pace.per_second == pytest.approx(0.2)


def test_a_slow_limit_is_kept_from_the_start(clock: Clock) -> None:
    pace = auto(clock, most=2)
    assert pace.per_second == 2
    pace.succeeded()
    assert pace.per_second == 2
    assert auto(clock, most=0.1).per_second == 0.1


def test_a_crawling_limit_is_not_raised_by_a_429(clock: Clock) -> None:
    pace = auto(clock, most=0.1)
    pace.throttled(None)
    assert pace.per_second == 0.1


def test_threads_never_share_a_turn() -> None:
    pace = FixedPace(1_000_000)
    turns: list[float] = []

    def take() -> None:
        turns.extend(pace._take_turn()[0] for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(turns)) == 1600


@pytest.mark.parametrize(
    ("text", "start", "most"),
    [("auto", 5, 20), (" AUTO ", 5, 20), ("auto:10", 5, 10), ("auto:2.5", 2.5, 2.5)],
)
def test_auto_finds_the_pace_up_to_a_limit(text: str, start: float, most: float) -> None:
    pace = parse_pace(text)
    assert isinstance(pace, AutoPace)
    assert pace.per_second == start
    for _ in range(1000):
        pace.succeeded()
    assert pace.per_second == most


@pytest.mark.parametrize(("text", "per_second"), [("4", 4), ("0.5", 0.5), (" 12 ", 12)])
def test_a_number_is_the_pace(text: str, per_second: float) -> None:
    pace = parse_pace(text)
    assert type(pace) is FixedPace
    assert pace.per_second == per_second


@pytest.mark.parametrize(
    "text",
    ["", "fast", "0", "0.0", "-1", "auto:", "auto:0", ":5", "auto5", "inf", "nan", "1e3", "5/s"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no pace; give auto, auto:10 .* such as 4"):
        parse_pace(text)
