"""`--since`: a date, a time, or how long ago; in the machine's own time zone if none is named."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from swit_provisioning.cli.framework import parse_time

NOW = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nine hours ahead, all year: it is 10:00 there."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("7d", datetime(2026, 3, 3, 1, 0, tzinfo=UTC)),
        ("24H", datetime(2026, 3, 9, 1, 0, tzinfo=UTC)),
        ("90m", datetime(2026, 3, 9, 23, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 24, 1, 0, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 2, 28, 15, 0, tzinfo=UTC)),
        ("2026-03-01 02:30", datetime(2026, 2, 28, 17, 30, tzinfo=UTC)),
        ("2026-03-01T02:30:15+01:00", datetime(2026, 3, 1, 1, 30, 15, tzinfo=UTC)),
        ("2026-03-01T02:30Z", datetime(2026, 3, 1, 2, 30, tzinfo=UTC)),
        ("9:30", datetime(2026, 3, 10, 0, 30, tzinfo=UTC)),
        ("10:00", datetime(2026, 3, 10, 1, 0, tzinfo=UTC)),
        ("10:01", datetime(2026, 3, 9, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, means: datetime) -> None:
    assert parse_time(f" {text} ", now=NOW) == means


@pytest.mark.parametrize("text", ["", "yesterday", "7x", "2026-13-01", "25:00", "999999w", "-3d"])
def test_anything_else_is_refused_with_the_text_and_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time; give a date \(2026-03-01\)") as refused:
        parse_time(text, now=NOW)
    assert repr(text) in str(refused.value)
