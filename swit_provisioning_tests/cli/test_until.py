"""Points in time as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from swit_provisioning.cli.framework import parse_time

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")  # 9 hours ahead: it is 21:00 there


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3d", datetime(2026, 3, 13, 12, 0, tzinfo=UTC)),
        ("12h", datetime(2026, 3, 11, 0, 0, tzinfo=UTC)),
        ("45 m", datetime(2026, 3, 10, 12, 45, tzinfo=UTC)),
        ("2w", datetime(2026, 3, 24, 12, 0, tzinfo=UTC)),
        ("2026-03-12", datetime(2026, 3, 11, 15, 0, tzinfo=UTC)),
        ("2026-03-12 08:00", datetime(2026, 3, 11, 23, 0, tzinfo=UTC)),
        ("2026-03-12T08:00+00:00", datetime(2026, 3, 12, 8, 0, tzinfo=UTC)),
        ("22:30", datetime(2026, 3, 10, 13, 30, tzinfo=UTC)),
        ("21:00", datetime(2026, 3, 11, 12, 0, tzinfo=UTC)),
        ("2:30", datetime(2026, 3, 10, 17, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_local_to_the_schedule_and_lies_ahead(text: str, meant: datetime) -> None:
    assert parse_time(text, now=NOW, zone=SEOUL, ahead=True) == meant


@pytest.mark.parametrize("text", ["tomorrow", "25:00", "2026-13-01", "", "3 years", "0d"])
def test_what_is_no_time_to_come_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"3d|in the future"):
        parse_time(text, now=NOW, zone=SEOUL, ahead=True)


def test_a_time_that_is_over_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-03-09 00:00 is over"):
        parse_time("2026-03-09", now=NOW, zone=SEOUL, ahead=True)
