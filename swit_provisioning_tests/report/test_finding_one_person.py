"""The one person whom a text names, and the ids that a plan has for this person."""

import pytest

from swit_provisioning.planning.planner import explained_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.report.subjects import NotOnePersonError, PersonIds, find_person
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    directory,
    group,
    organisation,
    person,
    team,
)
from swit_provisioning_tests.planning.specification.directory import Directory
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state

NEW = person(1, "new@x", name="Nell")
TWIN = person(2, "twin@x", name="Ann")
READ = directory(group(0, "Sales", members=[ANN]), users=(ANN, NEW, TWIN))
SWIT = organisation(team("T1", "Sales", of=0), users=["ann", "gil"])


def found(who: str, read: Directory = READ) -> PersonIds:
    planned = explained_plan(directory_state(read), swit_state(SWIT), Policy(), Memory())
    assert planned.stages is not None
    return find_person(who, planned, planned.stages)


@pytest.mark.parametrize("who", ["ann@x", " ANN@X ", ANN.dn, "ann"])
def test_a_person_with_a_user_is_found_by_address_dn_or_id(who: str) -> None:
    ids = found(who)
    assert ids.label == "ann@x"
    assert "ann" in ids.users


@pytest.mark.parametrize("who", ["new@x", "Nell", NEW.dn])
def test_a_person_without_a_user_has_the_id_of_the_user_to_create(who: str) -> None:
    ids = found(who)
    assert (ids.label, ids.users) == ("new@x", frozenset({"new:user:new@x"}))
    assert NEW.dn in ids.findings


@pytest.mark.parametrize("who", ["gil@x", "gil", "Gil"])
def test_a_user_without_a_person_is_found(who: str) -> None:
    ids = found(who)
    assert (ids.label, ids.unique_name, ids.users) == ("gil@x", "gil@x", frozenset({"gil"}))


def test_a_name_of_several_people_names_them() -> None:
    two = directory(users=(person(1, "a@x", name="Ann Lee"), person(2, "b@x", name="Ann Lee")))
    with pytest.raises(NotOnePersonError, match="2 people are called Ann Lee: ") as error:
        found("Ann Lee", two)
    assert all(entry.dn in str(error.value) for entry in two.users)


def test_an_unknown_name_suggests_people_and_no_team() -> None:
    with pytest.raises(NotOnePersonError, match=r"Did you mean: new@x\?"):
        found("new@y")
    with pytest.raises(NotOnePersonError) as error:
        found("Sales")
    assert "Did you mean" not in str(error.value)
