"""Deleting and sorting teams: they are read just before, so that no other team is lost."""

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.apply.changes import (
    create_team,
    delete_team,
    new_team,
    plan_of,
    sort_teams,
    update_team,
)
from swit_provisioning_tests.apply.conftest import Stage


def test_new_teams_are_created_in_parallel_only_under_different_parents(
    stage: Stage,
) -> None:
    """Swit appends in the order of arrival."""
    stage.server.latency_seconds = 0.02
    parents = [f"P{number}" for number in range(4)]
    below = {parent: [f"{parent} {letter}" for letter in "dacb"] for parent in parents}
    plan = plan_of(
        *(create_team(parent, stage.root_id) for parent in parents),
        *(create_team(child, new_team(parent)) for parent in parents for child in below[parent]),
    )
    assert set(stage.kinds(plan)) == {"applied"}
    assert stage.children(stage.root_id) == parents
    assert {p: stage.children(stage.team(p).id) for p in parents} == below
    assert stage.server.log.most_in_flight > 1
    stage.server.log.clear()
    assert set(stage.kinds(plan_of(*(create_team(n, stage.root_id) for n in "xyz")))) == {"applied"}
    assert stage.server.log.most_in_flight == 1


def test_moves_arrive_in_the_order_of_the_plan(stage: Stage) -> None:
    org = stage.organisation
    stage.server.latency_seconds = 0.01
    new = org.add_team("New")
    teams = [org.add_team(f"T{number}") for number in range(6)]
    changes = [update_team(team, parent_id=new) for team in reversed(teams)]
    assert set(stage.kinds(plan_of(*changes))) == {"applied"}
    assert stage.children(new) == ["T5", "T4", "T3", "T2", "T1", "T0"]


def test_a_team_gets_a_name_after_it_is_free(stage: Stage) -> None:
    """Whichever call is slow: there are never two teams with one name."""
    org = stage.organisation
    a, b, c = (org.add_team(name) for name in "ABC")
    stage.server.faults.add(
        Fault(kind="slow", call="team.update", seconds=0.2, where=lambda given: given["id"] == c)
    )
    plan = plan_of(
        update_team(c, name="D"),
        update_team(b, name="C", needs=[f"team.update:{c}"]),
        update_team(a, name="B", needs=[f"team.update:{b}"]),
    )
    assert stage.kinds(plan) == ["applied"] * 3
    assert stage.children(stage.root_id) == ["B", "C", "D"]


def test_teams_are_deleted_bottom_up_after_one_read(stage: Stage) -> None:
    org = stage.organisation
    top = org.add_team("Top")
    below = org.add_team("Below", parent_id=top)
    plan = plan_of(delete_team(below), delete_team(top, needs=[f"team.delete:{below}"]))
    assert stage.kinds(plan) == ["applied", "applied"]
    assert stage.asked() == ["user.team.list", "team.delete", "team.delete"]


def test_a_team_with_a_child_added_since_the_plan_is_not_deleted(stage: Stage) -> None:
    """Swit would delete the child with it, and nothing restores it."""
    org = stage.organisation
    top, other = org.add_team("Top"), org.add_team("Other")
    org.add_team("By hand", parent_id=top)
    outcomes = stage.apply(plan_of(delete_team(top), delete_team(other)))
    assert [outcome.outcome for outcome in outcomes] == ["skipped", "applied"]
    assert outcomes[0].message == "it has child teams that stay: By hand"
    assert stage.children(stage.root_id) == ["Top"]


def test_a_team_whose_child_could_not_be_deleted_is_not_deleted(stage: Stage) -> None:
    org = stage.organisation
    top = org.add_team("Top")
    below = org.add_team("Below", parent_id=top)
    stage.server.faults.add(Fault(kind="status", status=400, call="team.delete"))
    plan = plan_of(delete_team(below), delete_team(top, needs=[f"team.delete:{below}"]))
    assert stage.kinds(plan) == ["rejected", "skipped"]


def test_a_deleted_team_costs_no_call(stage: Stage) -> None:
    assert stage.kinds(plan_of(delete_team("GONE"))) == ["already so"]
    assert stage.asked() == ["user.team.list"]


def test_a_deletion_whose_answer_is_lost_is_sent_twice_and_done_once(stage: Stage) -> None:
    old = stage.organisation.add_team("Old")
    stage.server.faults.add(Fault(kind="drop", call="team.delete", after_work=True))
    assert stage.kinds(plan_of(delete_team(old))) == ["already so"]
    assert stage.children(stage.root_id) == []


def test_children_added_since_the_plan_follow_the_planned_ones(stage: Stage) -> None:
    org = stage.organisation
    b, a = org.add_team("B"), org.add_team("A")
    plan = plan_of(sort_teams(stage.root_id, a, b, "GONE"))
    org.add_team("By hand")
    assert stage.kinds(plan) == ["applied"]
    assert stage.children(stage.root_id) == ["A", "B", "By hand"]


def test_children_that_were_not_created_are_left_out_of_the_order(stage: Stage) -> None:
    org = stage.organisation
    b, a = org.add_team("B"), org.add_team("A")
    plan = plan_of(
        create_team("<C>", stage.root_id), sort_teams(stage.root_id, new_team("<C>"), a, b)
    )
    assert stage.kinds(plan) == ["rejected", "applied"]
    assert stage.children(stage.root_id) == ["A", "B"]


def test_children_in_the_planned_order_are_not_sorted_again(stage: Stage) -> None:
    org = stage.organisation
    a, b = org.add_team("A"), org.add_team("B")
    unassigned = org.records.unassigned_id
    assert stage.kinds(plan_of(sort_teams(stage.root_id, unassigned, a, b))) == ["already so"]
    assert stage.asked() == ["user.team.list"]


def test_several_parents_are_sorted_after_one_read(stage: Stage) -> None:
    org = stage.organisation
    parents = [org.add_team(name) for name in ("P", "Q")]
    changes = []
    for parent in parents:
        late, early = (org.add_team(f"{n} of {parent}", parent_id=parent) for n in ("b", "a"))
        changes.append(sort_teams(parent, early, late))
    assert stage.kinds(plan_of(*changes)) == ["applied", "applied"]
    assert stage.asked() == ["user.team.list", "team.sort", "team.sort"]


def test_sorting_below_a_deleted_team_is_skipped(stage: Stage) -> None:
    [outcome] = stage.apply(plan_of(sort_teams("GONE", "A", "B")))
    assert outcome.outcome == "skipped"
