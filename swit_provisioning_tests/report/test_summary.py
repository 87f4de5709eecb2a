"""A plan in one sentence."""

import pytest

from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.report.summary import (
    by_action,
    dangerous_first,
    duration,
    plan_summary,
    summary,
)
from swit_provisioning_tests.planning.made_plans import change, deletion, marking, removal


def rename(team: str) -> Change:
    return change("team.update", team, before={"name": team}, after={"name": f"New {team}"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([], "nothing to do"),
        (
            [*(change("user.create", f"n{n}") for n in range(12)), rename("A"), rename("B")]
            + [change("user.deactivate", f"u{n}") for n in range(3)],
            "3 users to deactivate, 12 to create; 2 teams to rename",
        ),
        (
            [change("user.create", "u2"), change("user.deactivate", "u1")],
            "1 user to deactivate, 1 to create",
        ),
        ([change("user.remove", "u")], "1 user to remove"),
        ([change("user.activate", "u"), change("user.activate", "v")], "2 users to activate"),
        ([deletion("A", 2), removal("B", 5)], "1 team to delete; 5 memberships to remove"),
        ([marking("A")], "1 team to mark as removed"),
        (
            [change("team.update", "A", after={"name": "B", "parent_id": "t", "reference": "r"})],
            "1 team to rename, 1 to move",
        ),
        ([change("team.update", "A", after={"reference": "r"})], "1 team to re-key"),
        (
            [change("membership.add", "A", after={"user_ids": ["a", "b"]})],
            "2 memberships to add",
        ),
        ([change("team.sort", "A")], "1 team order to change"),
        ([change("user.create", str(n)) for n in range(1234)], "1,234 users to create"),
    ],
)
def test_the_summary_counts_users_teams_and_memberships(changes: list[Change], says: str) -> None:
    assert summary(changes) == says


def test_what_takes_something_away_comes_before_what_adds() -> None:
    mixed = [change("user.create", "a"), deletion("T"), change("user.deactivate", "b")]
    assert [c.action for c in dangerous_first(mixed)] == [
        "user.deactivate",
        "team.delete",
        "user.create",
    ]
    assert list(by_action(mixed)) == ["user.deactivate", "team.delete", "user.create"]


def test_changes_of_one_action_keep_their_order() -> None:
    """Teams are made parents first; a list that is sorted otherwise would tell another story."""
    made = [change("team.create", name) for name in ("z", "a", "m")]
    assert dangerous_first(made) == made


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.4, "a second at most"),
        (1.2, "2 seconds"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (600, "10 minutes"),
    ],
)
def test_a_time_is_told_as_people_say_it(seconds: float, says: str) -> None:
    assert duration(seconds) == says


def test_the_plan_for_one_person_says_for_whom_it_is() -> None:
    plan = Plan(changes=(), person="ann@x")
    assert plan_summary(plan) == "nothing to do (for ann@x only)"
    assert plan_summary(Plan(changes=())) == "nothing to do"
