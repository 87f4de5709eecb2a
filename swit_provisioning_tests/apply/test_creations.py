"""Nothing is created twice: after a lost answer the object is looked up first."""

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.sandbox.faults import Fault, FaultKind
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    new_team,
    new_user,
    plan_of,
    reference,
)
from swit_provisioning_tests.apply.conftest import Stage

CALLS = ["organization.user.create", "team.create"]


def _plan(stage: Stage, call: str) -> Plan:
    if call == "team.create":
        return plan_of(create_team("Sales", stage.root_id))
    return plan_of(create_user("ann@example.com"))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["drop", "cut", "status", "html", "truncated", "garbage"])
def test_a_creation_whose_answer_is_lost_is_not_repeated(
    stage: Stage, call: str, kind: FaultKind
) -> None:
    stage.server.faults.add(Fault(kind=kind, call=call, after_work=True, status=502))
    before = len(stage.organisation.snapshot()["users"]) + len(stage.organisation.records.teams)
    [outcome] = stage.apply(_plan(stage, call))
    after = len(stage.organisation.snapshot()["users"]) + len(stage.organisation.records.teams)
    assert outcome.outcome == "applied"
    assert outcome.message == "it exists: only an answer had been lost"
    assert after == before + 1
    assert stage.asked(call) == [call]
    assert len(stage.waits) == 1


@pytest.mark.parametrize("call", CALLS)
def test_a_creation_that_swit_did_not_execute_is_sent_again(stage: Stage, call: str) -> None:
    stage.server.faults.add(Fault(kind="drop", call=call, times=2))
    [outcome] = stage.apply(_plan(stage, call))
    assert outcome.outcome == "applied"
    assert stage.asked(call) == [call] * 3
    assert outcome.calls == 5
    assert all(seconds > 0 for seconds in stage.waits)
    assert len(stage.waits) == 2


@pytest.mark.parametrize("call", CALLS)
def test_a_creation_fails_after_three_lost_calls_and_is_retried_later(
    stage: Stage, call: str
) -> None:
    stage.server.faults.add(Fault(kind="status", status=503, call=call, times=3))
    [outcome] = stage.apply(_plan(stage, call))
    assert (outcome.outcome, outcome.http_status) == ("failed", 503)
    assert stage.asked(call) == [call] * 3
    assert stage.kinds(_plan(stage, call)) == ["applied"]
    assert stage.asked(call) == [call] * 4


@pytest.mark.parametrize("call", CALLS)
def test_the_object_is_looked_up_after_the_third_lost_answer(stage: Stage, call: str) -> None:
    stage.server.faults.add(
        Fault(kind="drop", call=call, times=2), Fault(kind="drop", call=call, after_work=True)
    )
    assert stage.kinds(_plan(stage, call)) == ["applied"]
    assert stage.asked(call) == [call] * 3


def test_a_429_does_not_count_as_a_lost_answer(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=429, call="team.create", times=2))
    [outcome] = stage.apply(_plan(stage, "team.create"))
    assert outcome.outcome == "applied"
    assert stage.asked() == ["team.create"] * 3


def test_an_account_is_found_on_any_page_without_regard_to_case(stage: Stage) -> None:
    """Swit may ignore the keyword and answer with all users."""
    stage.server.faults.add(
        Fault(kind="drop", call="organization.user.create", after_work=True),
    )
    [outcome] = stage.apply(plan_of(create_user("Ann@Example.com")))
    assert outcome.outcome == "applied"
    looked = stage.server.log.of("organization.user.list")
    assert [entry.arguments["keyword"] for entry in looked] == ["Ann@Example.com"]


def test_an_account_created_since_the_plan_is_used(stage: Stage) -> None:
    ann = stage.organisation.add_user("ANN@example.com")
    sales = stage.organisation.add_team("Sales")
    plan = plan_of(create_user("ann@example.com"), add_members(sales, new_user("ann@example.com")))
    created, added = stage.apply(plan)
    assert created.outcome == "already so"
    assert added.outcome == "applied"
    assert list(stage.team("Sales").users) == [ann]


def test_a_team_with_the_same_reference_created_since_the_plan_is_used(stage: Stage) -> None:
    stage.organisation.add_team("Sales", reference=reference("Sales").lower())
    plan = plan_of(create_team("Sales", stage.root_id), create_team("EMEA", new_team("Sales")))
    assert stage.kinds(plan) == ["already so", "applied"]


def test_an_unmanaged_team_with_the_same_name_is_not_used(stage: Stage) -> None:
    stage.organisation.add_team("Sales", reference="another program's")
    [outcome] = stage.apply(plan_of(create_team("Sales", stage.root_id)))
    assert (outcome.outcome, outcome.http_status) == ("rejected", 409)
    assert outcome.message == "There is already a team called Sales."


def test_a_rejected_creation_is_looked_up_only_if_the_name_or_address_is_taken(
    stage: Stage,
) -> None:
    assert stage.kinds(plan_of(create_user("ann@example.com", "<Ann>"))) == ["rejected"]
    assert stage.asked() == ["organization.user.create"]


def test_a_team_with_a_shortened_reference_is_found_by_name_and_parent(stage: Stage) -> None:
    def cut() -> None:
        stage.organisation.add_team("Sales", reference="CN=Sal")

    stage.server.faults.add(Fault(kind="drop", call="team.create", act=cut))
    assert stage.kinds(plan_of(create_team("Sales", stage.root_id))) == ["applied"]
    assert stage.asked("team.create") == ["team.create"]
