"""The calls of a plan: what is sent, in which order, and what is recorded."""

from swit_provisioning.planning.actions import ACTIONS
from swit_provisioning_tests.apply.changes import (
    activate_user,
    add_members,
    create_team,
    create_user,
    deactivate_user,
    delete_team,
    new_team,
    new_user,
    plan_of,
    reference,
    remove_members,
    remove_user,
    sort_teams,
    update_primary,
    update_team,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage


def test_each_action_has_its_effect_in_swit(stage: Stage) -> None:
    stage.concurrency = 1  # so that it is known which team becomes the primary one by itself
    org = stage.organisation
    ann, bob, eve, joe = (org.add_user(f"{n}@example.com") for n in ("ann", "bob", "eve", "joe"))
    org.deactivate_user(eve)
    old = org.add_team("Old")
    sales = org.add_team("Salse", user_ids=[bob])
    plan = plan_of(
        create_user("new@example.com", "New One"),
        update_user(ann, name="Ann Lee", phone_number="+49 2"),
        deactivate_user(bob),
        remove_user(joe),
        activate_user(eve),
        delete_team(old),
        create_team("IT", stage.root_id),
        create_team("Dev", new_team("IT")),
        update_team(sales, name="Sales", reference=reference("Sales")),
        sort_teams(stage.root_id, new_team("IT"), sales),
        add_members(new_team("IT"), ann, new_user("new@example.com")),
        add_members(sales, new_user("new@example.com")),
        remove_members(sales, bob),
        update_primary(new_user("new@example.com"), sales),
    )
    assert {change.action for change in plan.changes} == set(ACTIONS)
    assert stage.kinds(plan) == ["applied"] * 14
    made = org.user_by_email("new@example.com")
    assert made is not None
    assert (made.name, made.phone_number, made.timezone) == ("New One", "+49 1", "Europe/Berlin")
    assert org.user(ann).name == "Ann Lee"
    assert not org.user(bob).active
    assert org.user_by_email("joe@example.com") is None
    assert org.user(eve).active
    assert stage.children(stage.root_id) == ["IT", "Sales"]
    assert stage.children(stage.team("IT").id) == ["Dev"]
    assert stage.team("Dev").reference == reference("Dev")
    assert stage.members("IT") == {"ann@example.com", "new@example.com"}
    assert stage.members("Sales") == {"new@example.com"}
    assert made.primary == sales


def test_a_plan_costs_one_call_for_each_change_and_one_read_before_sorting(
    stage: Stage,
) -> None:
    plan = plan_of(
        create_user("ann@example.com"),
        create_team("B", stage.root_id),
        create_team("A", stage.root_id),
        sort_teams(stage.root_id, new_team("A"), new_team("B")),
        add_members(new_team("A"), new_user("ann@example.com")),
    )
    stage.apply(plan)
    assert stage.asked() == [
        "organization.user.create",
        "team.create",
        "team.create",
        "user.team.list",
        "team.sort",
        "team.user.add",
    ]


def test_changes_of_users_are_sent_in_parallel(stage: Stage) -> None:
    stage.server.latency_seconds = 0.05
    stage.apply(plan_of(*(create_user(f"u{number}@example.com") for number in range(8))))
    assert 2 <= stage.server.log.most_in_flight <= stage.concurrency


def test_changes_of_teams_are_sent_one_by_one_in_the_order_of_the_plan(stage: Stage) -> None:
    """Swit appends teams in the order of arrival: sent in parallel, they would need sorting."""
    stage.server.latency_seconds = 0.01
    names = [f"T{number}" for number in range(8)]
    stage.apply(plan_of(*(create_team(name, stage.root_id) for name in names)))
    assert stage.server.log.most_in_flight == 1
    assert stage.children(stage.root_id) == names


def test_the_journal_records_run_plan_and_change(stage: Stage) -> None:
    plan = plan_of(create_team("IT", stage.root_id))
    approval = stage.store.approvals.add(
        plan.plan_hash, actor="ann", reason="new office", guards=()
    )
    stage.applier(plan, run_id="R2", approval_id=approval).send("create_teams")
    [entry] = stage.store.journal.rows()
    assert (entry.application_id, entry.run_id, entry.plan_id) == ("R1", "R2", plan.plan_id)
    assert (entry.action, entry.target, entry.step) == ("team.create", "IT", "create_teams")
    assert entry.after == plan.changes[0].after
    assert (entry.outcome, entry.made_id, entry.calls) == ("applied", stage.team("IT").id, 1)
    assert (entry.reason, entry.approval_id) == ("a test", approval)
    assert entry.seconds is not None


def test_changed_objects_that_count_against_the_limits_are_recorded(stage: Stage) -> None:
    org = stage.organisation
    ann, bob, eve = (org.add_user(f"{name}@example.com") for name in ("ann", "bob", "eve"))
    big = org.add_team("Big", user_ids=[ann, bob, eve])
    gone = org.add_team("Gone", user_ids=[ann, bob, eve])
    left = org.add_team("Left")
    plan = plan_of(
        deactivate_user(eve),
        delete_team(gone, members=[ann, bob, eve]),
        update_team(left, name="(removed) Left"),
        remove_members(big, ann, eve),
    )
    stage.apply(plan)
    start = stage.store.journal.rows()[0].at
    assert stage.store.journal.unapproved_since(start) == {
        "user.deactivate": 1,
        "team.delete": 1,
        "team.mark": 1,
        "membership.remove": 3,
    }


def test_progress_is_reported_after_each_change(stage: Stage) -> None:
    plan = plan_of(create_team("A", stage.root_id), create_team("B", stage.root_id))
    stage.apply(plan)
    assert stage.progress.reported == [("create_teams", 1, 2), ("create_teams", 2, 2)]


def test_a_step_without_changes_makes_no_call(stage: Stage) -> None:
    assert stage.applier(plan_of()).settle(("delete_teams", "sort_teams")) == []
    assert stage.asked() == []
