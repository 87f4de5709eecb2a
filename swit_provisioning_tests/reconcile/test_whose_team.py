"""Of several teams that could be a group's, which is; and whose a team is that no group has."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from swit_provisioning.reconcile.plan import Plan
from swit_provisioning.reconcile.planner import reconcile
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.references import reference_key
from swit_provisioning.reconcile.state import Memory
from swit_provisioning_tests.reconcile.by_hand import ANN, DN, directory, group, organisation, team
from swit_provisioning_tests.reconcile.specification.organisation import Organisation
from swit_provisioning_tests.reconcile.specification.states import directory_state, swit_state
from swit_provisioning_tests.reconcile.trial import attempt

ID = "11111111-1111-1111-1111-111111111111"
BY_ID = Policy(reference_attribute="entryUUID", team_removal="keep")
GROUP = replace(group(0, "A", members=[ANN]), directory_id=ID)


def two_teams(first: str, second: str, *, marked: bool = False) -> Organisation:
    """T1 and T2 with these references; Ann, whom the group wants, is in T1 alone."""
    return organisation(
        ("T1", "(removed) A" if marked else "A", "T0", first, ["ann"]),
        ("T2", "B", "T0", second, []),
    )


def team_of_the_group(plan: Plan) -> str:
    (team_id,) = (binding.object_id for binding in plan.bindings if binding.kind == "group")
    return team_id


@pytest.mark.parametrize(
    ("swit", "policy", "remembered", "why"),
    [
        (two_teams(DN[0], "CN=was,OU=G,DC=x"), BY_ID, {ID: "T2"}, "it was the group's before"),
        (
            two_teams(DN[0], DN[0]),
            replace(BY_ID, teams_to_keep=("B",)),
            {},
            "it is kept: of the other nothing is known that a kept one lacks",
        ),
        (two_teams(DN[0], DN[0], marked=True), BY_ID, {}, "the other one is marked as left"),
        (two_teams(DN[0], ID), BY_ID, {}, "its reference is the one that the settings ask for"),
        (
            two_teams(ID, DN[0]),
            replace(BY_ID, reference_attribute="distinguishedName"),
            {},
            "as above, the other way round",
        ),
    ],
    ids=["remembered", "kept", "marked", "id by the settings", "name by the settings"],
)
def test_a_teams_history_and_reference_weigh_more_than_its_members(
    swit: Organisation, policy: Policy, remembered: Mapping[str, str], why: str
) -> None:
    plan = attempt(directory(GROUP), swit, policy, Memory(groups=remembered)).plan
    assert team_of_the_group(plan) == "T2", why


def test_where_nothing_else_speaks_the_members_do() -> None:
    plan = attempt(directory(GROUP), two_teams(DN[0], DN[0]), BY_ID).plan
    assert team_of_the_group(plan) == "T1"


@pytest.mark.parametrize(
    ("base", "goes"),
    [("ou=g,dc=x", ["T1"]), ("dc=x", ["T1"]), ("ou=other,dc=x", []), (None, ["T1"])],
)
def test_a_team_is_a_groups_that_left_only_if_its_reference_is_below_the_search_base(
    base: str | None, goes: list[str]
) -> None:
    """A reference to another directory is somebody else's: no group here has left."""
    read = directory_state(directory())
    read = replace(read, facts=replace(read.facts, search_base=base))
    swit = swit_state(organisation(team("T1", "A", of=0), team("T2", "By hand")))
    plan = reconcile(read, swit, Policy(), Memory())
    assert [c.object_id for c in plan.changes if c.action == "team.delete"] == goes


def test_who_authorised_the_program_stays_even_where_no_role_is_protected() -> None:
    """The account is in no directory here."""
    swit = organisation()
    plan = attempt(directory(), swit, Policy(protected_roles=())).plan
    assert plan.changes == ()
    assert "UME" in plan.bases.never_deactivated


def test_a_team_whose_name_differs_in_case_alone_is_renamed_in_place() -> None:
    swit = organisation(team("T1", "sales", of=0))
    calls = attempt(directory(group(0, "Sales")), swit).after.calls
    assert calls == [("team.update", {"team": "T1", "name": "Sales"})]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (None, ""),
        ("  ", ""),
        (" {11AA-22} ", "11aa-22"),
        ("X-11AA-X", "x-11aa-x"),
        ("CN=Sales , DC=x", "cn=sales,dc=x"),
        ("= No name", "= no name"),
    ],
)
def test_references_are_compared_as_names_or_as_ids_without_braces(
    text: str | None, key: str
) -> None:
    assert reference_key(text) == key
