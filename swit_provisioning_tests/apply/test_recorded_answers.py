"""The journal: requests, their answers, and values that Swit stores differently."""

from collections.abc import Iterator

import pytest

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.state.journal import JournalEntry
from swit_provisioning_tests.apply.changes import (
    create_team,
    create_user,
    plan_of,
    update_team,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage


def entries(stage: Stage) -> list[JournalEntry]:
    return stage.store.journal.rows()


def test_each_retry_of_the_client_is_counted(stage: Stage) -> None:
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    stage.server.faults.add(
        Fault(
            kind="status",
            status=503,
            call="scim.user.update",
            times=2,
            where=lambda given: ann in str(given),
        )
    )
    stage.apply(plan_of(update_user(ann, name="Ann"), update_user(bob, name="Bob")))
    by_target = {entry.target: entry for entry in entries(stage)}
    assert (by_target[ann].calls, by_target[bob].calls) == (3, 1)
    assert sum(entry.calls for entry in entries(stage)) == len(stage.asked())


def test_a_call_after_a_token_refresh_is_counted_again(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=401, call="team.create"))
    stage.apply(plan_of(create_team("IT", stage.root_id)))
    [entry] = entries(stage)
    assert (entry.outcome, entry.calls, entry.http_status) == ("applied", 2, 200)


def test_the_lookup_after_a_lost_answer_is_counted(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="drop", call="team.create", after_work=True))
    stage.apply(plan_of(create_team("IT", stage.root_id)))
    [entry] = entries(stage)
    assert (entry.outcome, entry.calls) == ("applied", 2)
    assert stage.asked() == ["team.create", "user.team.list"]


def test_a_change_without_any_answer_has_no_http_status(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="drop", call="team.update", times=None))
    team = stage.organisation.add_team("Sales")
    stage.apply(plan_of(update_team(team, name="Sold")))
    [entry] = entries(stage)
    assert (entry.outcome, entry.calls, entry.http_status) == ("failed", 4, None)


@pytest.fixture
def short_names(stage: Stage) -> Iterator[Stage]:
    stage.organisation.behaviour = Behaviour(longest_name=8, longest_reference=10, too_long="cut")
    yield stage
    stage.organisation.behaviour = Behaviour()


def test_values_that_swit_shortens_are_recorded_and_reported(short_names: Stage) -> None:
    ann = short_names.organisation.add_user("ann@example.com")
    sales = short_names.organisation.add_team("Sales")
    plan = plan_of(
        create_user("bob@example.com", "Bob Barrymore"),
        update_user(ann, name="Ann Arborist"),
        create_team("Accounting", short_names.root_id),
        update_team(sales, name="Sales and more"),
    )
    outcomes = short_names.apply(plan)
    assert [outcome.outcome for outcome in outcomes] == ["applied"] * 4
    kept = {entry.action: entry.kept for entry in entries(short_names)}
    assert kept["user.create"] == {"name": "Bob Barr"}
    assert kept["user.update"] == {"name": "Ann Arbo"}
    assert kept["team.create"] == {"name": "Accounti", "reference": "CN=Account"}
    assert kept["team.update"] == {"name": "Sales an"}
    assert outcomes[0].message == 'Swit keeps name "Bob Barr"'


def test_a_value_that_differs_only_in_spelling_is_not_recorded(stage: Stage) -> None:
    """White space in names and blanks in numbers make no difference."""
    stage.apply(plan_of(create_user("ann@example.com", "Ann  Arborist ")))
    [entry] = entries(stage)
    assert entry.kept == {}
    assert entry.message is None
