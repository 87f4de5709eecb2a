"""When the next daily run is: the same as Dagster's schedule has it."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from swit_provisioning.operations.installation_status import next_daily


@pytest.mark.parametrize(
    ("clock", "timezone", "begin"),
    [
        ("02:30", "UTC", datetime(2026, 2, 27, 12, tzinfo=UTC)),
        ("02:30", "Asia/Seoul", datetime(2026, 12, 30, tzinfo=UTC)),
        ("02:30", "Europe/Berlin", datetime(2026, 3, 27, tzinfo=UTC)),
        ("02:30", "Europe/Berlin", datetime(2026, 10, 23, tzinfo=UTC)),
        ("02:00", "America/New_York", datetime(2026, 3, 6, tzinfo=UTC)),
        ("01:59", "America/New_York", datetime(2026, 10, 30, tzinfo=UTC)),
        ("00:00", "Asia/Beirut", datetime(2026, 3, 27, tzinfo=UTC)),
        ("02:15", "Australia/Lord_Howe", datetime(2026, 10, 2, tzinfo=UTC)),
    ],
)
def test_the_next_runs_are_those_of_the_schedule(
    clock: str, timezone: str, begin: datetime
) -> None:
    hour, minute = clock.split(":")
    cron = f"{int(minute)} {int(hour)} * * *"
    iterator = schedule_execution_time_iterator(begin.timestamp(), cron, timezone, ascending=True)
    wanted = [time.astimezone(UTC) for time in islice(iterator, 6)]
    found, after = [], begin - timedelta(seconds=1)
    for _ in wanted:
        after = next_daily(clock, timezone, after=after)
        found.append(after)
    assert found == wanted
