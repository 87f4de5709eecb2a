"""A part of a plan: what is chosen, what needs something that is not, what is left for later."""

from dataclasses import replace
from typing import Any

import pytest

from swit_provisioning.planning.actions import ACTIONS
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.planning.selection import (
    NEEDS_ANOTHER,
    NOT_CHOSEN,
    Selection,
    describe_not_selected,
    not_selected,
    selected_plan,
)
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import change, plan_with

SALES = "new:team:sales"
ANN, BOB = "new:user:ann@x", "new:user:bob@x"


def members(*users: str) -> dict[str, list[str]]:
    return {"user_ids": list(users), "emails": [f"{user}@x" for user in users]}


MAKE_ANN, MAKE_BOB = change("user.create", ANN), change("user.create", BOB)
MAKE_SALES = change("team.create", SALES, after={"name": "Sales", "parent_id": "T0"})
MAKE_BELOW = change("team.create", "new:team:b", after={"name": "Below", "parent_id": SALES})
ADD = change("membership.add", SALES, after=members(ANN, "U1"))
ADD_NEW = change("membership.add", "T1", after=members(ANN, BOB))
PRIMARY = change("primary.update", "U1", after={"team_id": SALES, "team": "Sales"})
UPDATE = change("user.update", "U2", after={"name": "Bo"})


def out(
    *changes: Change,
    done: tuple[Change, ...] = (),
    only: str = "",
    exclude: str = "",
    limit: int = 0,
) -> dict[str, str]:
    choice = Selection.parse(only=only, exclude=exclude, limit=limit)
    return not_selected(plan_with(*changes), choice, {each.change_id for each in done})


def test_everything_is_chosen_where_nothing_is_said() -> None:
    assert Selection.parse().is_all
    assert out(MAKE_ANN, UPDATE) == {}


