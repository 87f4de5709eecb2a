"""Memberships are read back before they are used: Swit reports a partial success as a success."""

from collections.abc import Iterator

import pytest

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.swit.errors import SwitUnavailableError
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    new_team,
    new_user,
    plan_of,
    remove_members,
    update_primary,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage

USERS, PRIMARY = "organization.user.list", "team.user.primary.update"


@pytest.fixture(autouse=True)
def _inactive_members_are_left_out(stage: Stage) -> Iterator[None]:
    stage.organisation.behaviour = Behaviour(inactive_members="leave")
    yield
    stage.organisation.behaviour = Behaviour()


def test_a_user_who_was_not_added_is_named_and_gets_no_primary_team(stage: Stage) -> None:
    org = stage.organisation
    ann = org.add_user("ann@example.com")
    eve = org.add_user("eve@example.com", active=False)
    home = org.add_team("Home", user_ids=[ann])
    plan = plan_of(
        create_team("Sales", stage.root_id),
        add_members(new_team("Sales"), ann, eve),
        update_primary(ann, new_team("Sales")),
        update_primary(eve, new_team("Sales")),
    )
    _, added, anns, eves = stage.apply(plan)
    assert added.outcome == "rejected"
    assert added.message == f"1 were not added, though Swit reported a success: {eve}"
    assert (anns.outcome, eves.outcome) == ("applied", "skipped")
    assert org.user(ann).primary == stage.team("Sales").id != home
    assert stage.asked(USERS) == [USERS]
    assert stage.asked(PRIMARY) == [PRIMARY]


def test_a_user_who_was_not_removed_is_named(stage: Stage) -> None:
    org = stage.organisation
    ann, bob = org.add_user("ann@example.com"), org.add_user("bob@example.com")
    sales, it = org.add_team("Sales", user_ids=[ann, bob]), org.add_team("IT", user_ids=[ann])
    org.make_primary(sales, ann)
    stage.server.faults.add(
        Fault(kind="meanwhile", call=USERS, act=lambda: org.add_members(sales, [bob]))
    )
    removed, primary = stage.apply(plan_of(remove_members(sales, bob), update_primary(ann, it)))
    assert removed.outcome == "rejected"
    assert removed.message == f"1 were not removed, though Swit reported a success: {bob}"
    assert primary.outcome == "applied"


def test_a_team_that_swit_made_primary_costs_no_call(stage: Stage) -> None:
    plan = plan_of(
        create_user("ann@example.com"),
        create_team("Sales", stage.root_id),
        add_members(new_team("Sales"), new_user("ann@example.com")),
        update_primary(new_user("ann@example.com"), new_team("Sales")),
    )
    assert stage.kinds(plan) == ["applied", "applied", "applied", "already so"]
    assert stage.asked(PRIMARY) == []


def test_a_user_outside_the_team_costs_no_call(stage: Stage) -> None:
    """Another program removed them since the plan was made."""
    org = stage.organisation
    ann, bob = org.add_user("ann@example.com"), org.add_user("bob@example.com")
    sales, it = org.add_team("Sales"), org.add_team("IT")
    added, primary = stage.apply(plan_of(add_members(sales, bob), update_primary(ann, it)))
    assert (added.outcome, primary.outcome) == ("applied", "rejected")
    assert primary.message == "the user is not in that team"
    assert stage.asked(PRIMARY) == []


def test_users_are_not_read_back_without_changed_memberships(stage: Stage) -> None:
    ann = stage.organisation.add_user("ann@example.com")
    sales = stage.organisation.add_team("Sales", user_ids=[ann])
    plan = plan_of(update_user(ann, name="Ann"), update_primary(ann, sales))
    assert stage.kinds(plan) == ["applied", "applied"]
    assert stage.asked(USERS) == []


def test_users_are_not_read_back_without_pending_primary_teams(stage: Stage) -> None:
    ann = stage.organisation.add_user("ann@example.com")
    sales = stage.organisation.add_team("Sales")
    plan = plan_of(add_members(sales, ann))
    assert stage.kinds(plan) == ["applied"]
    applier = stage.applier(plan_of(*plan.changes, update_primary(ann, new_team("Gone"))))
    [outcome] = applier.settle(("update_primary_teams",))
    assert outcome.outcome == "skipped"
    assert stage.asked(USERS) == []


def test_users_are_read_back_once_for_repeated_settling(stage: Stage) -> None:
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    sales, it = (stage.organisation.add_team(name, user_ids=[ann]) for name in ("Sales", "IT"))
    plan = plan_of(add_members(sales, bob), update_primary(ann, it))
    stage.apply(plan)
    stage.applier(plan).settle(("add_members", "update_primary_teams"))
    assert stage.asked(USERS) == [USERS]


def test_an_edition_without_teams_of_users_rejects_no_membership(stage: Stage) -> None:
    def without_teams(body: dict[str, dict[str, list[dict[str, object]]]]) -> object:
        for user in body["data"]["users"]:
            user.pop("team", None)
        return body

    stage.server.faults.add(Fault(kind="change", call=USERS, change=without_teams))
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    sales, it = (stage.organisation.add_team(name, user_ids=[ann]) for name in ("Sales", "IT"))
    plan = plan_of(add_members(sales, bob), update_primary(ann, it))
    assert stage.kinds(plan) == ["applied", "applied"]


def test_a_failed_read_of_users_stops_the_step_before_it_begins(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=503, call=USERS, times=4))
    ann = stage.organisation.add_user("ann@example.com")
    stage.organisation.add_team("Home", user_ids=[ann])
    sales = stage.organisation.add_team("Sales")
    plan = plan_of(add_members(sales, ann), update_primary(ann, sales))
    with pytest.raises(SwitUnavailableError):
        stage.apply(plan)
    assert stage.asked(PRIMARY) == []
    assert stage.kinds(plan) == ["applied", "applied"]
