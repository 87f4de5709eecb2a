"""A run that continues another sends only the pending changes."""

import pytest

from swit_provisioning.planning.actions import STEPS
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.state.database import StoreUnavailableError
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.swit.client import SwitClient
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    deactivate_user,
    new_team,
    new_user,
    plan_of,
    update_user,
)
from swit_provisioning_tests.apply.conftest import Stage


def test_a_plan_applied_twice_is_sent_once(stage: Stage) -> None:
    plan = plan_of(
        create_user("ann@example.com"),
        create_team("Sales", stage.root_id),
        add_members(new_team("Sales"), new_user("ann@example.com")),
    )
    stage.apply(plan)
    sent = stage.asked()
    assert [outcome.outcome for outcome in stage.apply(plan, run_id="R2")] == ["applied"] * 3
    assert stage.asked() == sent


def test_failed_changes_are_sent_again_and_finished_ones_are_not(stage: Stage) -> None:
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    stage.server.faults.add(
        Fault(
            kind="status",
            status=500,
            call="organization.user.deactivate",
            times=None,
            where=lambda given: given["user_id"] == bob,
        )
    )
    plan = plan_of(deactivate_user(ann), deactivate_user(bob))
    outcomes = stage.applier(plan).settle(("deactivate_users",))
    assert [outcome.outcome for outcome in outcomes] == ["applied", "failed"]
    assert outcomes[1].http_status == 500
    assert not stage.organisation.user(ann).active
    stage.server.faults.clear()
    stage.server.log.clear()
    again = stage.applier(plan, run_id="R2")
    assert [outcome.change.object_id for outcome in again.send("deactivate_users")] == [bob]
    assert stage.asked() == ["organization.user.deactivate"]
    assert [outcome.outcome for outcome in again.outcomes(STEPS)] == ["applied", "applied"]


def test_rejected_changes_are_not_sent_again_in_the_same_application(stage: Stage) -> None:
    ann = stage.organisation.add_user("ann@example.com")
    plan = plan_of(update_user(ann, name="<Ann>"))
    assert stage.kinds(plan) == stage.kinds(plan) == ["rejected"]
    assert len(stage.asked()) == 1


def test_a_skipped_change_is_sent_after_the_change_that_it_depends_on(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=503, call="team.create", times=3))
    plan = plan_of(create_team("Sales", stage.root_id), create_team("EMEA", new_team("Sales")))
    assert stage.kinds(plan) == ["failed", "skipped"]
    outcomes = stage.applier(plan).settle(("create_teams",))
    assert [outcome.outcome for outcome in outcomes] == ["applied", "applied"]


def test_an_unchanged_skip_is_recorded_once(stage: Stage) -> None:
    stage.organisation.add_team("Sales")
    plan = plan_of(create_team("Sales", stage.root_id), create_team("EMEA", new_team("Sales")))
    applier = stage.applier(plan)
    applier.send("create_teams")
    applier.settle(("create_teams",))
    assert len(stage.store.journal.rows()) == 2


def test_a_user_left_out_of_an_addition_is_added_after_the_account_exists(stage: Stage) -> None:
    stage.server.faults.add(Fault(kind="status", status=503, call="*.user.create", times=3))
    sales = stage.organisation.add_team("Sales")
    bob = stage.organisation.add_user("bob@example.com")
    plan = plan_of(
        create_user("ann@example.com"), add_members(sales, bob, new_user("ann@example.com"))
    )
    assert stage.kinds(plan) == ["failed", "applied"]
    assert stage.members("Sales") == {"bob@example.com"}
    assert stage.kinds(plan) == ["applied", "applied"]
    assert stage.members("Sales") == {"bob@example.com", "ann@example.com"}
    sent = stage.asked()
    stage.apply(plan)
    assert stage.asked() == sent


@pytest.mark.parametrize("done", [True, False])
def test_a_creation_begun_by_a_killed_run_is_looked_up_first(stage: Stage, *, done: bool) -> None:
    plan = plan_of(create_user("ann@example.com"), create_team("Sales", stage.root_id))
    killed = Application(application_id="R1", plan_hash=plan.plan_hash, run_id="R1")
    for change in plan.changes:
        stage.store.journal.intent(change, killed)
    if done:
        stage.organisation.add_user("ann@example.com")
        stage.organisation.add_team("Sales")
    outcomes = stage.apply(plan, run_id="R2")
    assert [outcome.outcome for outcome in outcomes] == ["applied", "applied"]
    looks = ["organization.user.list", "user.team.list"]
    writes = [] if done else ["organization.user.create", "team.create"]
    assert sorted(stage.asked()) == sorted(looks + writes)


def test_another_plan_of_the_same_run_starts_without_outcomes(stage: Stage) -> None:
    """A run re-executed from its start makes a new plan, whose changes may have the same ids."""
    ann = stage.organisation.add_user("ann@example.com")
    assert stage.kinds(plan_of(update_user(ann, name="Ann"))) == ["applied"]
    assert stage.kinds(plan_of(update_user(ann, name="Anna"))) == ["applied"]
    assert stage.organisation.user(ann).name == "Anna"


def test_an_internal_error_fails_one_change_and_shows_no_secret(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))

    def broken(self: SwitClient, user_id: str, **_: object) -> None:
        del self, user_id
        message = "Bearer hunter2"
        raise KeyError(message)

    monkeypatch.setattr(SwitClient, "update_user", broken)
    outcomes = stage.apply(plan_of(update_user(ann, name="Ann"), deactivate_user(bob)))
    assert [outcome.outcome for outcome in outcomes] == ["failed", "applied"]
    assert "KeyError" in str(outcomes[0].message)
    assert "hunter2" not in str(outcomes[0].message) + caplog.text
    assert "in broken" in caplog.text


def test_an_expired_token_that_cannot_be_refreshed_fails_the_change(stage: Stage) -> None:
    ann = stage.organisation.add_user("ann@example.com")
    stage.server.faults.add(Fault(kind="status", status=401, times=None))
    [outcome] = stage.apply(plan_of(deactivate_user(ann)))
    assert (outcome.outcome, outcome.http_status) == ("failed", 401)
    assert str(outcome.message).startswith("organization.user.deactivate: HTTP 401")


def test_no_change_is_sent_when_the_journal_cannot_be_written(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = (stage.organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    stage.concurrency = 1
    real = stage.store.journal.outcome

    def full(_: int, __: Answer) -> None:
        message = "The state database can't be used: disk full."
        raise StoreUnavailableError(message)

    monkeypatch.setattr(stage.store.journal, "outcome", full)
    plan = plan_of(deactivate_user(ann), deactivate_user(bob))
    with pytest.raises(StoreUnavailableError, match="disk full"):
        stage.applier(plan).send("deactivate_users")
    assert len(stage.asked()) == 1
    monkeypatch.setattr(stage.store.journal, "outcome", real)
    assert stage.kinds(plan) == ["applied", "applied"]
