"""An attribute that many people or groups had in the last accepted read, and no longer have."""

import pytest

from swit_provisioning.planning.guards import GuardName
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning_tests.planning.made_plans import plan_with, verdict_of

GUARD: GuardName = "directory_attributes_still_there"


def stops(
    before: tuple[int, int], now: tuple[int, int], *, label: str = "mail", limit: str = "20%"
) -> bool:
    """Whether a plan is stopped; each read has so many with the attribute, of so many people."""
    last, present = ({"people": {"total": all_, label: n}} for n, all_ in (before, now))
    verdict = verdict_of(
        GUARD,
        plan_with(presence=present),
        last_presence=last,
        limits=Limits(max_directory_shrink=Limit.parse(limit)),
    )
    assert verdict.stops is not verdict.passed
    return verdict.stops


@pytest.mark.parametrize(
    ("before", "now", "is_stopped"),
    [
        ((1000, 1000), (800, 1000), False),
        ((1000, 1000), (799, 1000), True),
        ((50, 1000), (40, 1000), False),
        ((50, 1000), (39, 1000), True),
        ((5, 1000), (0, 1000), True),
        ((4, 1000), (0, 1000), False),
        ((0, 1000), (0, 1000), False),
        ((100, 1000), (300, 1000), False),
    ],
)
def test_more_than_a_fifth_of_those_who_had_it_and_at_least_five(
    before: tuple[int, int], now: tuple[int, int], *, is_stopped: bool
) -> None:
    assert stops(before, now) is is_stopped


def test_people_who_are_gone_took_their_attributes_with_them() -> None:
    """That is what `directory_has_not_shrunk` is about."""
    assert not stops((1000, 1000), (700, 700))
    assert not stops((500, 1000), (350, 700))
    assert stops((500, 1000), (250, 700))


def test_new_people_without_an_attribute_lose_none() -> None:
    assert not stops((100, 100), (100, 1000))


@pytest.mark.parametrize("label", ["account state", "disabled"])
def test_disabled_people_may_be_deleted_but_not_forgotten(label: str) -> None:
    assert not stops((40, 1000), (0, 960), label=label)
    assert stops((40, 1000), (0, 1000), label=label)
    assert stops((40, 1000), (10, 990), label=label)
    assert not stops((40, 1000), (36, 1000), label=label)


def test_account_states_that_nobody_may_read_any_more_stop_the_plan() -> None:
    assert stops((1000, 1000), (0, 1000), label="account state")


@pytest.mark.parametrize(("limit", "is_stopped"), [("none", False), ("50%", False), ("0%", True)])
def test_the_limit_is_that_of_a_directory_that_shrinks(limit: str, *, is_stopped: bool) -> None:
    assert stops((100, 100), (60, 100), limit=limit) is is_stopped


def test_an_attribute_that_is_no_longer_mapped_is_not_missed() -> None:
    last = {"people": {"total": 100, "name (displayName)": 100}}
    plan = plan_with(presence={"people": {"total": 100, "name (cn)": 100}})
    assert verdict_of(GUARD, plan, last_presence=last).passed


def test_the_first_read_and_one_of_an_earlier_version_miss_nothing() -> None:
    plan = plan_with(presence={"people": {"total": 100, "email (mail)": 0}})
    message = "No attribute disappeared since the last accepted read."
    assert verdict_of(GUARD, plan).message == message
    assert verdict_of(GUARD, plan_with(), last_presence={"people": {"total": 9}}).passed


def test_the_message_names_each_attribute_the_numbers_and_what_to_look_at() -> None:
    plan = plan_with(
        presence={
            "people": {"total": 100, "name (displayName)": 5, "disabled": 0},
            "groups": {"total": 20, "members": 0},
        }
    )
    last = {
        "people": {"total": 100, "name (displayName)": 95, "disabled": 6},
        "groups": {"total": 20, "members": 18},
    }
    verdict = verdict_of(GUARD, plan, last_presence=last)
    rights = "(may the account still read it?), MAX_DIRECTORY_SHRINK=20% allows fewer;"
    assert verdict.message == (
        f"90 of 95 people that had name (displayName) in the last accepted read no longer have it"
        f" {rights} 6 of 6 people that were disabled in the last accepted read no longer are"
        f" {rights} 18 of 18 groups that had members in the last accepted read no longer have it"
        f" {rights} if this is meant: swit-provisioning apply {plan.plan_id} --approve"
        ' "reason".'
    )


def test_people_of_other_search_bases_are_not_compared() -> None:
    plan = plan_with(presence={"people": {"total": 100, "mail": 0}})
    last = {"people": {"total": 100, "mail": 100}}
    bases = {"ou=elsewhere": {"users": 100, "groups": 1}}
    assert verdict_of(GUARD, plan, last_presence=last).stops
    assert verdict_of(GUARD, plan, last_presence=last, last_read=bases).passed


def test_an_approval_lifts_it() -> None:
    plan = plan_with(presence={"people": {"total": 100, "mail": 0}})
    last = {"people": {"total": 100, "mail": 100}}
    verdict = verdict_of(GUARD, plan, last_presence=last, approval=frozenset({GUARD}))
    assert (verdict.passed, verdict.blocking, verdict.lifted) == (False, False, True)
