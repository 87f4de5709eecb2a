"""Whole plans, kept as files: each word, number and place of them.

A change that is meant is written by `python -m swit_provisioning_tests.planning.test_whole_plans`,
and read in the review.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.odd_day import odd_day

PLANS: dict[str, Callable[[], Plan]] = {"busy_day": plan_of_the_day, "odd_day": odd_day}


def kept(day: str) -> Path:
    return Path(__file__).with_name("whole_plans") / f"{day}.json"


@pytest.mark.parametrize("day", PLANS)
def test_a_whole_plan_is_the_one_that_is_kept(day: str) -> None:
    stored = json.loads(kept(day).read_text("utf-8"))
    plan = PLANS[day]()
    assert plan.document() == stored
    assert Plan.of(stored) == plan


if __name__ == "__main__":
    for day, make in PLANS.items():
        text = json.dumps(make().document(), ensure_ascii=False, indent=1)
        kept(day).write_text(text + "\n", "utf-8")
