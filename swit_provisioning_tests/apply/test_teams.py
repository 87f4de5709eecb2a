"""Deleting and sorting: looked at just before, so that nobody's team goes along."""

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.apply.changes import (
    create_team,
    delete_team,
    new_team,
    plan_of,
    sort_teams,
)
from swit_provisioning_tests.apply.conftest import Stage


def test_teams_are_deleted_bottom_up_after_one_look(stage: Stage) -> None:
    org = stage.organisation
    top = org.add_team("Top")
    below = org.add_team("Below", parent_id=top)
    assert stage.kinds(plan_of(delete_team(below), delete_team(top))) == ["applied", "applied"]
    assert stage.asked() == ["user.team.list", "team.delete", "team.delete"]


def test_a_team_with_a_child_that_came_since_the_plan_is_left(stage: Stage) -> None:
    """Swit would delete the child with it, and nothing restores it."""
    org = stage.organisation
    top, other = org.add_team("Top"), org.add_team("Other")
    org.add_team("By hand", parent_id=top)
    outcomes = stage.apply(plan_of(delete_team(top), delete_team(other)))
    assert [outcome.outcome for outcome in outcomes] == ["skipped", "applied"]
    assert outcomes[0].message == "teams are below it that stay: By hand"
    assert stage.children(stage.root_id) == ["Top"]


def test_a_team_whose_childs_deletion_was_refused_is_left(stage: Stage) -> None:
    org = stage.organisation
    top = org.add_team("Top")
    below = org.add_team("Below", parent_id=top)
    stage.server.faults.add(Fault(kind="status", status=400, call="team.delete"))
    assert stage.kinds(plan_of(delete_team(below), delete_team(top))) == ["rejected", "skipped"]


def test_a_team_that_is_gone_already_costs_no_call(stage: Stage) -> None:
    assert stage.kinds(plan_of(delete_team("GONE"))) == ["already so"]
    assert stage.asked() == ["user.team.list"]


def test_a_deletion_whose_answer_is_lost_is_sent_twice_and_done_once(stage: Stage) -> None:
    old = stage.organisation.add_team("Old")
    stage.server.faults.add(Fault(kind="drop", call="team.delete", after_work=True))
    assert stage.kinds(plan_of(delete_team(old))) == ["already so"]
    assert stage.children(stage.root_id) == []


def test_children_that_came_since_follow_the_planned_ones(stage: Stage) -> None:
    org = stage.organisation
    b, a = org.add_team("B"), org.add_team("A")
    plan = plan_of(sort_teams(stage.root_id, a, b, "GONE"))
    org.add_team("By hand")
    assert stage.kinds(plan) == ["applied"]
    assert stage.children(stage.root_id) == ["A", "B", "By hand"]


def test_children_whose_making_was_refused_are_left_out(stage: Stage) -> None:
    org = stage.organisation
    b, a = org.add_team("B"), org.add_team("A")
    plan = plan_of(
        create_team("<C>", stage.root_id), sort_teams(stage.root_id, new_team("<C>"), a, b)
    )
    assert stage.kinds(plan) == ["rejected", "applied"]
    assert stage.children(stage.root_id) == ["A", "B"]


def test_what_is_in_order_by_now_is_not_sorted_again(stage: Stage) -> None:
    org = stage.organisation
    a, b = org.add_team("A"), org.add_team("B")
    unassigned = org.records.unassigned_id
    assert stage.kinds(plan_of(sort_teams(stage.root_id, unassigned, a, b))) == ["already so"]
    assert stage.asked() == ["user.team.list"]


def test_several_parents_are_sorted_after_one_look(stage: Stage) -> None:
    org = stage.organisation
    parents = [org.add_team(name) for name in ("P", "Q")]
    changes = []
    for parent in parents:
        late, early = (org.add_team(f"{n} of {parent}", parent_id=parent) for n in ("b", "a"))
        changes.append(sort_teams(parent, early, late))
    assert stage.kinds(plan_of(*changes)) == ["applied", "applied"]
    assert stage.asked() == ["user.team.list", "team.sort", "team.sort"]


def test_sorting_below_a_team_that_is_gone_is_skipped(stage: Stage) -> None:
    [outcome] = stage.apply(plan_of(sort_teams("GONE", "A", "B")))
    assert outcome.outcome == "skipped"
