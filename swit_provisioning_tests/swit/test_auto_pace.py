"""The automatic pace against a simulated Swit, without real waiting."""

import pytest

from swit_provisioning.swit.rate_limit import AutoPace, FixedPace, parse_pace
from swit_provisioning_tests.swit.simulated_swit import Clock, SimulatedSwit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def swit() -> SimulatedSwit:
    return SimulatedSwit()


def auto(clock: Clock, start: float = 5, most: float = 20) -> AutoPace:
    return AutoPace(start, most, clock=clock.read, sleep=clock.sleep)


@pytest.mark.parametrize(("per_second", "calls"), [(5, 150), (20, 400), (50, 1000), (200, 4000)])
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("latency", [0.02, 0.1])
def test_a_limit_is_found_quickly_and_rarely_exceeded(
    swit: SimulatedSwit, per_second: int, calls: int, latency: float, *, tells: bool
) -> None:
    """With and without `Retry-After`."""
    swit.latency, swit.in_flight = latency, 30
    swit.limited(per_second, tells=tells)
    seconds = swit.send(auto(swit, most=1000), calls)
    assert seconds <= 1.35 * calls / per_second
    assert swit.refused <= 0.03 * calls


@pytest.mark.parametrize("per_second", [5, 20, 50, 200])
def test_a_known_limit_is_used_and_rarely_exceeded(swit: SimulatedSwit, per_second: int) -> None:
    """The pace probes beyond it after a minute."""
    swit.limited(per_second)
    pace = auto(swit, most=1000)
    swit.send(pace, 60 * per_second)
    swit.refused = 0
    seconds = swit.send(pace, 1800 * per_second)
    assert seconds <= 1.09 * 1800
    assert 3 <= swit.refused <= 60


@pytest.mark.parametrize("window", [0.2, 10, 60])
def test_limits_over_other_windows_are_found(swit: SimulatedSwit, window: float) -> None:
    swit.limited(20, window)
    seconds = swit.send(auto(swit, most=1000), 4000)
    assert seconds <= 1.6 * 200
    assert swit.refused <= 0.01 * 4000


def test_a_raised_limit_is_found(swit: SimulatedSwit) -> None:
    swit.limited(20)
    pace = auto(swit, most=1000)
    swit.send(pace, 600)
    swit.limited(200)
    seconds = swit.send(pace, 6000)
    assert seconds <= 120
    assert 180 <= pace.per_second <= 200


def test_a_lowered_limit_is_respected(swit: SimulatedSwit) -> None:
    swit.limited(200)
    pace = auto(swit, most=1000)
    swit.send(pace, 4000)
    swit.limited(20)
    swit.refused = 0
    swit.send(pace, 500)
    assert pace.per_second <= 20
    assert swit.refused <= 0.03 * 500


def test_without_a_limit_the_pace_reaches_its_maximum(swit: SimulatedSwit) -> None:
    pace = auto(swit)
    start = swit.now
    swit.send(pace, 50)
    assert pace.per_second == 20
    assert swit.now - start < 5
    seconds = swit.send(pace, 2000)
    assert seconds == pytest.approx(100 * 1.05, rel=0.01)


def test_an_unused_pace_does_not_grow(clock: Clock) -> None:
    """Teams under one parent are sent one by one, which says nothing about the limit."""
    pace = auto(clock, most=1000)
    for _ in range(200):
        turn = pace.wait()
        clock.now += 1
        pace.succeeded(turn)
    assert pace.per_second == 5


def test_a_429_halves_the_pace_once_for_all_requests_in_flight(clock: Clock) -> None:
    pace = auto(clock, 16)
    turns = [pace.wait() for _ in range(17)]
    clock.now += 0.01
    for turn in turns[9:]:
        pace.throttled(turn, None)
    assert pace.per_second == 8
    clock.now += 5
    pace.throttled(pace.wait(), None)
    assert pace.per_second < 8


def test_the_limit_is_estimated_from_the_requests_within_retry_after(clock: Clock) -> None:
    pace = auto(clock, 5, 1000)
    for _ in range(30):
        turn = pace.wait()
    pace.throttled(turn, 4)
    assert pace.per_second == pytest.approx(19 / 4 / 2)


def test_answers_to_requests_before_a_429_do_not_raise_the_pace(clock: Clock) -> None:
    pace = auto(clock, 16)
    turns = [pace.wait() for _ in range(16)]
    clock.now += 0.01
    pace.throttled(turns[-1], None)
    found = pace.per_second
    for turn in turns[:-1]:
        pace.succeeded(turn)
    assert pace.per_second == found


def test_the_pace_has_a_minimum(clock: Clock) -> None:
    pace = auto(clock)
    for _ in range(50):
        pace.throttled(pace.wait(), None)
        clock.now += 2
    assert pace.per_second == pytest.approx(0.2)
    for _ in range(20):
        pace.succeeded(pace.wait())
        clock.now += 2
    assert pace.per_second > 0.2


def test_no_request_is_sent_before_retry_after(clock: Clock) -> None:
    pace = auto(clock)
    pace.throttled(pace.wait(), 30)
    assert pace.wait() == pytest.approx(130)


def test_the_pace_starts_at_a_maximum_below_the_default_start(clock: Clock) -> None:
    pace = auto(clock, most=2)
    assert pace.per_second == 2
    pace.succeeded(pace.wait())
    assert pace.per_second == 2
    assert auto(clock, most=0.1).per_second == 0.1


def test_a_429_does_not_raise_a_very_low_maximum(clock: Clock) -> None:
    pace = auto(clock, most=0.1)
    pace.throttled(pace.wait(), None)
    assert pace.per_second == 0.1


@pytest.mark.parametrize(
    ("text", "start", "most"),
    [("auto", 5, 20), (" AUTO ", 5, 20), ("auto:10", 5, 10), ("auto:2.5", 2.5, 2.5)],
)
def test_auto_is_parsed_with_its_maximum(text: str, start: float, most: float) -> None:
    pace = parse_pace(text)
    assert isinstance(pace, AutoPace)
    assert pace.per_second == start
    assert pace.most_per_second == most


@pytest.mark.parametrize(("text", "per_second"), [("4", 4), ("0.5", 0.5), (" 12 ", 12)])
def test_a_number_is_parsed_as_a_fixed_pace(text: str, per_second: float) -> None:
    pace = parse_pace(text)
    assert type(pace) is FixedPace
    assert pace.per_second == per_second


@pytest.mark.parametrize(
    "text",
    ["", "fast", "0", "0.0", "-1", "auto:", "auto:0", ":5", "auto5", "inf", "nan", "1e3", "5/s"],
)
def test_an_invalid_pace_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a pace. Write auto, auto:10 .* such as 4"):
        parse_pace(text)
