"""A step stops when Swit is down; changes that were not sent stay pending."""

from dataclasses import replace

import pytest

from swit_provisioning.apply.executor import CHANGES_IN_A_ROW, SwitDownError
from swit_provisioning.planning.model import Plan
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.apply.changes import (
    create_user,
    deactivate_user,
    plan_of,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage

MANY = 40


def everybody(stage: Stage) -> Plan:
    people = [stage.organisation.add_user(f"u{number}@example.com") for number in range(MANY)]
    return plan_of(*(deactivate_user(user) for user in people))


DOWN = Fault(kind="status", status=503, times=None)


def test_a_step_stops_while_swit_is_down_and_continues_later(stage: Stage) -> None:
    plan = everybody(stage)
    stage.server.faults.add(DOWN)
    with pytest.raises(
        SwitDownError, match=r"^Swit is down.* failed one after the other.*HTTP 503.*continues"
    ):
        stage.applier(plan).send("deactivate_users")
    tried = stage.store.journal.rows()
    assert CHANGES_IN_A_ROW <= len(tried) <= CHANGES_IN_A_ROW + 2 * stage.concurrency
    assert {entry.outcome for entry in tried} == {"failed"}
    outcomes = stage.applier(plan, run_id="R2").outcomes(("deactivate_users",))
    unsent = [outcome for outcome in outcomes if outcome.message == "it was not sent"]
    assert len(unsent) == MANY - len(tried)
    stage.server.faults.clear()
    assert stage.kinds(plan) == ["applied"] * MANY


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_invalid_token_and_endless_429_stop_the_step(stage: Stage, status: int) -> None:
    plan = everybody(stage)
    stage.server.faults.add(Fault(kind="status", status=status, times=None))
    with pytest.raises(SwitDownError, match=f"HTTP {status}"):
        stage.applier(plan).send("deactivate_users")
    assert len(stage.store.journal.rows()) < MANY


@pytest.mark.parametrize("call", ["*", "organization.user.create"])
def test_failed_creations_stop_the_step_even_if_lookups_succeed(stage: Stage, call: str) -> None:
    stage.server.faults.add(replace(DOWN, call=call))
    plan = plan_of(*(create_user(f"u{number}@example.com") for number in range(MANY)))
    with pytest.raises(SwitDownError):
        stage.applier(plan).send("create_users")
    assert len(stage.store.journal.rows()) < MANY


def test_one_object_that_always_fails_does_not_stop_the_step(stage: Stage) -> None:
    plan = everybody(stage)
    bad = plan.changes[0].object_id
    stage.server.faults.add(replace(DOWN, where=lambda given: given["user_id"] == bad))
    assert stage.kinds(plan) == ["failed"] + ["applied"] * (MANY - 1)


def test_rejections_do_not_count_as_failures(stage: Stage) -> None:
    """Half of the calls fail, between rejections: Swit answers."""
    stage.concurrency = 1
    people = [stage.organisation.add_user(f"u{number}@example.com") for number in range(MANY)]
    stage.server.faults.add(replace(DOWN, call="organization.user.deactivate"))
    pairs = [(update_user(user, name="<x>"), deactivate_user(user)) for user in people[:10]]
    changes = [replace(change, step="update_users") for pair in pairs for change in pair]
    assert stage.kinds(plan_of(*changes)) == ["rejected", "failed"] * 10


def test_a_few_failures_do_not_stop_the_step(stage: Stage) -> None:
    stage.server.faults.add(DOWN)
    plan = plan_of(*everybody(stage).changes[: CHANGES_IN_A_ROW - 1])
    assert stage.kinds(plan) == ["failed"] * (CHANGES_IN_A_ROW - 1)
