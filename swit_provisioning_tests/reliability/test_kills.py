"""A run killed at every call and resumed: nothing lost, nothing made twice, one call repeated."""

import pytest

from swit_provisioning_tests.reliability.kills import SERIES, Series, carry_out
from swit_provisioning_tests.tiers import Tier

CALLS = 150


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_a_run_killed_at_any_call_is_resumed_to_the_same_result(tier: Tier, series: Series) -> None:
    row = carry_out(series, tier.kill_step)
    assert row.calls >= CALLS
    assert len(row.kills) >= CALLS // max(series.step, tier.kill_step)
    assert [kill for kill in row.kills if not kill.equal] == []
    assert sum(kill.twice for kill in row.kills) == 0
    assert max(kill.again for kill in row.kills) <= series.concurrency
