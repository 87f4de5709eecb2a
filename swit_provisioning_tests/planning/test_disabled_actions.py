"""What a disabled action would do is listed; the rest is planned as if that stays as it is."""

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.policy import Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.trial import Trial, attempt

BOB = person(1, "bob@x")


def without(*actions: Action, **more: str) -> Policy:
    return Policy(disabled_actions=frozenset(actions), **more)  # type: ignore[arg-type] # choices


def disabled(trial: Trial) -> list[str]:
    return [change.change_id for change in trial.plan.disabled]


def with_ann_in(team_id: str, *others: str) -> Organisation:
    """Ann is in a team by hand, or in those of groups; the first is her primary one."""
    teams = team("T1", "A", of=0), team("T2", "B", of=1), team("T9", "Choir")
    swit = organisation(*teams)
    for each in (team_id, *others):
        swit.teams[each].users.append("ann")
        swit.users["ann"].teams[each] = each == team_id
    return swit


def test_who_may_not_join_is_not_counted_as_in_the_team() -> None:
    """Counted so, she would be in two teams, and need the group's as the primary one."""
    read = directory(group(0, "A", members=[ANN]), group(1, "B"))
    trial = attempt(read, with_ann_in("T9"), without("membership.add"))
    assert trial.after.calls == []
    assert disabled(trial) == ["membership.add:T1"]


def test_who_may_not_leave_is_counted_as_in_the_team() -> None:
    """In A by no group and in B by one: that becomes the primary team."""
    read = directory(group(0, "A"), group(1, "B", members=[ANN]))
    trial = attempt(read, with_ann_in("T1", "T2"), without("membership.remove"))
    assert trial.after.calls == [("primary.update", {"team": "T2", "user": "ann"})]
    assert disabled(trial) == ["membership.remove:T1"]


def test_where_no_primary_team_may_be_set_it_is_listed_only() -> None:
    read = directory(group(0, "A", members=[ANN]), group(1, "B"))
    trial = attempt(read, with_ann_in("T9"), without("primary.update"))
    assert [action for action, _ in trial.after.calls] == ["membership.add"]
    assert disabled(trial) == ["primary.update:ann"]


def test_where_nothing_may_be_sorted_it_is_listed_only() -> None:
    teams = team("T2", "B", of=1), team("T1", "A", of=0)
    read = directory(group(0, "A"), group(1, "B"))
    trial = attempt(read, organisation(*teams), without("team.sort"))
    assert trial.after.calls == []
    assert disabled(trial) == ["team.sort:T0"]


def test_a_team_that_may_not_be_deleted_keeps_its_name() -> None:
    swit = organisation(team("T1", "A", of=1))
    trial = attempt(directory(group(0, "A")), swit, without("team.delete"))
    assert trial.after.calls == [
        ("team.create", {"name": "A (2)", "parent": "T0", "reference": DN[0]})
    ]
    assert disabled(trial) == ["team.delete:T1"]


def test_a_team_that_may_not_be_marked_keeps_its_name() -> None:
    swit = organisation(team("T1", "A", of=1))
    trial = attempt(directory(group(0, "A")), swit, without("team.update", team_removal="mark"))
    assert trial.after.calls == [
        ("team.create", {"name": "A (2)", "parent": "T0", "reference": DN[0]})
    ]
    assert disabled(trial) == ["team.update:T1"]


def test_a_team_that_may_not_be_made_takes_no_name() -> None:
    swit = organisation(team("T2", "B", of=1))
    read = directory(group(0, "A"), group(1, "A"))
    trial = attempt(read, swit, without("team.create"))
    assert trial.after.calls == [("team.update", {"team": "T2", "name": "A"})]


def test_who_gets_no_account_joins_nothing() -> None:
    read = directory(group(0, "A", members=[ANN, BOB]), users=[ANN, BOB])
    trial = attempt(read, organisation(team("T1", "A", of=0)), without("user.create"))
    assert trial.after.calls == [("membership.add", {"team": "T1", "users": ["ann"]})]
    assert disabled(trial) == ["user.create:new:user:bob@x"]


@pytest.mark.parametrize("action", ["user.deactivate", "user.remove"])
def test_whoever_is_not_let_go_leaves_the_teams_all_the_same(action: Action) -> None:
    """As anybody does who is in none of their groups."""
    swit = organisation(team("T1", "A", of=0, users=["gone"]), users=["ann", "gone"])
    policy = without(action, user_removal=action.removeprefix("user."))
    trial = attempt(directory(group(0, "A")), swit, policy)
    assert trial.after.calls == [("membership.remove", {"team": "T1", "users": ["gone"]})]
    assert disabled(trial) == [f"{action}:gone"]


def test_who_is_neither_renamed_nor_activated_joins_as_they_are() -> None:
    swit = organisation(team("T1", "A", of=0), inactive=["ann"], users=[])
    renamed = person(0, "ann@x", name="Anna")
    policy = without("user.update", "user.activate")
    trial = attempt(directory(group(0, "A", members=[renamed]), users=[renamed]), swit, policy)
    assert trial.after.calls == [("membership.add", {"team": "T1", "users": ["ann"]})]
    assert disabled(trial) == ["user.update:ann", "user.activate:ann"]
