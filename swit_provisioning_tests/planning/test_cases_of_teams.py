"""Counterexamples to simpler rules for teams: each broke one, and says what is right instead."""

from collections.abc import Sequence

import pytest

from swit_provisioning.planning.policy import Policy
from swit_provisioning_tests.planning.by_hand import (
    ANN,
    DN,
    directory,
    group,
    organisation,
    team,
)
from swit_provisioning_tests.planning.specification.organisation import WhenParentIsDeleted
from swit_provisioning_tests.planning.specification.sending import send
from swit_provisioning_tests.planning.trial import Trial, attempt, plan_of

DELETIONS = pytest.mark.parametrize("delete", ["cascade", "reject", "orphan"])


def kinds(trial: Trial) -> set[str]:
    return {finding.kind for finding in trial.plan.findings}


def children(trial: Trial, parent: str = "T0") -> list[str]:
    return [trial.after.teams[child].name for child in trial.after.teams[parent].children]


def test_a_group_in_a_ring_stays_where_it_is_and_the_ring_is_told() -> None:
    """Cut anywhere else, it would move to the root today and below another parent tomorrow."""
    groups = group(2, "A", below=[0, 1]), group(0, "P0"), group(1, "P1", below=[2])
    teams = team("T1", "P0", of=0), team("T2", "P1", of=1), team("T3", "A", of=2, below="T2")
    trial = attempt(directory(*groups), organisation(*teams))
    assert trial.after.calls == []
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [
        ("circular membership", DN[1]),
        ("circular membership", DN[2]),
        ("multiple parents", DN[2]),
        ("parent ignored", DN[1]),
    ]


def test_of_two_teams_with_one_reference_the_first_made_stays_the_groups_also_tomorrow() -> None:
    """T1 and T2 have one of the group's members each, today; by their sizes T2 would win later."""
    leavers = ["bea", "cid", "dora"]
    teams = (
        team("T1", "A", of=0, users=["ann", *leavers]),
        team("T2", "A copy", of=0, users=["ann", "bea"]),
    )
    before = organisation(*teams, inactive=leavers)
    trial = attempt(directory(group(0, "A", members=[ANN])), before, Policy(team_removal="keep"))
    assert trial.specified.teams.team_of == {DN[0].casefold(): "T1"}
    assert trial.after.calls == [
        ("membership.remove", {"team": "T1", "users": leavers}),
        ("primary.update", {"team": "T1", "user": "ann"}),
    ]


def test_of_two_teams_with_one_reference_the_one_with_most_of_its_members_is_the_groups() -> None:
    """Members that nobody wants don't count: they leave, and would not count tomorrow."""
    leavers = ["bea", "cid", "dora"]
    teams = (
        team("T1", "A", of=0, users=leavers),
        team("T2", "A copy", of=0, users=["ann", "bea"]),
    )
    before = organisation(*teams, inactive=leavers)
    trial = attempt(directory(group(0, "A", members=[ANN])), before, Policy(team_removal="keep"))
    assert trial.after.calls == [
        ("team.update", {"team": "T2", "name": "A (2)"}),
        ("membership.remove", {"team": "T2", "users": ["bea"]}),
    ]


@DELETIONS
def test_a_group_in_another_ou_gets_its_name_before_its_old_team_is_empty(
    delete: WhenParentIsDeleted,
) -> None:
    """The deletion needs the child's move, that the new team, and that the name."""
    groups = group(1, "Sales"), group(2, "Sales EMEA", below=[1])
    teams = team("T1", "Sales", of=0), team("T2", "Sales EMEA", of=2, below="T1")
    trial = attempt(directory(*groups), organisation(*teams, delete=delete))
    assert trial.after.calls == [
        ("team.update", {"team": "T1", "name": "(moving) Sales"}),
        ("team.create", {"name": "Sales", "parent": "T0", "reference": DN[1]}),
        ("team.update", {"team": "T2", "parent": "Tnew1"}),
        ("team.delete", {"team": "T1"}),
    ]


