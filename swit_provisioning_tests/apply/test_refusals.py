"""A rejected change stops no other; changes that depend on it are skipped."""

import pytest

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    deactivate_user,
    delete_team,
    new_team,
    new_user,
    plan_of,
    remove_members,
    remove_user,
    update_primary,
    update_team,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage


def _people(stage: Stage, count: int) -> list[str]:
    return [stage.organisation.add_user(f"u{number}@example.com") for number in range(count)]


def test_one_rejection_stops_no_other_change_and_keeps_the_message_of_swit(stage: Stage) -> None:
    ann = stage.organisation.add_user("ann@example.com")
    outcomes = stage.apply(plan_of(update_user(ann, name="<Ann>"), create_user("new@example.com")))
    assert [outcome.outcome for outcome in outcomes] == ["applied", "rejected"]
    refused = outcomes[1]
    assert refused.http_status == 400
    assert refused.message == "The name of a user must not contain < >."
    assert refused.change.target == ann


def test_changes_that_need_a_rejected_team_are_skipped_with_the_reason(stage: Stage) -> None:
    stage.organisation.add_team("Sales")
    ann = stage.organisation.add_user("ann@example.com")
    plan = plan_of(
        create_team("Sales", stage.root_id),
        create_team("EMEA", new_team("Sales")),
        create_team("Berlin", new_team("EMEA")),
        create_team("IT", stage.root_id),
        add_members(new_team("EMEA"), ann),
        update_primary(ann, new_team("EMEA")),
    )
    outcomes = stage.apply(plan)
    assert [outcome.outcome for outcome in outcomes] == [
        "rejected",
        "skipped",
        "skipped",
        "applied",
        "skipped",
        "skipped",
    ]
    assert outcomes[1].message == "it needs team.create of Sales, which was rejected"
    assert outcomes[2].message == "it needs team.create of EMEA, which was skipped"
    assert outcomes[4].message == "it needs team.create of EMEA, which was skipped"
    assert stage.asked("team.create") == ["team.create"] * 2


def test_a_change_whose_dependency_is_not_in_the_plan_is_skipped(stage: Stage) -> None:
    sales = stage.organisation.add_team("Sales")
    plan = plan_of(update_team(sales, name="Old Sales", needs=["team.update:T9"]))
    [outcome] = stage.apply(plan)
    assert outcome.outcome == "skipped"
    assert outcome.message == "it needs team.update:T9, which is not part of this plan"


def test_users_without_an_account_are_left_out_and_the_others_are_added(stage: Stage) -> None:
    stage.server.faults.add(
        Fault(
            kind="status",
            status=403,
            call="organization.user.create",
            where=lambda given: given["user_email"] == "eve@example.com",
        )
    )
    sales = stage.organisation.add_team("Sales")
    empty = stage.organisation.add_team("Empty")
    ann, eve = new_user("ann@example.com"), new_user("eve@example.com")
    plan = plan_of(
        create_user("ann@example.com"),
        create_user("eve@example.com"),
        add_members(sales, ann, eve),
        add_members(empty, eve),
        update_primary(eve, sales),
    )
    outcomes = stage.apply(plan)
    assert [outcome.outcome for outcome in outcomes] == [
        "applied",
        "rejected",
        "applied",
        "skipped",
        "skipped",
    ]
    assert outcomes[2].message == "1 have no user in Swit: eve@example.com"
    assert stage.members("Sales") == {"ann@example.com"}
    assert stage.asked("team.user.add") == ["team.user.add"]


def test_a_rejected_batch_is_halved_until_the_rejected_users_are_known(stage: Stage) -> None:
    people = _people(stage, 8)
    bad = people[5]
    stage.server.faults.add(
        Fault(
            kind="status",
            status=400,
            message="No guests here.",
            call="team.user.add",
            times=None,
            where=lambda given: bad in given["user_ids"],
        )
    )
    sales = stage.organisation.add_team("Sales")
    plan = plan_of(add_members(sales, *people), update_primary(bad, sales))
    added, primary = stage.apply(plan)
    assert added.outcome == "rejected"
    assert added.http_status == 400
    assert added.message == f"1 were refused: {bad} (No guests here.)"
    assert len(stage.members("Sales")) == 7
    # 8 -> 4 4 -> 2 2 -> 1 1, and one look at the team.
    assert added.calls == 1 + 6 + 1
    assert primary.outcome == "skipped"


def test_an_unknown_size_limit_rejects_no_user(stage: Stage) -> None:
    stage.organisation.behaviour = Behaviour(most_user_ids=3)
    try:
        sales = stage.organisation.add_team("Sales")
        assert stage.kinds(plan_of(add_members(sales, *_people(stage, 8)))) == ["applied"]
        assert len(stage.members("Sales")) == 8
    finally:
        stage.organisation.behaviour = Behaviour()


def test_a_batch_for_a_deleted_team_is_rejected_after_one_call(stage: Stage) -> None:
    """Halving the batch would take a call for each of a thousand people."""
    [outcome] = stage.apply(plan_of(add_members("T-GONE", *_people(stage, 8))))
    assert (outcome.outcome, outcome.http_status) == ("rejected", 404)
    assert stage.asked() == ["team.user.add", "user.team.list"]


def test_a_forbidden_batch_is_not_halved(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=403, call="team.user.add", times=None))
    sales = stage.organisation.add_team("Sales")
    assert stage.kinds(plan_of(add_members(sales, *_people(stage, 8)))) == ["rejected"]
    assert stage.asked("team.user.add") == ["team.user.add"]


def test_members_who_are_in_the_wanted_state_are_not_rejected(stage: Stage) -> None:
    stage.organisation.behaviour = Behaviour(repeated_membership="refused")
    try:
        inside, outside = _people(stage, 2)
        sales = stage.organisation.add_team("Sales", user_ids=[inside])
        plan = plan_of(add_members(sales, inside), remove_members(sales, outside))
        assert stage.kinds(plan) == ["already so", "already so"]
    finally:
        stage.organisation.behaviour = Behaviour()


@pytest.mark.parametrize("change", [deactivate_user, remove_user, delete_team])
def test_removing_a_missing_object_is_already_so(stage: Stage, change: object) -> None:
    assert callable(change)
    [outcome] = stage.apply(plan_of(change("GONE")))
    assert outcome.outcome == "already so"


def test_removing_members_of_a_deleted_team_is_already_so(stage: Stage) -> None:
    assert stage.kinds(plan_of(remove_members("T-GONE", *_people(stage, 3)))) == ["already so"]


def test_updating_a_missing_object_is_rejected(stage: Stage) -> None:
    [outcome] = stage.apply(plan_of(update_user("GONE", name="Ann")))
    assert (outcome.outcome, outcome.http_status) == ("rejected", 404)
