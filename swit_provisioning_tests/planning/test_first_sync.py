"""A first sync takes nothing away and activates nobody without an approval."""

import pytest

from swit_provisioning.planning.guards import GuardName
from swit_provisioning.planning.model import Change
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning_tests.planning.made_plans import (
    change,
    deletion,
    ids,
    marking,
    plan_with,
    removal,
    verdict_of,
)

NAME: GuardName = "first_sync_takes_nothing_away"
ONE_OF_EACH = {
    "user.deactivate": (change("user.deactivate", "U1"), "1 users would be deactivated or removed"),
    "user.remove": (change("user.remove", "U1"), "1 users would be deactivated or removed"),
    "team.delete": (deletion("T1"), "1 teams would be deleted or marked"),
    "team.mark": (marking("T1"), "1 teams would be deleted or marked"),
    "membership.remove": (removal("T1", 2), "2 memberships would be removed"),
    "user.activate": (change("user.activate", "U1"), "1 users would be activated"),
}
MANY = {"active_users_that_may_go": 1000, "teams_that_may_go": 1000, "memberships": 1000}


@pytest.mark.parametrize(("taken", "words"), ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_first_sync_takes_nothing_away_without_an_approval(taken: Change, words: str) -> None:
    """One of a thousand is within every other limit."""
    plan = plan_with(change("user.create", "new:user:a"), taken, **MANY)
    verdict = verdict_of(NAME, plan, last_read={})
    assert verdict.stops
    assert verdict.message == (
        "No plan was applied completely so far, and without an approval a first sync takes nothing"
        f" away and activates nobody (FIRST_SYNC=additive): {words}; if this is meant:"
        f' swit-provisioning apply {plan.plan_id} --approve "reason".'
    )
    lifted = verdict_of(NAME, plan, last_read={}, approval=frozenset({NAME}))
    assert (lifted.stops, lifted.lifted) == (False, True)


@pytest.mark.parametrize(("taken", "_words"), ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_later_sync_and_a_full_first_one_only_have_the_other_limits(
    taken: Change, _words: str
) -> None:
    plan = plan_with(taken, **MANY)
    assert verdict_of(NAME, plan).passed
    assert verdict_of(NAME, plan, limits=Limits(first_sync="full"), last_read={}).passed


def test_the_message_has_the_number_of_each_loss() -> None:
    plan = plan_with(
        *(change("user.deactivate", user) for user in ids("U", 3)),
        deletion("T1", members=4),
        removal("T2", 5),
        change("user.activate", "U9"),
    )
    assert (
        "3 users would be deactivated or removed, 1 teams would be deleted or marked,"
        " 9 memberships would be removed, 1 users would be activated;"
    ) in verdict_of(NAME, plan, last_read={}).message


def test_a_first_sync_may_create_all() -> None:
    changes = [change("user.create", f"new:user:{n}") for n in range(300)]
    changes += [change("team.create", f"new:team:{n}") for n in range(40)]
    plan = plan_with(*changes, users=1, teams=1)
    assert verdict_of("creations_within_limit", plan).stops
    first = verdict_of("creations_within_limit", plan, last_read={})
    assert first.passed
    assert first.message == (
        "300 users would be created, beside the 1 there are (a first sync may create all);"
        " 40 teams would be created, beside the 1 there are (a first sync may create all)."
    )


@pytest.mark.parametrize("limit", ["299", "50%,299", "0", "0%"])
def test_a_number_limits_the_creations_of_a_first_sync_too(limit: str) -> None:
    changes = [change("user.create", f"new:user:{n}") for n in range(300)]
    limits = Limits(max_user_creations=Limit.parse(limit))
    plan = plan_with(*changes, users=1)
    assert verdict_of("creations_within_limit", plan, limits=limits, last_read={}).stops
