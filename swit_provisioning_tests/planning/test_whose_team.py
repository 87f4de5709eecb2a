"""Of several teams that could be a group's, which is; and whose a team is that no group has."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.sources.ldap.dn import DnScope
from swit_provisioning_tests.planning.by_hand import ANN, DN, directory, group, organisation, team
from swit_provisioning_tests.planning.specification.directory import Directory, GroupEntry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.planning.trial import attempt

ID = "11111111-1111-1111-1111-111111111111"
KEEP = Policy(team_removal="keep")
GROUP = replace(group(0, "A", members=[ANN]), directory_id=ID)
BY_DN = directory(GROUP)
BY_ID = replace(BY_DN, reference_attribute="entryUUID")


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
    ("read", "swit", "policy", "remembered", "why"),
    [
        (
            BY_ID,
            two_teams(DN[0], "CN=was,OU=G,DC=x"),
            KEEP,
            {ID: "T2"},
            "it was the group's",
        ),
        (
            BY_ID,
            two_teams(DN[0], DN[0]),
            replace(KEEP, teams_to_keep=("B",)),
            {},
            "it is kept: of the other nothing is known that a kept one lacks",
        ),
        (BY_ID, two_teams(DN[0], DN[0], marked=True), KEEP, {}, "the other one is marked as left"),
        (
            BY_ID,
            two_teams(DN[0], ID),
            KEEP,
            {},
            "its reference is the one asked for",
        ),
        (
            BY_DN,
            two_teams(ID, DN[0]),
            KEEP,
            {},
            "as above, the other way round",
        ),
    ],
    ids=["remembered", "kept", "marked", "id by the settings", "name by the settings"],
)
def test_a_teams_history_and_reference_weigh_more_than_its_members(
    read: Directory,
    swit: Organisation,
    policy: Policy,
    remembered: Mapping[str, str],
    why: str,
) -> None:
    plan = attempt(read, swit, policy, Memory(groups=remembered)).plan
    assert team_of_the_group(plan) == "T2", why


def test_where_nothing_else_speaks_the_members_do() -> None:
    plan = attempt(BY_ID, two_teams(DN[0], DN[0]), KEEP).plan
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
    read = replace(read, scope=DnScope(base))
    swit = swit_state(organisation(team("T1", "A", of=0), team("T2", "By hand")))
    plan = make_plan(read, swit, Policy(), Memory())
    assert [c.object_id for c in plan.changes if c.action == "team.delete"] == goes


def test_who_authorised_the_program_stays_even_where_no_role_is_protected() -> None:
    """The account is in no directory here."""
    swit = organisation()
    plan = attempt(directory(), swit, Policy(protected_roles=())).plan
    assert plan.changes == ()
    assert "UME" in plan.baselines.never_deactivated


def test_a_team_whose_name_differs_in_case_alone_is_renamed_in_place() -> None:
    swit = organisation(team("T1", "sales", of=0))
    calls = attempt(directory(group(0, "Sales")), swit).after.calls
    assert calls == [("team.update", {"team": "T1", "name": "Sales"})]


ADOPT = Policy(unmanaged_teams="adopt")


def adopted(swit: Organisation, *groups: GroupEntry) -> list[tuple[str, dict[str, object]]]:
    return attempt(directory(*groups), swit, ADOPT).after.calls


def test_a_team_made_by_hand_is_adopted_by_the_one_group_that_is_called_so() -> None:
    """Another program's reference is replaced; the other team by hand stays as it is."""
    teams = ("T1", "sales", "T0", "of another program", ()), team("T2", "Choir")
    assert adopted(organisation(*teams), group(0, "Sales"), group(1, "Law")) == [
        ("team.create", {"name": "Law", "parent": "T0", "reference": DN[1]}),
        ("team.update", {"team": "T1", "name": "Sales", "reference": DN[0]}),
    ]


def test_a_team_that_two_groups_are_called_as_is_adopted_by_neither() -> None:
    swit = organisation(team("T1", "Sales"))
    made = [values["name"] for _, values in adopted(swit, group(0, "Sales"), group(1, "sales"))]
    assert made == ["Sales (2)", "sales (3)"]


def test_a_group_that_has_a_team_adopts_no_other() -> None:
    swit = organisation(team("T1", "Old", of=0), team("T2", "Sales"))
    assert adopted(swit, group(0, "Sales")) == [
        ("team.update", {"team": "T1", "name": "Sales (2)"})
    ]


def test_of_two_teams_that_are_called_by_a_groups_two_names_the_first_is_adopted() -> None:
    swit = organisation(team("T1", "Sales"), team("T2", "Trade"))
    both = replace(group(0, "Sales"), names=("Trade", "Sales"))
    assert adopted(swit, both) == [("team.update", {"team": "T1", "reference": DN[0]})]


def test_a_blank_reference_is_none() -> None:
    """With one, Unassigned would be anybody's team."""
    read = directory_state(directory(group(0, "A")))
    swit = swit_state(organisation(team("T1", "Choir")))
    blank = swit.teams["reference"].fillna(" ")
    swit = replace(swit, teams=swit.teams.assign(reference=blank))
    plan = make_plan(read, swit, Policy(unmanaged_teams="delete"), Memory())
    assert [(change.action, change.target) for change in plan.changes] == [
        ("team.delete", "Choir"),
        ("team.create", "A"),
    ]


def test_the_root_is_no_groups_team_whatever_its_reference_says() -> None:
    swit = organisation()
    swit.teams["T0"].reference = DN[0]
    calls = attempt(directory(group(0, "A")), swit).after.calls
    assert calls == [("team.create", {"name": "A", "parent": "T0", "reference": DN[0]})]


def test_two_groups_with_one_id_do_not_share_the_team_that_has_it() -> None:
    groups = (replace(group(n, name), directory_id=ID) for n, name in enumerate("AB"))
    swit = organisation(("T1", "A", "T0", ID, ()))
    read = replace(directory(*groups), reference_attribute="entryUUID")
    plan = attempt(read, swit, KEEP).plan
    assert [binding.object_id for binding in plan.bindings if binding.kind == "group"] == [
        "T1",
        f"new:team:{DN[1].casefold()}",
    ]


def test_a_kept_team_is_no_reason_to_leave_the_next_one_as_it_is() -> None:
    swit = organisation(team("T1", "Keep", of=0), team("T2", "Old", of=1))
    groups = group(0, "Renamed"), group(1, "New")
    calls = attempt(directory(*groups), swit, Policy(teams_to_keep=("Keep",))).after.calls
    assert calls == [("team.update", {"team": "T2", "name": "New"})]
