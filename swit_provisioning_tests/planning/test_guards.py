"""Guards that hold a number against a limit: both sides of each limit, their words, approvals."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.guards import GUARDS, GuardName, judge
from swit_provisioning.planning.limits import History
from swit_provisioning.planning.model import Change
from swit_provisioning.planning.policy import Limit, Limits
from swit_provisioning_tests.planning.made_plans import (
    WHOLE_DIRECTORY,
    change,
    deletion,
    ids,
    marking,
    plan_with,
    removal,
    verdict_of,
)

Changes = Callable[[int], list[Change]]


class Limited(NamedTuple):
    """A guard, what it counts, and how many of these it lets pass."""

    guard: GuardName
    changes: Changes
    bases: dict[str, Any]
    most: int
    limits: dict[str, str]
    over: str
    """What it says of one more."""


def each(action: Action, letter: str) -> Changes:
    return lambda n: [change(action, object_id) for object_id in ids(letter, n)]


def deletions_and_markings(n: int) -> list[Change]:
    return [marking("T0"), *map(deletion, ids("G", n - 1))] if n else []


def one_of_each_update(number: int) -> Change:
    actions: tuple[Action, ...] = ("user.update", "team.update", "team.sort", "primary.update")
    action = actions[number % len(actions)]
    return change(action, f"X{number}", after={"team_id": "T1"})


CASES = {
    "a share of the users": Limited(
        "deactivations_within_limit",
        each("user.deactivate", "U"),
        {"active_users_that_may_go": 119},
        11,
        {},
        "12 of 119 active users in scope would be deactivated or removed,"
        " MAX_DEACTIVATIONS=10% allows fewer",
    ),
    "a number of users": Limited(
        "deactivations_within_limit",
        each("user.deactivate", "U"),
        {"active_users_that_may_go": 5000},
        7,
        {"max_deactivations": "7"},
        "8 of 5000 active users in scope would be deactivated or removed,"
        " MAX_DEACTIVATIONS=7 allows fewer",
    ),
    "both, the share is lower": Limited(
        "deactivations_within_limit",
        each("user.deactivate", "U"),
        {"active_users_that_may_go": 100},
        5,
        {"max_deactivations": "5%,50"},
        "6 of 100 active users in scope would be deactivated or removed,"
        " MAX_DEACTIVATIONS=5%,50 allows fewer",
    ),
    "both, the number is lower": Limited(
        "deactivations_within_limit",
        each("user.deactivate", "U"),
        {"active_users_that_may_go": 2000},
        50,
        {"max_deactivations": "5%,50"},
        "51 of 2000 active users in scope would be deactivated or removed,"
        " MAX_DEACTIVATIONS=5%,50 allows fewer",
    ),
    "teams deleted or marked": Limited(
        "team_deletions_within_limit",
        deletions_and_markings,
        {"teams_that_may_go": 40},
        4,
        {},
        "5 of 40 managed teams would be deleted or marked, MAX_TEAM_DELETIONS=10% allows fewer",
    ),
    "memberships": Limited(
        "membership_removals_within_limit",
        lambda n: [removal("T1", n)],
        {"memberships": 90},
        9,
        {},
        "10 of 90 memberships would be removed, those of departed users not counted,"
        " MAX_MEMBERSHIP_REMOVALS=10% allows fewer",
    ),
    "members of one team": Limited(
        "membership_removals_within_limit",
        lambda n: [removal("T1", n)],
        {"memberships": 1000, "members_by_team": {"T1": 21}},
        10,
        {},
        "11 of 21 members of the team T1 would be removed,"
        " MAX_MEMBERSHIP_REMOVALS_PER_TEAM=50% allows fewer",
    ),
    "all members of a small team": Limited(
        "membership_removals_within_limit",
        lambda n: [removal("T1", n)],
        {"memberships": 1000, "members_by_team": {"T1": 8}},
        7,
        {},
        "8 of 8 members of the team T1 would be removed,"
        " MAX_MEMBERSHIP_REMOVALS_PER_TEAM=50% allows fewer",
    ),
    "activations": Limited(
        "activations_within_limit",
        each("user.activate", "U"),
        {"active_users_that_may_go": 79},
        7,
        {},
        "8 users would be activated, beside the 79 active users in scope,"
        " MAX_ACTIVATIONS=10% allows fewer",
    ),
    "users made": Limited(
        "creations_within_limit",
        each("user.create", "new:user:"),
        {"users": 60},
        30,
        {},
        "31 users would be created, beside the 60 there are, MAX_USER_CREATIONS=50% allows fewer",
    ),
    "teams made": Limited(
        "creations_within_limit",
        each("team.create", "new:team:"),
        {"teams": 60},
        2,
        {"max_team_creations": "2"},
        "3 teams would be created, beside the 60 there are, MAX_TEAM_CREATIONS=2 allows fewer",
    ),
    "updates": Limited(
        "updates_within_limit",
        lambda n: [one_of_each_update(number) for number in range(n)],
        {"users": 100, "teams": 10},
        22,
        {},
        "23 of 110 users and teams would be updated, MAX_UPDATES=20% allows fewer",
    ),
}
TABLE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def limits_of(texts: dict[str, str]) -> Limits:
    limits: dict[str, Any] = {name: Limit.parse(text) for name, text in texts.items()}
    return Limits(**limits)


@TABLE
def test_exactly_at_the_limit_it_passes(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most), **case.bases)
    verdict = verdict_of(case.guard, plan, limits=limits_of(case.limits))
    assert verdict.passed
    assert not verdict.stops
    first, _, rest = verdict.message.partition(" ")
    assert first == str(case.most)
    assert rest.endswith(").")


@TABLE
def test_one_more_stops_and_says_how_many_of_how_many_which_setting_and_the_way_out(
    case: Limited,
) -> None:
    plan = plan_with(*case.changes(case.most + 1), **case.bases)
    verdict = verdict_of(case.guard, plan, limits=limits_of(case.limits))
    assert not verdict.passed
    assert verdict.stops
    way_out = f'swit-provisioning apply {plan.plan_id} --approve "reason"'
    assert verdict.message == f"{case.over}; if this is meant: {way_out}."


@TABLE
def test_an_approval_lifts_it_for_this_plan_and_it_still_has_not_passed(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most + 1), **case.bases)
    verdict = verdict_of(
        case.guard, plan, limits=limits_of(case.limits), approval=frozenset({case.guard})
    )
    assert (verdict.passed, verdict.blocking, verdict.lifted) == (False, False, True)
    assert not verdict.stops
    assert verdict.message == f"{case.over}; approved for this plan."


@TABLE
def test_an_approval_of_all_other_guards_lifts_nothing(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most + 1), **case.bases)
    others = frozenset(GUARDS) - {case.guard}
    verdict = verdict_of(case.guard, plan, limits=limits_of(case.limits), approval=others)
    assert verdict.stops
    assert not verdict.lifted


@TABLE
def test_an_approval_of_what_passes_is_not_used(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most), **case.bases)
    approval = frozenset({case.guard})
    limits = limits_of(case.limits)
    verdict = verdict_of(case.guard, plan, limits=limits, approval=approval)
    assert (verdict.passed, verdict.blocking, verdict.lifted) == (True, True, False)


@TABLE
def test_with_no_limit_all_may_change(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most * 10), **case.bases)
    names = vars(Limits()).keys() - {"first_sync"}
    verdict = verdict_of(case.guard, plan, limits=limits_of(dict.fromkeys(names, "none")))
    assert verdict.passed


@TABLE
def test_only_the_guard_that_counts_these_changes_stops_them(case: Limited) -> None:
    plan = plan_with(*case.changes(case.most + 1), **case.bases)
    limits = limits_of(case.limits)
    verdicts = judge(plan, limits, History(last_read=WHOLE_DIRECTORY))
    assert tuple(verdict.name for verdict in verdicts) == GUARDS
    assert [verdict.name for verdict in verdicts if verdict.stops] == [case.guard]


def test_what_is_within_its_limits_is_told_count_by_count() -> None:
    plan = plan_with(
        change("user.create", "new:user:a"), change("team.create", "new:team:a"), users=60, teams=60
    )
    limits = limits_of({"max_user_creations": "5%", "max_team_creations": "2"})
    assert verdict_of("creations_within_limit", plan, limits=limits).message == (
        "1 users would be created, beside the 60 there are (MAX_USER_CREATIONS=5%);"
        " 1 teams would be created, beside the 60 there are (MAX_TEAM_CREATIONS=2)."
    )


def test_of_nothing_planned_each_limit_says_so_whatever_ran_before() -> None:
    recent = {"user.deactivate": 99, "team.delete": 99, "membership.remove": 99, "user.update": 99}
    limits = limits_of({"max_updates": "0"})
    verdicts = judge(plan_with(), limits, History(recent=recent))
    assert all(verdict.passed for verdict in verdicts)
    first_sync, shrunk, lost, *others = verdicts[3:]
    assert first_sync.message == "This first sync takes nothing away and activates nobody."
    assert shrunk.message == "No base lost users or groups since the last accepted read."
    assert lost.message == "No attribute disappeared since the last accepted read."
    assert {v.message for v in others} == {"Nothing of this kind is planned."}


def test_a_verdict_as_a_document_says_all_of_it() -> None:
    verdict = verdict_of("updates_within_limit", plan_with())
    assert verdict.document() == {
        "name": "updates_within_limit",
        "passed": True,
        "blocking": True,
        "message": "Nothing of this kind is planned.",
        "lifted": False,
    }