def test_a_new_group_takes_the_name_that_a_renamed_one_gives_up_before_it() -> None:
    groups = group(0, "Sales EMEA"), group(1, "Sales")
    trial = attempt(directory(*groups), organisation(team("T1", "Sales", of=0)))
    assert trial.after.calls == [
        ("team.update", {"team": "T1", "name": "Sales EMEA"}),
        ("team.create", {"name": "Sales", "parent": "T0", "reference": DN[1]}),
    ]


def test_parent_and_child_change_places_and_names_in_three_calls() -> None:
    groups = group(0, "C", below=[1]), group(1, "A")
    teams = team("T1", "A", of=0), team("T2", "B", of=1, below="T1")
    trial = attempt(directory(*groups), organisation(*teams))
    assert trial.after.calls == [
        ("team.update", {"team": "T1", "name": "C"}),
        ("team.update", {"team": "T2", "name": "A", "parent": "T0"}),
        ("team.update", {"team": "T1", "parent": "T2"}),
    ]


@DELETIONS
def test_a_team_with_one_made_by_hand_below_it_stays_though_its_group_has_left(
    delete: WhenParentIsDeleted,
) -> None:
    teams = team("T1", "A", of=0), team("T2", "By hand", below="T1"), team("T3", "B", of=1)
    trial = attempt(directory(group(1, "B")), organisation(*teams, delete=delete))
    assert trial.after.calls == []
    assert [(f.kind, f.subject) for f in trial.plan.findings] == [
        ("team not deleted", "A"),
        ("unmanaged team", "By hand"),
    ]


@DELETIONS
def test_a_team_is_not_deleted_while_the_move_of_its_child_is_refused(
    delete: WhenParentIsDeleted,
) -> None:
    """Swit might delete the child and its members with it."""
    teams = team("T1", "A", of=0), team("T2", "B", of=1, below="T1", users=["ann"])
    swit = organisation(*teams, delete=delete)
    swit.refuses = lambda action, _: action == "team.update"
    plan = plan_of(directory(group(1, "B", members=[ANN])), swit)
    sent = send(plan, swit)
    assert sent.outcomes == {"team.update:T2": "rejected", "team.delete:T1": "skipped"}
    assert plan.changes[1].depends_on == ("team.update:T2",)
    assert swit.teams["T2"].users == ["ann"]


@pytest.mark.parametrize("seed", range(3))
def test_new_teams_under_one_parent_arrive_in_directory_order_and_need_no_sort(seed: int) -> None:
    groups = group(0, "A"), group(1, "B"), group(2, "C")
    trial = attempt(directory(*groups), organisation(), seed=seed)
    assert [action for action, _ in trial.after.calls] == ["team.create"] * 3
    assert children(trial) == ["Unassigned", "A", "B", "C"]


def test_the_name_unassigned_is_given_to_no_group_even_where_swit_calls_its_own_otherwise() -> None:
    swit = organisation(unassigned="미지정")
    trial = attempt(directory(group(0, "Unassigned")), swit)
    assert trial.after.calls == [
        ("team.create", {"name": "Unassigned (2)", "parent": "T0", "reference": DN[0]})
    ]


def test_that_swits_own_team_comes_first_is_no_reason_to_sort() -> None:
    teams = team("T1", "A", of=0), team("T2", "B", of=1)
    trial = attempt(directory(group(0, "A"), group(1, "B")), organisation(*teams))
    assert trial.after.calls == []


def test_teams_out_of_order_among_themselves_are_sorted_and_the_others_follow() -> None:
    teams = team("T2", "B", of=1), team("T3", "By hand"), team("T1", "A", of=0)
    trial = attempt(directory(group(0, "A"), group(1, "B")), organisation(*teams))
    assert trial.after.calls == [("team.sort", {"parent": "T0", "teams": ["T1", "T2", "TU", "T3"]})]


def test_children_of_a_group_without_a_name_go_to_the_root() -> None:
    trial = attempt(directory(group(0, ""), group(1, "B", below=[0])), organisation())
    assert trial.after.calls == [("team.create", {"name": "B", "parent": "T0", "reference": DN[1]})]
    assert kinds(trial) == {"missing group name"}


