"""Re-execution from failure: only the unfinished work, and never another run's plan."""

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.integration.stage import Stage


def re_execute_from_failure(run_id: str) -> tuple[bool, list[str]]:
    """What the button in the UI does; whether it went well, and the steps that ran."""
    with instance() as dagster:
        return re_execute(dagster, dg.ReexecutionOptions.from_failure(run_id, dagster))


def re_execute_from_the_gate(run_id: str) -> tuple[bool, list[str]]:
    """The same from the gate on."""
    with instance() as dagster:
        return re_execute(dagster, dg.ReexecutionOptions(run_id, ["accepted_plan*"]))


def re_execute(
    dagster: dg.DagsterInstance, options: dg.ReexecutionOptions
) -> tuple[bool, list[str]]:
    with dg.execute_job(
        reconstructable_job("sync"), instance=dagster, reexecution_options=options
    ) as result:
        started = [e.step_key for e in result.all_events if e.is_step_start]
        return result.success, [str(key) for key in started]


def observed(run_id: str, asset: str) -> list[dict[str, object]]:
    """The outcomes that a failed step left beside its asset, as the UI shows them."""
    with instance() as dagster:
        events = dagster.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
    (table,) = (
        event.asset_observation.metadata["outcomes"]
        for event in events
        if event.asset_observation and event.asset_observation.asset_key == dg.AssetKey(asset)
    )
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def break_team(on_stage: Stage, name: str) -> None:
    on_stage.server.faults.add(
        Fault(
            kind="status",
            status=503,
            times=None,
            call="team.create",
            where=lambda sent: sent["name"] == name,
        )
    )


def test_a_re_execution_runs_what_failed_and_nothing_before_it(on_stage: Stage) -> None:
    break_team(on_stage, "Planners")
    failed = on_stage.json("sync", code=1)
    assert failed["status"] == "failed"
    assert "Planners" in failed["message"]
    assert ".." not in failed["message"]
    assert failed["outcomes"]["applied"] == 30
    first, second, *_ = observed(failed["run_id"], "applied_teams")
    assert (first["target"], first["outcome"], first["http_status"]) == ("Planners", "failed", 503)
    assert second["outcome"] != "failed"
    on_stage.server.faults.clear()
    on_stage.server.log.clear()
    success, steps = re_execute_from_failure(failed["run_id"])
    assert success
    assert steps[0] == "applied_teams.settle_teams"
    assert not [step for step in steps if "read_" in step or "users" in step]
    assert on_stage.writes.count("team.create") == 1
    assert "organization.user.create" not in on_stage.writes
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_a_run_that_failed_as_swit_was_down_is_re_executed_once_it_is_back(on_stage: Stage) -> None:
    """It does not fail twenty accounts one by one, nor try the steps after them."""
    on_stage.server.faults.add(
        Fault(kind="status", status=503, times=None, call="organization.user.create", skip=5)
    )
    failed = on_stage.json("sync", code=1)
    assert failed["status"] == "failed"
    assert failed["message"].startswith("Stopped in the middle: Swit is down")
    assert "team.create" not in on_stage.writes
    on_stage.server.faults.clear()
    success, steps = re_execute_from_failure(failed["run_id"])
    assert success
    assert steps[0] == "applied_users.create_users"
    assert len(on_stage.users()) == 20
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_the_rest_of_a_plan_that_was_rejected_meanwhile_is_not_sent(on_stage: Stage) -> None:
    """The gate is behind it; each step that has something to send asks again."""
    break_team(on_stage, "Planners")
    failed = on_stage.json("sync", code=1)
    on_stage.server.faults.clear()
    on_stage.server.log.clear()
    assert on_stage.run("reject", failed["plan_id"], "--reason", "enough").exit_code == 0
    success, _ = re_execute_from_failure(failed["run_id"])
    assert not success
    assert on_stage.writes == []
    assert on_stage.run("approve", failed["plan_id"], "--reason", "go on").exit_code == 0
    success, _ = re_execute_from_failure(failed["run_id"])
    assert success
    assert on_stage.writes.count("team.create") == 1


def test_a_re_execution_never_applies_another_runs_plan(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a step finds the latest frame, so the plan of whoever planned last."""
    monkeypatch.setenv("FIRST_SYNC", "full")
    break_team(on_stage, "Planners")
    failed = on_stage.json("sync", code=1)
    on_stage.server.faults.clear()
    leaver = on_stage.directory["users"].pop(0)
    other = on_stage.json("plan")
    assert other["plan_id"] != failed["plan_id"]
    assert other["counts"]["user.deactivate"] == 1
    success, _ = re_execute_from_failure(failed["run_id"])
    assert success
    assert on_stage.users()[leaver["mail"]]["active"]
