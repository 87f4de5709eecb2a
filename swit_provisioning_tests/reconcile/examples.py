"""How many made-up organisations a test tries: ten times as many in CI as at the desk."""

import os

from hypothesis import HealthCheck, settings

THOROUGHNESS = 10 if os.environ.get("CI") else 1


def examples(number: int) -> settings:
    """Always the same ones, so that a change that breaks one is the change at hand."""
    return settings(
        max_examples=number * THOROUGHNESS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
