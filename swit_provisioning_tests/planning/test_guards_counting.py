"""What guards count: removals for good, markings, small numbers, leavers, the last 24 hours."""

from collections.abc import Callable
from typing import Any

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.guards import GuardName
from swit_provisioning.planning.model import Change
from swit_provisioning.planning.policy import Limit, Limits, Policy
from swit_provisioning_tests.planning.made_plans import (
    change,
    deletion,
    ids,
    marking,
    plan_with,
    removal,
    verdict_of,
)
from swit_provisioning_tests.planning.specification.directory import Directory, Entry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import plan_of

SHARE, NONE_AT_ALL, NO_SHARE = Limit.parse("10%"), Limit.parse("0"), Limit.parse("0%")


def leavers(n: int) -> list[Change]:
    return [change("user.deactivate", user) for user in ids("U", n)]


def removed_users(n: int) -> list[Change]:
    return [change("user.remove", user) for user in ids("U", n)]


@pytest.mark.parametrize("limits", [Limits(), Limits(max_deactivations=Limit())])
def test_a_removal_for_good_needs_an_approval_each_time(limits: Limits) -> None:
    plan = plan_with(*removed_users(1), active_users_that_may_go=1000)
    name: GuardName = "deactivations_within_limit"
    verdict = verdict_of(name, plan, limits=limits)
    assert verdict.stops
    assert verdict.message == (
        "1 of 1000 active users in scope would be removed for good, USER_REMOVAL=remove needs"
        f" an approval each time; if this is meant: swit-provisioning apply {plan.plan_id}"
        ' --approve "reason".'
    )
    assert verdict_of(name, plan, limits=limits, approval=frozenset({name})).lifted


def test_the_deactivation_of_one_user_needs_none() -> None:
    plan = plan_with(*leavers(1), active_users_that_may_go=1000)
    assert verdict_of("deactivations_within_limit", plan).passed


def test_deactivations_and_removals_are_counted_together() -> None:
    changes = [*leavers(2), change("user.remove", "U9")]
    plan = plan_with(*changes, active_users_that_may_go=20)
    message = verdict_of("deactivations_within_limit", plan).message
    assert message.startswith(
        "3 of 20 active users in scope would be deactivated or removed, MAX_DEACTIVATIONS=10%"
        " allows fewer; 1 of 20 active users in scope would be removed for good,"
    )


def test_a_marking_counts_as_a_deletion_and_not_as_an_update() -> None:
    plan = plan_with(*map(marking, ids("T", 3)), teams_that_may_go=20, teams=40)
    limits = Limits(max_updates=NONE_AT_ALL)
    assert verdict_of("team_deletions_within_limit", plan, limits=limits).message.startswith(
        "3 of 20 managed teams would be deleted or marked"
    )
    assert verdict_of("team_deletions_within_limit", plan, limits=limits).stops
    assert verdict_of("updates_within_limit", plan, limits=limits).passed


@pytest.mark.parametrize("name", ["(moving) Sales", "Sales (removed)", "(removed)", "Removed"])
def test_any_other_new_name_is_an_update_and_no_deletion(name: str) -> None:
    plan = plan_with(change("team.update", "T1", after={"name": name}), teams_that_may_go=1)
    limits = Limits(max_updates=NONE_AT_ALL, max_team_deletions=NONE_AT_ALL)
    assert verdict_of("team_deletions_within_limit", plan, limits=limits).passed
    assert verdict_of("updates_within_limit", plan, limits=limits).stops


def test_a_first_primary_team_replaces_nothing_and_is_no_update() -> None:
    limits = Limits(max_updates=NONE_AT_ALL)
    for before, passed in ((None, True), ("T1", False)):
        sets = change("primary.update", "U1", before={"team_id": before}, after={"team_id": "T2"})
        verdict = verdict_of("updates_within_limit", plan_with(sets, users=10), limits=limits)
        assert verdict.passed == passed


def test_a_user_who_is_called_removed_is_updated_all_the_same() -> None:
    plan = plan_with(change("user.update", "U1", after={"name": "(removed) Ann"}), users=10)
    limits = Limits(max_updates=NONE_AT_ALL)
    assert verdict_of("updates_within_limit", plan, limits=limits).stops


def test_teams_that_the_planner_marks_are_counted_as_the_planner_names_them() -> None:
    organisation = Organisation()
    for team in ids("T", 4)[1:]:
        organisation.add_team(team, f"Team {team}", "T0", f"CN={team},OU=gone,DC=x")
    somebody = Directory(users=(Entry(dn="CN=ann,DC=x", emails=("ann@x",)),))
    plan = plan_of(somebody, organisation, Policy(team_removal="mark"))
    assert verdict_of("team_deletions_within_limit", plan).message.startswith(
        "3 of 3 managed teams"
    )


