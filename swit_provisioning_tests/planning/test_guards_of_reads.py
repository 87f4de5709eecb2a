"""Guards on what was read, and on who must never be touched: most of them no approval lifts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.guards import GUARDS, NEVER_LIFTED, GuardName
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning_tests.planning.made_plans import (
    STAFF,
    WHOLE_SWIT,
    change,
    deletion,
    plan_with,
    removal,
    verdict_of,
)

BRANCH = "ou=branch,dc=x"
Counts = Mapping[str, Mapping[str, int]]


def counts(users: int, groups: int = 10) -> dict[str, int]:
    return {"users": users, "groups": groups}


def test_a_read_without_one_usable_user_is_a_broken_read() -> None:
    plan = plan_with(directory={STAFF: counts(0), BRANCH: counts(0)})
    verdict = verdict_of("directory_read_is_complete", plan, last_read={})
    assert verdict.stops
    assert verdict.message == (
        "No usable user was read from the directory: check its filter, bases and account."
    )


def test_a_read_that_is_whole_says_how_much_it_is() -> None:
    plan = plan_with(directory={STAFF: counts(100), BRANCH: counts(3, groups=2)})
    assert verdict_of("directory_read_is_complete", plan).message == (
        "Every base was read: 103 usable users and 12 groups in all."
    )
    assert verdict_of("swit_read_is_complete", plan_with(teams=7)).message == (
        "All 100 users were read, and 7 teams."
    )


def test_a_base_that_gave_users_before_and_none_now_stops_all() -> None:
    plan = plan_with(directory={STAFF: counts(100), BRANCH: counts(0, groups=3)})
    last = {STAFF: counts(100), BRANCH: counts(4)}
    verdict = verdict_of("directory_read_is_complete", plan, last_read=last)
    assert verdict.stops
    assert verdict.message.endswith(
        "u=branch,dc=x gave 4 users in the last accepted read and none now: check the account's"
        " rights. If the base is meant to be empty, take it out of the settings."
    )


@pytest.mark.parametrize(
    ("last_read", "why"),
    [
        ({STAFF: counts(100), BRANCH: counts(0)}, "it gave none before"),
        ({STAFF: counts(100)}, "it is new"),
        ({}, "there was no read before"),
    ],
)
def test_a_base_without_users_is_fine_where_none_are_missed(last_read: Counts, why: str) -> None:
    plan = plan_with(directory={STAFF: counts(100), BRANCH: counts(0)})
    assert verdict_of("directory_read_is_complete", plan, last_read=last_read).passed, why


def test_a_base_with_one_user_left_is_read_and_only_shrunk() -> None:
    plan = plan_with(directory={STAFF: counts(100), BRANCH: counts(1)})
    last = {STAFF: counts(100), BRANCH: counts(4)}
    assert verdict_of("directory_read_is_complete", plan, last_read=last).passed
    assert verdict_of("directory_has_not_shrunk", plan, last_read=last).stops


@pytest.mark.parametrize("guard", ["directory_read_is_complete", "directory_has_not_shrunk"])
def test_a_base_that_is_no_longer_in_the_settings_is_not_missed(guard: GuardName) -> None:
    plan = plan_with(directory={STAFF: counts(100)})
    last = {STAFF: counts(100), BRANCH: counts(4000, groups=400)}
    assert verdict_of(guard, plan, last_read=last).passed


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        (counts(80, groups=8), True),
        (counts(79, groups=8), False),
        (counts(80, groups=7), False),
        (counts(400, groups=40), True),
    ],
)
def test_a_base_may_shrink_by_a_fifth_of_its_users_and_of_its_groups(
    now: dict[str, int], *, passes: bool
) -> None:
    plan = plan_with(directory={STAFF: now})
    last = {STAFF: counts(100, groups=10)}
    assert verdict_of("directory_has_not_shrunk", plan, last_read=last).passed is passes


def test_what_one_base_won_does_not_make_up_for_what_another_lost() -> None:
    plan = plan_with(directory={STAFF: counts(200), BRANCH: counts(5)})
    last = {STAFF: counts(100), BRANCH: counts(10)}
    verdict = verdict_of("directory_has_not_shrunk", plan, last_read=last)
    assert verdict.stops
    assert verdict.message == (
        f"5 of 10 users of {BRANCH} are gone since the last accepted read,"
        " MAX_DIRECTORY_SHRINK=20% allows fewer; if this is meant:"
        f' swit-provisioning apply {plan.plan_id} --approve "reason".'
    )


@pytest.mark.parametrize(("limit", "passes"), [("20%", True), ("0%", False), ("0", False)])
def test_one_user_may_always_be_gone_unless_the_limit_is_zero(limit: str, *, passes: bool) -> None:
    plan = plan_with(directory={STAFF: counts(1)})
    limits = Limits(max_directory_shrink=Limit.parse(limit))
    last = {STAFF: counts(2)}
    verdict = verdict_of("directory_has_not_shrunk", plan, limits=limits, last_read=last)
    assert verdict.passed is passes


def test_a_directory_of_the_same_size_has_not_shrunk_even_where_nobody_may_be_gone() -> None:
    limits = Limits(max_directory_shrink=Limit.parse("0%"))
    last = {STAFF: counts(100)}
    assert verdict_of("directory_has_not_shrunk", plan_with(), limits=limits, last_read=last).passed


def test_a_base_of_which_nothing_was_counted_gave_nobody() -> None:
    """An accepted read of an earlier version may lack a count."""
    plan = plan_with(directory={STAFF: {}})
    assert verdict_of("directory_read_is_complete", plan).stops
    plan = plan_with(directory={STAFF: counts(100), BRANCH: {}})
    last = {STAFF: {}, BRANCH: counts(1)}
    assert verdict_of("directory_read_is_complete", plan, last_read=last).stops
    strict = Limits(max_directory_shrink=Limit.parse("0"))
    verdict = verdict_of("directory_has_not_shrunk", plan, limits=strict, last_read=last)
    assert verdict.message.startswith(f"1 of 1 users of {BRANCH} are gone")
    fine = plan_with(directory={STAFF: counts(0, groups=0)})
    nothing: Counts = {STAFF: {}}
    assert verdict_of("directory_has_not_shrunk", fine, limits=strict, last_read=nothing).passed


def test_an_approval_lifts_the_guard_on_a_directory_that_shrank() -> None:
    plan = plan_with(directory={STAFF: counts(10)})
    name: GuardName = "directory_has_not_shrunk"
    last = {STAFF: counts(100)}
    verdict = verdict_of(name, plan, last_read=last, approval=frozenset({name}))
    assert (verdict.passed, verdict.blocking, verdict.lifted) == (False, False, True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"total_rows": 101},
            "Swit says it has 101 users, 100 were read: read again.",
        ),
        (
            {"distinct_users": 101},
            "Swit says it has 100 users, 101 were read: read again.",
        ),
        ({"roots": 0}, "0 root teams were read, there must be one: read again."),
        ({"roots": 2}, "2 root teams were read, there must be one: read again."),
        ({"orphans": 1}, "Teams whose parent was not read: 1; read again."),
        (
            {"authorised_user": False},
            "The account that authorised this program is not among the users: log in again.",
        ),
        (
            {"authorised_active": False},
            "The account that authorised this program is not an active admin: log in with one.",
        ),
        (
            {"authorised_admin": False},
            "The account that authorised this program is not an active admin: log in with one.",
        ),
    ],
)
def test_a_read_of_swit_that_cannot_be_whole_stops_all(facts: dict[str, Any], message: str) -> None:
    verdict = verdict_of("swit_read_is_complete", plan_with(swit={**WHOLE_SWIT, **facts}))
    assert verdict.stops
    assert verdict.message == message


def test_a_plan_that_knows_nothing_of_the_read_of_swit_is_stopped() -> None:
    verdict = verdict_of("swit_read_is_complete", plan_with(swit={}))
    assert verdict.stops
    assert verdict.message == (
        "0 root teams were read, there must be one: read again; the account that authorised this"
        " program is not among the users: log in again."
    )


def test_all_that_is_wrong_with_a_read_is_said_at_once() -> None:
    swit = {**WHOLE_SWIT, "roots": 2, "orphans": 3}
    message = verdict_of("swit_read_is_complete", plan_with(swit=swit)).message
    assert "2 root teams" in message
    assert "teams whose parent was not read: 3" in message


LEFT_ALONE = {"U9": "USERS_TO_EXCLUDE", "T9": "SWIT_TEAMS_TO_KEEP or TEAMS_TO_EXCLUDE"}
ROUTES = {
    "a user is updated": ("U9", change("user.update", "U9", after={"name": "X"})),
    "a user is deactivated": ("U9", change("user.deactivate", "U9")),
    "a user is activated": ("U9", change("user.activate", "U9")),
    "a user joins": ("U9", change("membership.add", "T1", after={"user_ids": ["U1", "U9"]})),
    "a user leaves": ("U9", change("membership.remove", "T1", before={"user_ids": ["U1", "U9"]})),
    "a user's primary team": ("U9", change("primary.update", "U9", after={"team_id": "T1"})),
    "a team is renamed": ("T9", change("team.update", "T9", after={"name": "X"})),
    "a team is deleted": ("T9", deletion("T9")),
    "a team gets members": ("T9", change("membership.add", "T9", after={"user_ids": ["U1"]})),
    "a team loses members": ("T9", removal("T9", 1)),
    "a team becomes a primary one": (
        "T9",
        change("primary.update", "U1", after={"team_id": "T9"}),
    ),
}


@pytest.mark.parametrize(("object_id", "touching"), ROUTES.values(), ids=ROUTES)
def test_who_is_left_alone_is_touched_on_no_route(object_id: str, touching: Change) -> None:
    innocent = change("user.update", "U1", after={"name": "X"})
    plan = plan_with(innocent, touching, protected=LEFT_ALONE, memberships=100)
    verdict = verdict_of("protected_users_untouched", plan)
    assert verdict.stops
    assert verdict.message == (
        f"The change {touching.change_id} touches what is left alone: {LEFT_ALONE[object_id]}."
    )


NO_TOUCH = {
    "a kept team's children are put in order": change("team.sort", "T9", after={"team_ids": []}),
    "a team is made below a kept one": change(
        "team.create", "new:team:x", after={"parent_id": "T9"}
    ),
    "a team moves below a kept one": change("team.update", "T1", after={"parent_id": "T9"}),
    "a team goes in which one was": change("team.delete", "T1", before={"members": ["U9"]}),
    "a primary team is no longer a kept one": change(
        "primary.update", "U1", before={"team_id": "T9"}, after={"team_id": "T1"}
    ),
}


@pytest.mark.parametrize("change_", NO_TOUCH.values(), ids=NO_TOUCH)
def test_a_change_to_another_object_touches_nobody(change_: Change) -> None:
    plan = plan_with(change_, protected=LEFT_ALONE)
    verdict = verdict_of("protected_users_untouched", plan)
    assert verdict.passed
    assert verdict.message == "None of 2 protected users and kept teams is touched."


@pytest.mark.parametrize(
    ("action", "stops"),
    [("user.deactivate", True), ("user.remove", True), ("user.update", False)],
)
def test_an_admin_in_the_directory_is_updated_and_never_let_go(
    action: Action, *, stops: bool
) -> None:
    plan = plan_with(change(action, "U9"), never_deactivated={"U9": "PROTECTED_ROLES (admin)"})
    verdict = verdict_of("protected_users_untouched", plan)
    assert verdict.stops is stops
    assert (
        f"The change {action}:U9 takes away a protected user: PROTECTED_ROLES (admin)."
        in verdict.message
    ) is stops


BROKEN: dict[GuardName, Plan] = {
    "directory_read_is_complete": plan_with(directory={STAFF: counts(0)}),
    "swit_read_is_complete": plan_with(swit={**WHOLE_SWIT, "roots": 2}),
    "protected_users_untouched": plan_with(deletion("T9"), protected=LEFT_ALONE),
}


@pytest.mark.parametrize("guard", sorted(NEVER_LIFTED))
def test_no_approval_lifts_it(guard: GuardName) -> None:
    without = verdict_of(guard, BROKEN[guard])
    assert without.stops
    assert verdict_of(guard, BROKEN[guard], approval=frozenset(GUARDS)) == without


def test_an_approval_of_another_plan_is_asked_for_by_its_own_id() -> None:
    """The way out names the plan at hand: the id follows from its changes."""
    one = plan_with(*(change("user.remove", "U1"),), active_users_that_may_go=5)
    two = replace(one, changes=(change("user.remove", "U2"),))
    assert one.plan_id in verdict_of("deactivations_within_limit", one).message
    assert two.plan_id in verdict_of("deactivations_within_limit", two).message
    assert one.plan_id != two.plan_id