@DELETIONS
def test_where_no_team_may_be_updated_none_is_deleted_from_above_a_child_that_should_leave_it(
    delete: WhenParentIsDeleted,
) -> None:
    teams = team("T1", "A", of=0), team("T2", "B", of=1, below="T1")
    policy = Policy(disabled_actions=frozenset({"team.update"}))
    trial = attempt(directory(group(1, "B")), organisation(*teams, delete=delete), policy)
    assert trial.after.calls == []
    assert kinds(trial) == {"team not deleted"}
    assert [change.change_id for change in trial.plan.disabled] == ["team.update:T2"]


def test_where_no_team_may_be_made_nobody_joins_it() -> None:
    policy = Policy(disabled_actions=frozenset({"team.create"}))
    trial = attempt(directory(group(0, "A", members=[ANN])), organisation(), policy)
    assert trial.after.calls == []
    assert [change.action for change in trial.plan.disabled] == ["team.create"]


def test_a_name_to_keep_is_taken_though_no_team_has_it_yet() -> None:
    """Made under that name, the group's team would be a kept one, and never filled."""
    policy = Policy(teams_to_keep=("B",))
    trial = attempt(directory(group(0, "B", members=[ANN])), organisation(), policy)
    assert trial.after.calls == [
        ("team.create", {"name": "B (2)", "parent": "T0", "reference": DN[0]}),
        ("membership.add", {"team": "Tnew1", "users": ["ann"]}),
    ]


@DELETIONS
def test_a_team_may_go_once_all_that_was_below_it_has_moved_with_its_own(
    delete: WhenParentIsDeleted,
) -> None:
    """The team made by hand, two levels below, goes along with its parent."""
    teams = (
        team("T1", "A", of=0),
        team("T2", "A copy", of=0),
        team("T3", "C", of=1, below="T2"),
        team("T4", "By hand", below="T3"),
    )
    swit = organisation(*teams, delete=delete)
    trial = attempt(directory(group(0, "A"), group(1, "C")), swit)
    assert trial.after.calls == [
        ("team.update", {"team": "T3", "parent": "T0"}),
        ("team.delete", {"team": "T2"}),
    ]
    assert children(trial, "T3") == ["By hand"]


REMOVALS: dict[str, tuple[Policy, Sequence[tuple[str, dict[str, str]]]]] = {
    "marked, it gives up its name": (
        Policy(team_removal="mark"),
        [
            ("team.update", {"team": "T1", "name": "(removed) X"}),
            ("team.create", {"name": "X", "parent": "T0", "reference": DN[1]}),
        ],
    ),
    "kept, it keeps its name": (
        Policy(team_removal="keep"),
        [("team.create", {"name": "X (2)", "parent": "T0", "reference": DN[1]})],
    ),
    "deleted, it is gone before": (
        Policy(team_removal="delete"),
        [
            ("team.delete", {"team": "T1"}),
            ("team.create", {"name": "X", "parent": "T0", "reference": DN[1]}),
        ],
    ),
}


@pytest.mark.parametrize(("policy", "calls"), REMOVALS.values(), ids=REMOVALS)
def test_a_new_group_called_as_one_that_left_gets_its_name_if_the_old_team_gives_it_up(
    policy: Policy, calls: Sequence[tuple[str, dict[str, str]]]
) -> None:
    trial = attempt(directory(group(1, "X")), organisation(team("T1", "X", of=0)), policy)
    assert trial.after.calls == calls


def test_a_marked_team_whose_group_comes_back_has_its_name_again() -> None:
    marked = organisation(team("T1", "(removed) X", of=0))
    policy = Policy(team_removal="mark")
    assert attempt(directory(), marked, policy).after.calls == []
    back = attempt(directory(group(0, "X")), marked, policy)
    assert back.after.calls == [("team.update", {"team": "T1", "name": "X"})]


def test_a_group_that_is_itself_called_removed_gets_a_team_without_that_mark() -> None:
    """Marked by its own name, it would lose to any other team with its reference."""
    trial = attempt(directory(group(0, "(removed) (Removed) X")), organisation())
    assert trial.after.calls == [("team.create", {"name": "X", "parent": "T0", "reference": DN[0]})]
