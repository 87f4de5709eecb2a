"""Which team is the primary one, and what setting it waits for."""

from dataclasses import replace

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.organisation import UNASSIGNED
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.planning.trial import attempt

NEW = person(1, "new@x")


def plan_with(primary_group: str | None, *, called: str = "B") -> Plan:
    """Ann is in A and B by their groups; A is her primary team. A third group may be called B."""
    swit = organisation(
        team("T1", "A", of=0, users=["ann"]),
        team("T2", "B", of=1, users=["ann"]),
        team("T3", "C", of=2),
    )
    swit.users["ann"].teams["T1"] = True
    ann = replace(ANN, primary_group=primary_group)
    groups = group(0, "A", members=[ann]), group(1, "B", members=[ann])
    return attempt(
        directory(*groups, replace(group(2, "C"), names=("C", called)), users=[ann]), swit
    ).plan


@pytest.mark.parametrize("text", [DN[1], DN[1].upper(), "B", "  b ", "CN=g1 , OU=G, DC=x"])
def test_the_one_that_the_directory_names_by_dn_or_name_becomes_it(text: str) -> None:
    (change,) = plan_with(text, called="C").changes
    assert (change.before["team"], change.after["team"]) == ("A", "B")
    assert change.reason == "the directory names it"


@pytest.mark.parametrize("text", [None, "", "  ", "A", "Nobody's", DN[2], "cn=,"])
def test_the_present_one_stays_where_it_is_named_or_no_other_of_theirs_is(text: str | None) -> None:
    assert plan_with(text, called="C").changes == ()


def test_a_name_that_two_groups_have_names_neither() -> None:
    assert plan_with("B", called="b").changes == ()


def test_a_new_persons_named_team_waits_for_both_to_be_made() -> None:
    new = replace(NEW, primary_group="B")
    groups = group(0, "A", members=[new]), group(1, "B", members=[new])
    plan = attempt(directory(*groups, users=[ANN, new]), organisation()).plan
    (change,) = plan.of_step("update_primary_teams")
    made = f"new:team:{DN[1].casefold()}"
    assert change.object_id == "new:user:new@x"
    assert change.before == {"team_id": None, "team": None}
    assert change.after == {"team_id": made, "team": "B"}
    assert change.depends_on == (f"team.create:{made}", "user.create:new:user:new@x")


@pytest.mark.parametrize("number", [2, 3])
def test_a_new_person_who_joins_several_teams_is_given_the_first_whichever_addition_arrives_first(
    number: int,
) -> None:
    groups = [group(n, "ABC"[n], members=[NEW]) for n in range(number)]
    for seed in range(4):
        trial = attempt(directory(*groups, users=[ANN, NEW]), organisation(), seed=seed)
        (change,) = trial.plan.of_step("update_primary_teams")
        assert (change.before["team"], change.after["team"]) == (None, "A")
        (new,) = (u for u in trial.after.users.values() if u.email == "new@x")
        assert trial.after.teams[new.primary or ""].name == "A"


def test_a_new_person_who_joins_one_team_gets_it_by_joining_it() -> None:
    trial = attempt(directory(group(0, "A", members=[NEW]), users=[ANN, NEW]), organisation())
    assert "primary.update" not in trial.plan.counts()


def test_who_is_in_several_teams_and_has_no_primary_one_gets_the_first_by_a_group() -> None:
    teams = (
        team("T9", "Choir", users=["ann"]),
        team("T1", "A", of=0, users=["ann"]),
        team("T2", "B", of=1, users=["ann"]),
    )
    groups = group(0, "A", members=[ANN]), group(1, "B", members=[ANN])
    (change,) = attempt(directory(*groups), organisation(*teams)).plan.changes
    assert (change.before["team"], change.after["team"]) == (None, "A")
    assert change.reason == "in several teams, none of them the primary one"


def test_who_loses_the_primary_team_with_its_deletion_gets_another() -> None:
    swit = organisation(
        team("T0x", "Old", of=3, users=["ann"]),
        team("T1", "A", of=0, users=["ann"]),
        team("T2", "B", of=1, users=["ann"]),
    )
    swit.users["ann"].teams["T0x"] = True
    groups = group(0, "A", members=[ANN]), group(1, "B", members=[ANN])
    calls = attempt(directory(*groups), swit).after.calls
    assert calls[-1] == ("primary.update", {"team": "T1", "user": "ann"})


