"""A run killed at every call and resumed: nothing lost, nothing made twice, one call sent again."""

import pytest

from swit_provisioning_tests.reliability.kills import SERIES, Row, Series, all_rows

CALLS = 150


@pytest.fixture(scope="module")
def rows() -> dict[Series, Row]:
    """All of it, in two processes at a time: the longest of the tests."""
    return {row.series: row for row in all_rows()}


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_a_run_killed_at_any_call_is_resumed_to_the_same_end(
    rows: dict[Series, Row], series: Series
) -> None:
    row = rows[series]
    assert row.calls >= CALLS
    assert len(row.kills) == len(range(0, row.calls, series.step))
    assert [kill for kill in row.kills if not kill.equal] == []
    assert sum(kill.twice for kill in row.kills) == 0
    assert max(kill.again for kill in row.kills) <= series.concurrency
