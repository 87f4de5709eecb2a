"""How many calls a plan takes, and how long: what `plan` promises before anything is sent."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.model import Change, calls_by_kind, estimate
from swit_provisioning_tests.planning.made_plans import (
    change,
    deletion,
    marking,
    plan_with,
    removal,
)

A_USER = change("user.update", "U1")
SORT = change("team.sort", "T1")
ORGANISATION_USER_TEAMS = 3


def emptied(team: str) -> Change:
    step: Step = "delete_emptied_teams"
    return replace(deletion(team), step=step)


def test_an_empty_plan_takes_nothing() -> None:
    assert estimate(plan_with(users=5000), 5.0) == (0, 0.0)


@pytest.mark.parametrize(
    ("users", "pages"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (100_000, 100)]
)
def test_the_users_are_read_a_thousand_at_a_time(users: int, pages: int) -> None:
    calls, _ = estimate(plan_with(A_USER, users=users), 1.0)
    assert calls == ORGANISATION_USER_TEAMS + pages + 1


@pytest.mark.parametrize(
    ("changes", "readings"),
    [
        ([marking("T1"), change("team.create", "new:team:x"), removal("T1", 3)], 0),
        ([deletion("T1")], 1),
        ([deletion("T1"), deletion("T2")], 1),
        ([emptied("T1")], 1),
        ([SORT], 1),
        ([deletion("T1"), emptied("T2")], 2),
        ([deletion("T1"), emptied("T2"), SORT, change("team.sort", "T2")], 3),
    ],
)
def test_teams_are_read_again_before_each_step_that_deletes_or_sorts(
    changes: Sequence[Change], readings: int
) -> None:
    calls, _ = estimate(plan_with(*changes, users=10), 1.0)
    assert calls == ORGANISATION_USER_TEAMS + 1 + readings + len(changes)


@pytest.mark.parametrize(("users", "pages"), [(0, 1), (999, 1), (1000, 2), (3000, 4)])
def test_users_are_read_again_before_primary_teams_where_memberships_change(
    users: int, pages: int
) -> None:
    primary, made = change("primary.update", "U1"), change("user.create", "new:user:x")
    without, _ = estimate(plan_with(primary, made, users=users), 1.0)
    calls, _ = estimate(plan_with(primary, made, removal("T1", 1), users=users), 1.0)
    assert calls == without + pages + 1


def test_a_membership_change_is_one_call_however_many_join_or_leave() -> None:
    few, _ = estimate(plan_with(removal("T1", 1)), 1.0)
    many, _ = estimate(plan_with(removal("T1", 900)), 1.0)
    assert few == many


@pytest.mark.parametrize(("per_second", "seconds"), [(0.5, 10.0), (1.0, 5.0), (20.0, 0.25)])
def test_it_takes_as_long_as_the_pace_says(per_second: float, seconds: float) -> None:
    assert estimate(plan_with(A_USER), per_second) == (5, seconds)


def test_what_a_disabled_action_would_do_takes_no_call() -> None:
    plan = plan_with(A_USER)
    assert estimate(replace(plan, disabled=(deletion("T1"),)), 1.0) == estimate(plan, 1.0)
    assert estimate(replace(plan_with(), disabled=(deletion("T1"),)), 1.0) == (0, 0.0)


def test_the_calls_are_told_by_what_they_are_for() -> None:
    plan = plan_with(A_USER, change("user.update", "U2"), SORT, users=10)
    by_kind = calls_by_kind(plan)
    assert by_kind == {"reading": ORGANISATION_USER_TEAMS + 2, "user.update": 2, "team.sort": 1}
    assert estimate(plan, 4.0) == (sum(by_kind.values()), sum(by_kind.values()) / 4)
    assert calls_by_kind(plan_with(users=10)) == {}
