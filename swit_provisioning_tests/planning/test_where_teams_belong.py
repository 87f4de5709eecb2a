"""Under which team each belongs, in which order, and where it stays because there is none."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.by_hand import DN, directory, group, organisation, team
from swit_provisioning_tests.planning.specification.directory import GroupEntry
from swit_provisioning_tests.planning.specification.organisation import Organisation
from swit_provisioning_tests.planning.specification.states import directory_state, swit_state
from swit_provisioning_tests.planning.trial import attempt


def ordered(*orders: int | None, swit: Organisation | None = None) -> Plan:
    """The plan for groups A, B, C... with these values of the order attribute."""
    groups = [group(number, "ABCDE"[number]) for number in range(len(orders))]
    read = directory_state(directory(*groups))
    order = pd.array(orders, dtype="Float64")
    read = replace(read, groups=read.groups.assign(order=order))
    return make_plan(read, swit_state(swit or organisation()), Policy(), Memory())


@pytest.mark.parametrize(
    ("orders", "names"),
    [
        ((None, None, None), "ABC"),
        ((3, 1, 2), "BCA"),
        ((None, 1, None), "BAC"),
        ((2, None, 1), "CAB"),
        ((1, 1, 0), "CAB"),
    ],
)
def test_directory_order_is_the_order_attribute_then_the_files(
    orders: Sequence[int | None], names: str
) -> None:
    assert [change.target for change in ordered(*orders).changes] == list(names)


def test_teams_are_sorted_by_the_order_attribute() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    (change,) = ordered(2, 1, swit=swit).changes
    assert change.after["team_ids"] == ["T2", "T1", "TU"]
    assert ordered(1, 2, swit=swit).changes == ()


def test_a_team_whose_only_parents_have_no_team_stays_where_it_is() -> None:
    """The group above it has no name, so no team."""
    swit = organisation(team("T1", "House"), team("T2", "B", of=1, below="T1"))
    trial = attempt(directory(group(0, ""), group(1, "B", below=[0])), swit)
    assert trial.after.calls == []


def test_no_team_moves_below_one_that_stays_put_somewhere_below_it() -> None:
    """T2 stays put below a team by hand, and that below T1, which the directory has below T2."""
    teams = (
        team("T1", "A", of=0),
        team("T9", "By hand", below="T1"),
        team("T2", "B", of=1, below="T9"),
    )
    groups = group(0, "A", below=[1]), group(1, "B", below=[2]), group(2, "")
    trial = attempt(directory(*groups), organisation(*teams))
    assert trial.after.calls == []
    assert ("parent ignored", DN[0]) in [(f.kind, f.subject) for f in trial.plan.findings]


def test_all_that_would_go_from_above_one_that_stays_are_told() -> None:
    teams = (
        team("T1", "Old", of=0),
        team("T2", "Older", of=1, below="T1"),
        team("T3", "By hand", below="T2"),
        team("T4", "Other", of=2),
    )
    trial = attempt(directory(), organisation(*teams))
    assert trial.after.calls == [("team.delete", {"team": "T4"})]
    told = [(f.subject, f.side) for f in trial.plan.findings if f.kind == "team not deleted"]
    assert told == [("Old", "swit"), ("Older", "swit")]


def test_a_group_in_another_excluded_one_and_in_no_other_is_no_parents_child() -> None:
    """Out of scope is no parent: its team goes to the root."""
    teams = team("T1", "House", of=0), team("T2", "B", of=1, below="T1")
    groups: tuple[GroupEntry, ...] = (group(0, "House"), group(1, "B", below=[0]))
    trial = attempt(directory(*groups), organisation(*teams), Policy(teams_to_exclude=("House",)))
    assert trial.after.calls == [("team.update", {"team": "T2", "parent": "T0"})]


def test_a_blank_name_to_exclude_excludes_nobody() -> None:
    groups = group(0, "A"), group(1, " ")
    trial = attempt(directory(*groups), organisation(), Policy(teams_to_exclude=(" ",)))
    assert [action for action, _ in trial.after.calls] == ["team.create"]
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [("missing group name", DN[1])]


def test_of_several_parents_the_first_in_directory_order_is_the_one() -> None:
    groups = group(1, "B"), group(0, "A"), group(2, "C", below=[0, 1])
    after = attempt(directory(*groups), organisation()).after
    above = {
        team.name: after.teams[team.parent].name for team in after.teams.values() if team.parent
    }
    assert above["C"] == "B"


def places(*groups: GroupEntry, policy: Policy | None = None) -> dict[str, str]:
    """The name of each new team's parent."""
    after = attempt(directory(*groups), organisation(), policy).after
    return {t.name: after.teams[t.parent].name for t in after.teams.values() if t.parent}


LEAF, MID = group(2, "Leaf"), group(1, "Mid")


def test_a_parent_that_is_also_above_another_parent_is_no_parent() -> None:
    """389 Directory Server's `memberOf` names every group above, in any order."""
    leaf, mid = replace(LEAF, parents=(DN[0], DN[1])), replace(MID, parents=(DN[0],))
    tree = group(0, "All", members=[mid]), replace(mid, members=(DN[2],)), leaf
    assert places(*tree) == {"All": "Org", "Mid": "All", "Leaf": "Mid", "Unassigned": "Org"}
    swit = organisation(*(team(f"T{n + 1}", ["All", "Mid", "Leaf"][n], of=n) for n in range(3)))
    trial = attempt(directory(*tree), swit)
    assert [f.kind for f in trial.plan.findings] == []
    moved = {team.name: team.parent for team in trial.after.teams.values()}
    assert (moved["Mid"], moved["Leaf"]) == ("T1", "T2")