@pytest.mark.parametrize(
    ("choice", "actions"),
    [
        ({"only": "user.create"}, {"user.create"}),
        ({"only": " user.* , team.create"}, {"user.create", "user.update", "team.create"}),
        ({"exclude": "team.*"}, {"user.create", "user.update", "membership.add"}),
        ({"only": "all", "exclude": "user.create"}, {"user.update", "team.create"}),
        ({"only": "user.*", "exclude": "user.update"}, {"user.create"}),
    ],
)
def test_actions_are_chosen_by_name(choice: dict[str, Any], actions: set[str]) -> None:
    changes = (MAKE_ANN, UPDATE, MAKE_SALES, change("membership.add", "T1", after=members("U1")))
    sent = {c.action for c in changes if c.change_id not in out(*changes, **choice)}
    assert sent - {"membership.add"} == actions - {"membership.add"}


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"only": "user.make"}, "user.make is no action; use any of all, membership"),
        ({"only": "user.make,user.mend"}, "user.make, user.mend is no action"),
        ({"only": "user.create", "exclude": "user.*"}, "leave no action to send"),
        ({"limit": -1}, "give a number from 1"),
    ],
)
def test_a_choice_that_cannot_be_meant_says_what_to_do(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Selection.parse(**choice)


def test_the_first_few_of_each_action_are_chosen_in_the_plans_order() -> None:
    two = change("user.update", "U3"), change("user.update", "U4")
    left = out(MAKE_ANN, MAKE_BOB, UPDATE, *two, limit=1)
    assert left == dict.fromkeys((c.change_id for c in (MAKE_BOB, *two)), NOT_CHOSEN)


def test_what_is_done_counts_no_longer_so_that_the_next_few_follow() -> None:
    two = change("user.update", "U3"), change("user.update", "U4")
    left = out(UPDATE, *two, limit=1, done=(UPDATE,))
    assert left == {two[1].change_id: NOT_CHOSEN}
    assert out(UPDATE, *two, limit=2, done=(UPDATE,)) == {}
    assert out(UPDATE, *two, limit=2) == {two[1].change_id: NOT_CHOSEN}


def test_what_needs_what_is_left_out_is_left_out_too() -> None:
    left = out(MAKE_SALES, MAKE_BELOW, ADD, PRIMARY, exclude="team.create")
    assert left[MAKE_SALES.change_id] == left[MAKE_BELOW.change_id] == NOT_CHOSEN
    assert left[ADD.change_id] == left[PRIMARY.change_id] == NEEDS_ANOTHER


def test_what_a_change_names_as_its_need_is_waited_for_but_by_members_for_an_account() -> None:
    account, rename = MAKE_ANN.change_id, change("team.update", "T2", after={"name": "B"})
    add = change("membership.add", "T1", after=members(ANN, "U1"))
    update = change("user.update", "U1", after={"name": "Ann"})

    def why(needy: Change, needed: str) -> str | None:
        needy = replace(needy, depends_on=(needed,))
        left = out(MAKE_ANN, rename, needy, only="membership.*,user.update")
        return left.get(needy.change_id)

    assert why(add, account) is None
    assert why(update, account) == why(add, rename.change_id) == NEEDS_ANOTHER


def test_a_team_below_one_that_is_left_out_is_left_out_too() -> None:
    first = change("team.create", "new:team:a", after={"name": "A", "parent_id": "T0"})
    left = out(first, MAKE_SALES, MAKE_BELOW, limit=1)
    assert left == {MAKE_SALES.change_id: NOT_CHOSEN, MAKE_BELOW.change_id: NEEDS_ANOTHER}


def test_an_addition_waits_only_where_nobody_in_it_has_an_account() -> None:
    """Else who has none is left out of the call, and joins with a later part."""
    add = change("membership.add", "T1", after=members(ANN, "U1"))
    left = out(MAKE_ANN, MAKE_BOB, add, exclude="user.create")
    assert add.change_id not in left
    left = out(MAKE_ANN, MAKE_BOB, ADD_NEW, exclude="user.create")
    assert left[ADD_NEW.change_id] == NEEDS_ANOTHER
    assert ADD_NEW.change_id not in out(MAKE_ANN, MAKE_BOB, ADD_NEW, limit=1)


def test_a_primary_team_waits_for_the_membership() -> None:
    add = change("membership.add", "T1", after=members("U1"))
    primary = change("primary.update", "U1", after={"team_id": "T1", "team": "T"})
    assert out(add, primary, exclude="membership.add")[primary.change_id] == NEEDS_ANOTHER
    elsewhere = change("membership.add", "T2", after=members("U2"))
    left = out(add, elsewhere, primary, exclude="membership.add")
    assert left[primary.change_id] == NEEDS_ANOTHER
    other = change("primary.update", "U2", after={"team_id": "T1", "team": "T"})
    assert other.change_id not in out(add, other, exclude="membership.add")


def test_steps_of_one_team_follow_one_another() -> None:
    aside = change("team.update", "T1", after={"name": "(moving) A"})
    final = Change(**{**vars(aside), "change_id": "team.update:T1:2", "step": "update_teams"})
    assert out(MAKE_ANN, aside, final, limit=1) == {final.change_id: NOT_CHOSEN}
    other = change("team.update", "T0")
    left = out(other, aside, final, limit=1)
    assert left == {aside.change_id: NOT_CHOSEN, final.change_id: NEEDS_ANOTHER}


def to_do_with(team: str) -> list[Change]:
    return [
        change("membership.add", team, after=members("U1")),
        change("primary.update", "U1", after={"team_id": team}),
        change("team.create", "new:team:c", after={"parent_id": team}),
        change("team.sort", "T0", after={"team_ids": ["T2", team]}),
    ]


def test_what_has_to_do_with_a_team_needs_it_made_and_no_more() -> None:
    rename = change("team.update", "T1", after={"name": "B"})
    left = out(rename, *to_do_with("T1"), exclude="team.update")
    assert left == {rename.change_id: NOT_CHOSEN}
    first = change("team.create", "new:team:a")
    for each in to_do_with(SALES):
        left = out(first, MAKE_SALES, each, limit=1)
        assert left == {MAKE_SALES.change_id: NOT_CHOSEN, each.change_id: NEEDS_ANOTHER}


@pytest.mark.parametrize("action", ACTIONS)
def test_of_any_plan_each_action_can_go_alone_or_wait(action: str) -> None:
    plan = plan_of_the_day()
    alone = not_selected(plan, Selection.parse(only=action))
    without = not_selected(plan, Selection.parse(exclude=action))
    for each in plan.changes:
        assert (each.change_id in alone) or each.action == action
        assert (each.change_id not in without) or without[each.change_id] or each.action == action
        for needed in each.depends_on:
            if each.change_id not in without and not needed.startswith("user.create"):
                assert needed not in without


@pytest.mark.parametrize("size", [1, 2, 5])
def test_parts_follow_one_another_until_the_plan_is_through(size: int) -> None:
    plan, done = plan_of_the_day(), set[str]()
    for _ in plan.changes:
        out_now = not_selected(plan, Selection.parse(limit=size), done)
        done |= {c.change_id for c in plan.changes} - out_now.keys()
        if not out_now:
            break
    assert done == {c.change_id for c in plan.changes}


def test_the_part_is_judged_without_what_is_left_out() -> None:
    leaver = change("user.deactivate", "U1")
    removal = change("membership.remove", "T1", before=members("U1", "U2"))
    plan = plan_with(leaver, removal)
    assert selected_plan(plan, {}).baselines.membership_removals_by_team == {"T1": 1}
    part = selected_plan(plan, {leaver.change_id: NOT_CHOSEN})
    assert part.changes == (removal,)
    assert part.baselines.membership_removals_by_team == {"T1": 2}


def test_what_is_left_out_is_told_by_action_and_reason() -> None:
    plan = plan_with(MAKE_SALES, MAKE_BELOW, ADD)
    told = describe_not_selected(plan, not_selected(plan, Selection.parse(exclude="team.create")))
    assert told == f"2 team.create ({NOT_CHOSEN}), 1 membership.add ({NEEDS_ANOTHER})"
    assert describe_not_selected(Plan(changes=()), {}) == ""