@pytest.mark.parametrize(
    ("limit", "base", "gone", "passes"),
    [
        (SHARE, 3, 1, True),
        (SHARE, 3, 2, False),
        (NO_SHARE, 100, 1, False),
        (NONE_AT_ALL, 100, 1, False),
        (Limit.parse("10%,0"), 100, 1, False),
    ],
)
@pytest.mark.parametrize("kind", ["users", "teams"])
def test_one_may_always_go_of_however_few_unless_the_limit_is_zero(
    kind: str, limit: Limit, base: int, gone: int, *, passes: bool
) -> None:
    limits = Limits(max_deactivations=limit, max_team_deletions=limit)
    if kind == "users":
        plan = plan_with(*leavers(gone), active_users_that_may_go=base)
        verdict = verdict_of("deactivations_within_limit", plan, limits=limits)
    else:
        plan = plan_with(*map(deletion, ids("T", gone)), teams_that_may_go=base)
        verdict = verdict_of("team_deletions_within_limit", plan, limits=limits)
    assert verdict.passed is passes


@pytest.mark.parametrize(
    ("limit", "base", "gone", "passes"),
    [
        (SHARE, 9, 5, True),
        (SHARE, 9, 6, False),
        (NO_SHARE, 1000, 1, False),
        (NONE_AT_ALL, 1000, 1, False),
        (Limit.parse("10%,4"), 1000, 5, False),
    ],
)
def test_five_memberships_may_always_go_unless_the_limit_is_zero(
    limit: Limit, base: int, gone: int, *, passes: bool
) -> None:
    plan = plan_with(removal("T1", gone), memberships=base)
    limits = Limits(max_membership_removals=limit)
    verdict = verdict_of("membership_removals_within_limit", plan, limits=limits)
    assert verdict.passed is passes


@pytest.mark.parametrize(
    ("limit", "members", "gone", "passes"),
    [
        ("50%", 9, 8, True),
        ("50%", 10, 5, True),
        ("50%", 10, 6, False),
        ("10%", 10, 5, True),
        ("10%", 10, 6, False),
        ("0%", 9, 1, True),
        ("0%", 10, 1, False),
    ],
)
def test_a_team_of_ten_has_a_limit_of_its_own_and_one_of_nine_has_none(
    limit: str, members: int, gone: int, *, passes: bool
) -> None:
    plan = plan_with(removal("T1", gone), memberships=1000, members_by_team={"T1": members})
    limits = Limits(max_membership_removals_per_team=Limit.parse(limit))
    verdict = verdict_of("membership_removals_within_limit", plan, limits=limits)
    assert verdict.passed is passes


@pytest.mark.parametrize(
    ("limit", "members", "passes"),
    [
        ("50%", 4, True),
        ("50%", 5, False),
        ("50%", 9, False),
        ("99%", 5, False),
        ("100%", 9, True),
        ("none", 9, True),
    ],
)
def test_a_team_of_five_that_loses_all_its_members_is_over_its_limit(
    limit: str, members: int, *, passes: bool
) -> None:
    plan = plan_with(removal("T1", members), memberships=1000, members_by_team={"T1": members})
    limits = Limits(max_membership_removals_per_team=Limit.parse(limit))
    verdict = verdict_of("membership_removals_within_limit", plan, limits=limits)
    assert verdict.passed is passes


def test_a_team_that_only_leavers_leave_is_not_over_its_limit() -> None:
    leave = [change("user.deactivate", user) for user in ids("M", 6)]
    plan = plan_with(*leave, removal("T1", 6), memberships=1000, members_by_team={"T1": 6})
    assert verdict_of("membership_removals_within_limit", plan).passed


def test_a_team_that_leavers_and_others_leave_empty_is_over_its_limit() -> None:
    plan = plan_with(
        change("user.deactivate", "M0"),
        removal("T1", 6),
        memberships=1000,
        members_by_team={"T1": 6},
    )
    message = verdict_of("membership_removals_within_limit", plan).message
    assert message.startswith("5 of 6 members of the team T1 would be removed, MAX_MEMBERSHIP")


@pytest.mark.parametrize(
    ("guard", "action", "small"),
    [
        ("activations_within_limit", "user.activate", 5),
        ("creations_within_limit", "user.create", 20),
        ("creations_within_limit", "team.create", 20),
        ("updates_within_limit", "user.update", 20),
        ("updates_within_limit", "team.update", 20),
    ],
)
def test_a_small_number_always_passes_unless_the_limit_is_zero(
    guard: GuardName, action: Action, small: int
) -> None:
    def passes(n: int, limit: str = "10%") -> bool:
        same = Limit.parse(limit)
        limits = Limits(
            max_activations=same,
            max_user_creations=same,
            max_team_creations=same,
            max_updates=same,
        )
        changes = [change(action, object_id) for object_id in ids("X", n)]
        return verdict_of(guard, plan_with(*changes, users=9, teams=9), limits=limits).passed

    assert passes(small)
    assert not passes(small + 1)
    assert not passes(1, "0%")
    assert not passes(1, "0")
    assert not passes(small, f"10%,{small - 1}")