def test_the_present_one_stays_though_it_is_not_the_first() -> None:
    swit = organisation(team("T1", "A", of=0, users=["ann"]), team("T2", "B", of=1, users=["ann"]))
    swit.users["ann"].teams["T2"] = True
    groups = group(0, "A", members=[ANN]), group(1, "B", members=[ANN])
    assert attempt(directory(*groups), swit).after.calls == []


def test_a_primary_team_that_they_are_not_in_is_none() -> None:
    """Swit can be read so while somebody leaves a team."""
    teams = (
        team("T1", "A", of=0),
        team("T2", "B", of=1, users=["ann"]),
        team("T3", "C", of=2, users=["ann"]),
    )
    groups = group(0, "A"), group(1, "B", members=[ANN]), group(2, "C", members=[ANN])
    swit = swit_state(organisation(*teams))
    swit = replace(swit, users=swit.users.assign(primary_team="T1"))
    (change,) = make_plan(directory_state(directory(*groups)), swit, Policy(), Memory()).changes
    assert (change.before["team"], change.after["team"]) == (None, "B")
    assert change.reason == "in several teams, none of them the primary one"


def test_who_has_swits_own_team_for_a_primary_one_gets_the_first_by_a_group() -> None:
    """They have one, so no other becomes it by their joining."""
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    swit.teams[UNASSIGNED].users.append("ann")
    swit.users["ann"].teams[UNASSIGNED] = True
    groups = group(0, "A", members=[ANN]), group(1, "B", members=[ANN])
    calls = attempt(directory(*groups), swit).after.calls
    assert calls[-1] == ("primary.update", {"team": "T1", "user": "ann"})


def test_people_come_in_the_order_of_their_addresses() -> None:
    """Whatever their ids are: those are nobody's to read."""
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1), team("T3", "Choir"), users=[])
    people = [person(0, "ann@x"), person(1, "bob@x")]
    for user, entry in zip(("U2", "U1"), people, strict=True):
        swit.add_user(user, entry.emails[0], entry.names[0])
        swit.teams["T3"].users.append(user)
        swit.users[user].teams["T3"] = True
    groups = group(0, "A", members=people), group(1, "B", members=people)
    plan = attempt(directory(*groups, users=people), swit).plan
    joins, _ = plan.of_step("add_members")
    assert joins.after == {"user_ids": ["U2", "U1"], "emails": ["ann@x", "bob@x"]}
    assert [c.object_id for c in plan.of_step("update_primary_teams")] == ["U2", "U1"]


def test_who_is_in_another_team_when_the_primary_one_is_deleted_is_given_one_for_certain() -> None:
    """Whether Swit makes the other one the primary team, or the first that is joined, is unknown.

    Found by the property tests: the specification trusted Swit, the planner did not.
    """
    swit = organisation(
        team("T1", "Gone", of=3, users=["ann"]),
        team("T2", "C", of=2, users=["ann"]),
        team("T3", "A", of=0),
        team("T4", "B", of=1),
    )
    swit.users["ann"].teams |= {"T1": True, "T2": False}
    groups = group(0, "A", members=[ANN]), group(1, "B", members=[ANN]), group(2, "C")
    plan = attempt(directory(*groups), swit).plan
    (change,) = (c for c in plan.changes if c.action == "primary.update")
    assert (change.object_id, change.after["team_id"]) == ("ann", "T3")


def test_a_named_team_that_is_the_only_one_joined_is_made_the_primary_one_by_swit() -> None:
    """Without a primary team, whoever joins one gets it as the primary one."""
    swit = organisation(team("T1", "A", of=0), team("T9", "Choir", users=["ann"]))
    ann = replace(ANN, primary_group="A")
    trial = attempt(directory(group(0, "A", members=[ann]), users=[ann]), swit)
    assert [action for action, _ in trial.after.calls] == ["membership.add"]


def test_a_named_team_is_set_where_another_is_the_only_one_joined() -> None:
    swit = organisation(team("T1", "A", of=0, users=["ann"]), team("T2", "B", of=1))
    ann = replace(ANN, primary_group="A")
    groups = group(0, "A", members=[ann]), group(1, "B", members=[ann])
    trial = attempt(directory(*groups, users=[ann]), swit)
    assert trial.after.calls[1:] == [("primary.update", {"team": "T1", "user": "ann"})]