def test_a_parent_that_lists_the_group_goes_before_one_that_only_memberof_names() -> None:
    leaf = replace(LEAF, parents=(DN[0],))
    assert places(group(0, "All"), replace(MID, members=(DN[2],)), leaf)["Leaf"] == "Mid"


def test_a_group_in_scope_that_lists_the_group_is_its_parent_beside_an_excluded_one() -> None:
    leaf = replace(LEAF, parents=(DN[0],))
    groups = group(0, "Out"), replace(MID, members=(DN[2],)), leaf
    assert places(*groups, policy=Policy(teams_to_exclude=("Out",)))["Leaf"] == "Mid"


def test_an_ancestor_stands_in_for_no_parent_that_has_no_team() -> None:
    """What a server adds to `memberOf` moves no team."""
    mid = replace(group(1, "", below=[0]), members=(DN[2],))
    swit = organisation(team("T1", "House"), team("T2", "Leaf", of=2, below="T1"))
    groups = group(0, "All"), mid, replace(LEAF, parents=(DN[0], DN[1]))
    assert attempt(directory(*groups), swit).after.teams["T2"].parent == "T1"


def test_of_parents_that_are_above_one_another_none_is_dropped() -> None:
    ring = replace(MID, members=(DN[0], DN[2])), group(0, "All", members=[MID, LEAF]), LEAF
    assert places(*ring)["Leaf"] == "Mid"
    own = group(0, "All", members=[LEAF]), replace(MID, members=(DN[2],), parents=(DN[2],)), LEAF
    assert places(*own)["Leaf"] == "All"


@pytest.mark.parametrize(
    ("parents", "place"),
    [(("no DN",), "T1"), (("no DN", DN[3]), "T1"), ((DN[3],), "T0"), (("no DN", DN[2]), "T3")],
)
def test_a_team_stays_where_it_is_if_what_is_above_its_group_can_not_be_read(
    parents: tuple[str, ...], place: str
) -> None:
    teams = (
        team("T1", "House"),
        team("T2", "B", of=1, below="T1"),
        team("T3", "C", of=2),
    )
    groups = replace(group(1, "B"), parents=parents), group(2, "C")
    after = attempt(directory(*groups), organisation(*teams)).after
    assert after.teams["T2"].parent == place


def test_a_new_teams_number_is_told_as_anothers() -> None:
    trial = attempt(directory(group(0, "A")), organisation(team("T1", "A")))
    assert [values["name"] for _, values in trial.after.calls] == ["A (2)"]
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [
        ("team name conflict", DN[0]),
        ("unmanaged team", "A"),
    ]


def test_groups_without_names_and_with_names_that_are_kept_get_no_team_side_by_side() -> None:
    policy = Policy(teams_to_keep=("Keep*",))
    trial = attempt(directory(group(0, ""), group(1, "Keeper")), organisation(), policy)
    assert trial.after.calls == []
    assert [f.kind for f in trial.plan.findings] == ["missing group name", "reserved team name"]


def test_under_a_team_that_is_kept_nothing_is_sorted() -> None:
    teams = (
        team("T1", "Kept"),
        team("T3", "C", of=2, below="T1"),
        team("T2", "B", of=1, below="T1"),
    )
    groups = [replace(group(n, "ABC"[n]), parents=("no DN",)) for n in (1, 2)]
    kept = Policy(teams_to_keep=("Kept",))
    assert attempt(directory(*groups), organisation(*teams), kept).after.calls == []


def test_parents_are_sorted_in_the_directory_order_of_the_first_below_them() -> None:
    teams = (
        team("T1", "One by hand"),
        team("T2", "Other by hand"),
        *(team(f"T{3 + n}", "DCBA"[n], of=3 - n, below=f"T{1 + n // 2}") for n in range(4)),
    )
    groups = [replace(group(n, "ABCD"[n]), parents=("no DN",)) for n in range(4)]
    trial = attempt(directory(*groups), organisation(*teams))
    assert trial.after.calls == [
        ("team.sort", {"parent": "T2", "teams": ["T6", "T5"]}),
        ("team.sort", {"parent": "T1", "teams": ["T4", "T3"]}),
    ]


def test_that_another_team_has_its_name_is_told_of_a_team_that_is_there_too() -> None:
    swit = organisation(team("T1", "A (2)", of=0), team("T9", "A"))
    trial = attempt(directory(group(0, "A")), swit)
    assert trial.after.calls == []
    (taken,) = (f for f in trial.plan.findings if f.kind == "team name conflict")
    assert (taken.subject, taken.side) == (DN[0], "swit")


def test_a_team_whose_group_has_lost_its_name_keeps_its_own_and_moves() -> None:
    swit = organisation(team("T1", "A", of=0), team("T2", "B", of=1))
    trial = attempt(directory(group(0, " ", below=[1]), group(1, "B")), swit)
    assert trial.after.calls == [("team.update", {"team": "T1", "parent": "T2"})]


def test_a_new_group_gets_no_name_that_another_groups_team_keeps() -> None:
    swit = organisation(team("T1", "Sales", of=0))
    trial = attempt(directory(group(0, "Sales"), group(1, "sales")), swit)
    assert [values["name"] for _, values in trial.after.calls] == ["sales (2)"]
