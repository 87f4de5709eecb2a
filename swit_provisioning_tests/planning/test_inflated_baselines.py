"""Percentages are of what was there a week ago: new objects do not raise a limit."""

from collections.abc import Callable

import pytest

from swit_provisioning.planning.guards import GuardName
from swit_provisioning.planning.limits import RecentCounts
from swit_provisioning.planning.model import Change
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning_tests.planning.made_plans import (
    change,
    deletion,
    ids,
    plan_with,
    removal,
    verdict_of,
)

TEN_PERCENT = Limit.parse("10%")
LIMITS = Limits(
    max_user_creations=TEN_PERCENT, max_team_creations=TEN_PERCENT, max_updates=TEN_PERCENT
)
NOW = {
    "active_users_that_may_go": 1000,
    "teams_that_may_go": 1000,
    "memberships": 1000,
    "users": 1000,
    "teams": 1000,
}
Make = Callable[[int], list[Change]]


def leavers(number: int) -> list[Change]:
    return [change("user.deactivate", user) for user in ids("U", number)]


CASES: dict[str, tuple[GuardName, str, Make]] = {
    "departures": ("deactivations_within_limit", "active_users_that_may_go", leavers),
    "deletions": (
        "team_deletions_within_limit",
        "teams_that_may_go",
        lambda number: [deletion(team) for team in ids("T", number)],
    ),
    "removals": (
        "membership_removals_within_limit",
        "memberships",
        lambda number: [removal("T1", number)],
    ),
    "new users": (
        "creations_within_limit",
        "users",
        lambda number: [change("user.create", f"new:user:{n}") for n in range(number)],
    ),
    "new teams": (
        "creations_within_limit",
        "teams",
        lambda number: [change("team.create", f"new:team:{n}") for n in range(number)],
    ),
}


@pytest.mark.parametrize(("guard", "name", "make"), CASES.values(), ids=CASES)
def test_a_share_is_of_the_smallest_accepted_count(guard: GuardName, name: str, make: Make) -> None:
    week = RecentCounts(smallest={name: 300})
    fine, over = (plan_with(*make(number), **NOW) for number in (30, 31))
    assert verdict_of(guard, over, limits=LIMITS).passed, "100 of 1000"
    assert verdict_of(guard, fine, limits=LIMITS, recent_counts=week).passed
    assert verdict_of(guard, over, limits=LIMITS, recent_counts=week).stops


@pytest.mark.parametrize(("guard", "name", "make"), CASES.values(), ids=CASES)
def test_a_share_is_of_what_is_there_now_if_that_is_less(
    guard: GuardName, name: str, make: Make
) -> None:
    week = RecentCounts(smallest={name: 5000})
    plan = plan_with(*make(101), **NOW)
    assert verdict_of(guard, plan, limits=LIMITS, recent_counts=week).stops


def test_updates_are_a_share_of_the_users_and_of_the_teams_that_were_there() -> None:
    changes = [change("user.update", user) for user in ids("U", 41)]
    week = RecentCounts(smallest={"users": 300, "teams": 100})
    for number, passes in ((40, True), (41, False)):
        plan = plan_with(*changes[:number], **NOW)
        verdict = verdict_of("updates_within_limit", plan, limits=LIMITS, recent_counts=week)
        assert verdict.passed is passes


def test_users_that_we_created_do_not_count() -> None:
    """Nothing was accepted meanwhile: only a part of each plan was applied."""
    week = RecentCounts(created_users=900)
    fine, over = (plan_with(*leavers(number), **NOW) for number in (10, 11))
    assert verdict_of("deactivations_within_limit", fine, recent_counts=week).passed
    verdict = verdict_of("deactivations_within_limit", over, recent_counts=week)
    assert verdict.stops
    assert verdict.message.startswith(
        "11 of 100 active users in scope would be deactivated or removed (1000 are there, those"
        " added in the last 7 days do not count), MAX_DEACTIVATIONS=10% allows fewer;"
    )


def test_more_created_than_there_are_leaves_nothing_to_take_a_share_of() -> None:
    week = RecentCounts(created_users=2000)
    one, two = (plan_with(*leavers(number), **NOW) for number in (1, 2))
    assert verdict_of("deactivations_within_limit", one, recent_counts=week).passed
    assert verdict_of("deactivations_within_limit", two, recent_counts=week).stops


def test_what_went_today_is_still_part_of_the_share() -> None:
    """Ten of a hundred a day, in as many runs as it takes."""
    week = RecentCounts(smallest={"active_users_that_may_go": 100})
    plan = plan_with(*leavers(1), active_users_that_may_go=91)
    for before, passes in ((9, True), (10, False)):
        recent = {"user.deactivate": before}
        verdict = verdict_of("deactivations_within_limit", plan, recent=recent, recent_counts=week)
        assert verdict.passed is passes
