"""A run that a guard blocks: one readable event, no failed step, no success."""

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.operations.dagster_runs import BLOCKED_TAG, newest_runs
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.settings import Settings
from swit_provisioning_tests.integration.stage import Stage

GUARD = "deactivations_within_limit"


@pytest.fixture
def blocked(on_stage: Stage) -> Stage:
    """Three of twenty people have left, and the guard stops the sync."""
    assert on_stage.run("sync").exit_code == 0
    on_stage.directory["users"] = on_stage.directory["users"][3:]
    on_stage.server.log.clear()
    return on_stage


def test_a_blocked_sync_says_so_once_and_skips_the_writing_steps(blocked: Stage) -> None:
    document = blocked.json("sync", code=3)
    assert document["status"] == "blocked"
    assert blocked.writes == []
    with instance() as dagster:
        run = dagster.get_run_by_id(document["run_id"])
        entries = dagster.all_logs(document["run_id"])
        seen = newest_runs(dagster)["sync"]
        succeeded = newest_runs(dagster, dg.DagsterRunStatus.SUCCESS)["sync"]
    assert run is not None
    assert run.tags[BLOCKED_TAG].startswith("3 of 20 active users")
    assert document["message"] == run.tags[BLOCKED_TAG]
    events = [entry.get_dagster_event() for entry in entries if entry.is_dagster_event]
    failures = [event for event in events if event.is_failure]
    assert failures == [ended := failures[-1]]
    skipped = {event.step_key for event in events if event.is_step_skipped}
    assert {"applied_users.deactivate_users", "applied_memberships.settle_memberships"} <= skipped
    assert "change_log" in skipped
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert {(check.check_name, check.passed) for check in checks if not check.passed} == {
        (GUARD, False)
    }
    (ended,) = (e for e in events if e.event_type is dg.DagsterEventType.RUN_CANCELED)
    assert str(ended.message).startswith("Blocked: 3 of 20 active users")
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert seen.status == "blocked"
    assert seen.run_id != succeeded.run_id


def test_a_blocked_run_is_no_success_for_status_and_no_failure_either(blocked: Stage) -> None:
    night = blocked.json("sync", code=3)["run_id"]
    status = blocked.json("status")
    assert (status["last_run"]["run_id"], status["last_run"]["status"]) == (night, "blocked")
    assert status["last_success"]["run_id"] != night
    plan = blocked.json("plan", code=3)
    refused = blocked.json("apply", plan["plan_id"], code=3)
    assert refused["status"] == "blocked"
    assert GUARD in [guard["name"] for guard in refused["guards"] if not guard["passed"]]
    with instance() as dagster:
        seen = newest_runs(dagster)
    assert {job: run.status for job, run in seen.items()} == dict.fromkeys(
        ("sync", "plan", "apply"), "blocked"
    )


def test_a_blocked_run_is_re_executed_from_its_gate_once_the_plan_is_approved(
    blocked: Stage,
) -> None:
    """The UI copies the tags of the first run. Without the gate, nothing is sent."""
    document = blocked.json("sync", code=3)
    assert blocked.run("approve", document["plan_id"], "--reason", "they left").exit_code == 0
    with instance() as dagster:
        job = reconstructable_job("sync")
        tags = {BLOCKED_TAG: "3 of 20 active users"}
        for steps, ends in (
            ("applied_users.deactivate_users", "failure"),
            ("accepted_plan*", "success"),
        ):
            options = dg.ReexecutionOptions(document["run_id"], [steps])
            with dg.execute_job(job, instance=dagster, reexecution_options=options, tags=tags):
                seen = newest_runs(dagster)["sync"]
            assert seen.status == ends
            assert bool(blocked.writes) is (ends == "success")


def test_with_two_people_nobody_lets_an_own_plan_past_its_limits(
    blocked: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands of a test are run by one account."""
    monkeypatch.setenv("APPROVALS", "two_people")
    plan_id = blocked.json("plan", code=3)["plan_id"]
    own = blocked.run("approve", plan_id, "--reason", "sold")
    assert own.exit_code == 3
    assert "another person has to approve it" in " ".join(own.stderr.split())
    at_once = blocked.json("apply", plan_id, "--approve", "sold", code=3)
    assert "can't be approved by the person who applies it" in at_once["message"]
    settings = Settings.load()
    with open_store(settings) as store:
        plan_judge(settings, store).approve(plan_id, actor="another@elsewhere", reason="sold")
    assert blocked.json("apply", plan_id)["counts"]["user.deactivate"] == 3


def test_with_two_people_an_approver_does_not_apply_the_plan(
    blocked: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = blocked.json("plan", code=3)["plan_id"]
    assert blocked.run("approve", plan_id, "--reason", "sold").exit_code == 0
    monkeypatch.setenv("APPROVALS", "two_people")
    refused = blocked.json("apply", plan_id, code=3)
    assert "does not count" in refused["message"]
    assert blocked.writes == []