def test_each_team_over_its_limit_is_named() -> None:
    plan = plan_with(
        *(removal(team, n) for team, n in (("Sales", 8), ("Law", 2), ("Ops", 12))),
        memberships=1000,
        members_by_team={"Sales": 10, "Law": 10, "Ops": 12},
    )
    message = verdict_of("membership_removals_within_limit", plan).message
    assert "8 of 10 members of the team Sales" in message
    assert "12 of 12 members of the team Ops" in message
    assert "Law" not in message


def test_memberships_that_go_with_a_team_count_those_of_leavers_do_not() -> None:
    """M0 and M1 leave; M2 to M7 lose a team that goes, M2 another membership."""
    changes = [
        change("user.deactivate", "M0"),
        change("user.remove", "M1"),
        deletion("T1", members=8),
        removal("T2", 3),
    ]
    verdict = verdict_of("membership_removals_within_limit", plan_with(*changes, memberships=60))
    assert verdict.message.startswith("7 of 60 memberships would be removed")
    assert verdict.stops
    fewer = plan_with(*changes[:3], memberships=60)
    assert verdict_of("membership_removals_within_limit", fewer).passed


def test_leavers_do_not_count_against_the_limit_of_their_team_either() -> None:
    changes = [*(change("user.deactivate", user) for user in ids("M", 3)), removal("T1", 9)]
    plan = plan_with(*changes, memberships=1000, members_by_team={"T1": 12})
    assert verdict_of("membership_removals_within_limit", plan).passed


Run = Callable[[int], tuple[list[Change], dict[str, Any]]]
"""After so many changes before: one more, and what Swit has by then."""
RUNS: dict[str, tuple[GuardName, str, Run, int]] = {
    "deactivations": (
        "deactivations_within_limit",
        "user.deactivate",
        lambda gone: (leavers(1), {"active_users_that_may_go": 70 - gone}),
        7,
    ),
    "deactivations after removals": (
        "deactivations_within_limit",
        "user.remove",
        lambda gone: (leavers(1), {"active_users_that_may_go": 70 - gone}),
        7,
    ),
    "deletions": (
        "team_deletions_within_limit",
        "team.delete",
        lambda gone: ([deletion("T1")], {"teams_that_may_go": 30 - gone}),
        3,
    ),
    "markings": (
        "team_deletions_within_limit",
        "team.mark",
        lambda gone: ([marking("T1")], {"teams_that_may_go": 30 - gone}),
        3,
    ),
    "memberships": (
        "membership_removals_within_limit",
        "membership.remove",
        lambda gone: ([removal("T1", 1)], {"memberships": 80 - gone}),
        8,
    ),
    "activations": (
        "activations_within_limit",
        "user.activate",
        lambda made: ([change("user.activate", "U")], {"active_users_that_may_go": 69 + made}),
        6,
    ),
    "new users": (
        "creations_within_limit",
        "user.create",
        lambda made: ([change("user.create", "new:user:a")], {"users": 229 + made}),
        22,
    ),
    "new teams": (
        "creations_within_limit",
        "team.create",
        lambda made: ([change("team.create", "new:team:a")], {"teams": 229 + made}),
        22,
    ),
    **{
        f"updates after {action}": (
            "updates_within_limit",
            action,
            lambda _: ([change("user.update", "U1")], {"users": 200, "teams": 20}),
            22,
        )
        for action in ("user.update", "team.update", "team.sort", "primary.update")
    },
}
TEN_PERCENT = Limits(max_user_creations=SHARE, max_team_creations=SHARE, max_updates=SHARE)


@pytest.mark.parametrize(("guard", "action", "run", "most"), RUNS.values(), ids=RUNS)
def test_many_small_runs_within_a_day_get_no_further_than_one_big_one(
    guard: GuardName, action: str, run: Run, most: int
) -> None:
    for before in range(most):
        changes, bases = run(before)
        plan, recent = plan_with(*changes, **bases), {action: before}
        assert verdict_of(guard, plan, limits=TEN_PERCENT, recent=recent).passed
    changes, bases = run(most)
    verdict = verdict_of(
        guard, plan_with(*changes, **bases), limits=TEN_PERCENT, recent={action: most}
    )
    assert verdict.stops
    assert f", after {most} in the last 24 hours, " in verdict.message


@pytest.mark.parametrize(("action", "what"), [("user.create", "users"), ("team.create", "teams")])
def test_what_was_made_today_is_no_base_even_where_more_was_made_than_is_there(
    action: Action, what: str
) -> None:
    """Some of it is gone again by now: there is nothing left to take a share of."""
    plan = plan_with(change(action, "X"), users=3, teams=3)
    verdict = verdict_of("creations_within_limit", plan, limits=TEN_PERCENT, recent={action: 20})
    assert verdict.stops
    assert verdict.message.startswith(
        f"1 {what} would be created, beside the 0 there are, after 20 in the last 24 hours,"
    )


def test_what_ran_before_of_another_kind_does_not_count() -> None:
    plan = plan_with(*leavers(1), active_users_that_may_go=10)
    recent = {"user.create": 50, "team.delete": 50, "membership.remove": 50, "user.update": 50}
    assert verdict_of("deactivations_within_limit", plan, recent=recent).passed
