"""When the next run starts. The times are those of Dagster's own daemon."""

from datetime import UTC, datetime

import pytest

from swit_provisioning.operations.installation_status import next_run
from swit_provisioning.settings import ScheduleSettings


def after(
    monkeypatch: pytest.MonkeyPatch, now: str, clock: str, zone: str = "Europe/Berlin"
) -> str:
    monkeypatch.setenv("SCHEDULE_TIME", clock)
    monkeypatch.setenv("SCHEDULE_TIMEZONE", zone)
    found = next_run(ScheduleSettings.load(), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found is not None
    assert found.utcoffset() is not None
    return found.astimezone(UTC).strftime("%d %H:%M")


def test_without_a_time_there_is_no_next_run() -> None:
    assert next_run(ScheduleSettings.load(), datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("now", "clock", "expected"),
    [
        ("2026-01-10 00:00", "02:30", "10 01:30"),
        ("2026-01-10 01:29:59", "02:30", "10 01:30"),
        ("2026-01-10 01:30", "02:30", "11 01:30"),
        ("2026-01-10 23:30", "00:15", "11 23:15"),
        ("2026-01-31 12:00", "00:00", "31 23:00"),
    ],
)
def test_it_is_the_next_time_the_clock_shows_that(
    monkeypatch: pytest.MonkeyPatch, now: str, clock: str, expected: str
) -> None:
    assert after(monkeypatch, now, clock) == expected


@pytest.mark.parametrize(
    ("now", "clock", "expected"),
    [
        # In the night to 29 March 2026 there is no time from 02:00 to 03:00.
        ("2026-03-28 12:00", "02:30", "29 01:00"),
        ("2026-03-28 12:00", "02:00", "29 01:00"),
        ("2026-03-28 12:00", "03:00", "29 01:00"),
        ("2026-03-28 12:00", "01:59", "29 00:59"),
        ("2026-03-29 01:00", "02:30", "30 00:30"),
        # In the night to 25 October 2026 the time from 02:00 to 03:00 comes twice.
        ("2026-10-24 12:00", "02:30", "25 01:30"),
        ("2026-10-25 00:45", "02:30", "25 01:30"),
        ("2026-10-25 01:30", "02:30", "26 01:30"),
        ("2026-10-24 12:00", "03:00", "25 02:00"),
    ],
)
def test_a_change_of_the_clocks_neither_loses_nor_doubles_a_run(
    monkeypatch: pytest.MonkeyPatch, now: str, clock: str, expected: str
) -> None:
    assert after(monkeypatch, now, clock) == expected


def test_a_clock_change_of_half_an_hour_works_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lord Howe Island, 4 October 2026: 02:00 is 02:30."""
    assert after(monkeypatch, "2026-10-03 12:00", "02:15", "Australia/Lord_Howe") == "03 15:30"
