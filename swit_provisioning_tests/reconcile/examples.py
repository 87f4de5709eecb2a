"""How many made-up organisations a test tries: ten times as many in CI as at the desk.

With `SHRINK=no` the first that fails is as good as the smallest: nobody looks at it.
"""

import os

from hypothesis import HealthCheck, Phase, settings

THOROUGHNESS = 10 if os.environ.get("CI") else 1
PHASES = [p for p in Phase if p is not Phase.shrink or os.environ.get("SHRINK") != "no"]


def examples(number: int) -> settings:
    """Always the same ones, so that a change that breaks one is the change at hand."""
    return settings(
        max_examples=number * THOROUGHNESS,
        phases=PHASES,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
