"""How many calls a plan takes, and how long."""

from math import ceil
from typing import Final

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.model import Plan

READING: Final = "reading"
"""The calls that only read."""
_USERS_A_PAGE = 1000
READ_BEFORE: tuple[Step, ...] = ("delete_teams", "delete_emptied_teams", "sort_teams")
"""Steps before which the teams are read again."""
_MEMBERSHIPS: tuple[Step, ...] = ("add_members", "remove_members")


def estimate(plan: Plan, per_second: float) -> tuple[int, float]:
    """The number of calls that apply a plan, and the seconds they take at `per_second`."""
    calls = sum(calls_by_kind(plan).values())
    return calls, calls / per_second


def calls_by_kind(plan: Plan) -> dict[str, int]:
    """The number of calls for `reading` and for each action; empty for an empty plan.

    Both sides are read again first (organisation, authorised user, users, teams); teams are read
    again before each op that deletes or sorts, users before primary teams are set where
    memberships change.
    """
    if not plan.changes:
        return {}
    pages = max(ceil(plan.baselines.users / _USERS_A_PAGE), 1)
    reads = 3 + pages + sum(bool(plan.of_step(step)) for step in READ_BEFORE)
    if plan.of_step("update_primary_teams") and any(map(plan.of_step, _MEMBERSHIPS)):
        made = len(plan.of_step("create_users"))
        reads += max(ceil((plan.baselines.users + made) / _USERS_A_PAGE), 1)
    return {READING: reads, **plan.counts()}
