"""The commands of every day, on the sandbox: status, settings, pause, plans, decisions."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, run_job
from swit_provisioning.definitions import defs
from swit_provisioning.operations.dagster_runs import BLOCKED_TAG
from swit_provisioning.operations.services import current_actor
from swit_provisioning.planning.model import PlanHash
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.directories import PEOPLE, address, group_dn
from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.state.made import a_change


@pytest.fixture
def settled(on_stage: Stage) -> Stage:
    assert on_stage.run("sync").exit_code == 0
    on_stage.server.log.clear()
    return on_stage


@pytest.fixture
def departure(settled: Stage) -> tuple[Stage, str]:
    """Eight of twenty have left, says the directory: a plan that a guard stops."""
    settled.directory["users"] = settled.directory["users"][8:]
    return settled, str(settled.json("plan", code=3)["plan_id"])


def active(on_stage: Stage) -> int:
    return sum(user["active"] for user in on_stage.users().values())


def tick() -> dg.SkipReason | dg.RunRequest:
    """What the schedule decides now."""
    schedule = defs().resolve_schedule_def("daily_sync")
    with instance() as dagster:
        context = dg.build_schedule_context(
            instance=dagster, scheduled_execution_time=datetime.now(UTC)
        )
        decided = schedule.evaluate_tick(context)
    if decided.run_requests:
        return decided.run_requests[0]
    return dg.SkipReason(decided.skip_message)


def run_as_scheduled(job: str) -> dg.ExecuteInProcessResult:
    """Run a job with the tag that a schedule gives it."""
    with instance() as dagster:
        return (
            defs()
            .resolve_job_def(job)
            .execute_in_process(
                instance=dagster,
                tags={"dagster/schedule_name": "daily_sync"},
                raise_on_error=False,
            )
        )


def listed(on_stage: Stage) -> list[dict[str, Any]]:
    result = on_stage.run("plans", "--json")
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_the_status_of_a_new_machine_says_that_nothing_ran_yet(on_stage: Stage) -> None:
    status = on_stage.json("status")
    assert status["last_run"] is status["last_success"] is status["next_run"] is None
    assert status["pause"] is status["lease"] is None
    assert status["waiting"] == []
    assert status["token"]["state"] == "works"
    result = on_stage.run("status")
    assert result.exit_code == 0
    assert "none: SCHEDULE_TIME is not set" in result.output


def test_the_status_shows_runs_login_lease_and_next_run(
    settled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    settled.directory["users"] = []
    assert settled.run("sync").exit_code == 1
    with Store.open(Settings.load().database_url) as store:
        store.lease.acquire("another-run", actor="night@dc2", ttl=timedelta(minutes=5))
        status = settled.json("status")
        said = settled.run("status").output
    assert status["mode"] == "live"
    assert status["last_run"]["status"] == "failure"
    assert status["last_success"]["status"] == "success"
    assert status["last_success"]["job"] == "sync"
    assert status["last_run"]["run_id"] != status["last_success"]["run_id"]
    due = datetime.fromisoformat(status["next_run"])
    assert (due.hour, due.minute) == (2, 30)
    assert timedelta() < due - datetime.now(UTC) <= timedelta(days=1)
    assert (status["lease"]["run_id"], status["lease"]["who"]) == ("another-run", "night@dc2")
    assert set(status["lease"]) == {"run_id", "who", "since", "until"}
    assert status["token"]["account"] == "admin@sandbox.example"
    for words in ("night@dc2", "admin@sandbox.example", "02:30 UTC · sync", "failure"):
        assert words in said
    assert settled.writes == []


def test_the_status_says_that_a_login_is_refused(settled: Stage) -> None:
    settled.server.tokens.revoke_all()
    assert settled.json("status")["token"]["state"].startswith("refused: ")


def test_the_status_lists_waiting_plans(departure: tuple[Stage, str]) -> None:
    on_stage, plan_id = departure
    (waiting,) = on_stage.json("status")["waiting"]
    assert waiting["plan_id"] == plan_id
    assert "deactivations_within_limit" in waiting["stopped_by"]
    assert plan_id in on_stage.run("status").output


def test_settings_names_values_sources_and_misspelt_variables(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDAP_SEARCH_BSE", "DC=example")
    document = on_stage.json("settings")
    rows = {row["name"]: row for row in document["settings"]}
    assert rows["TEAMS_TO_EXCLUDE"] == {
        "name": "TEAMS_TO_EXCLUDE",
        "value": "Back Office",
        "source": "environment",
    }
    assert rows["SWIT_CLIENT_SECRET"]["value"] == "set"
    assert document["unknown"] == [{"name": "LDAP_SEARCH_BSE", "meant": "LDAP_SEARCH_BASE"}]
    result = on_stage.run("settings")
    assert result.exit_code == 0
    assert "nothing reads LDAP_SEARCH_BSE: LDAP_SEARCH_BASE may be meant" in result.output
    assert on_stage.server.client_secret not in result.output


def test_a_misspelled_setting_is_a_warning_and_stops_every_run_that_would_write(
    settled: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAX_DEACTIVATION", "5")
    (tmp_path / ".env").write_text("DISABLED_ACTION=all\n", encoding="utf-8")
    settled.directory["users"].pop()
    settled.write_directory()
    for words in (("check",), ("plan", "--json"), ("status",), ("plans",)):
        result = settled.run(*words)
        assert result.exit_code == 0
        assert "nothing reads MAX_DEACTIVATION: MAX_DEACTIVATIONS may be meant" in result.stderr
        assert "nothing reads DISABLED_ACTION: DISABLED_ACTIONS may be meant" in result.stderr
    plan_id = listed(settled)[0]["plan_id"]
    for words in (("sync",), ("apply", plan_id)):
        result = settled.run(*words)
        assert result.exit_code == 2
        assert "MAX_DEACTIVATION: there is no such setting, MAX_DEACTIVATIONS" in result.stderr
        assert "DISABLED_ACTION: there is no such setting, DISABLED_ACTIONS" in result.stderr
    by_the_daemon = run_job("sync")
    assert not by_the_daemon.state.is_success
    assert "MAX_DEACTIVATION: there is no such setting, MAX_DEACTIVATIONS" in by_the_daemon.message
    assert settled.writes == []
    monkeypatch.delenv("MAX_DEACTIVATION")
    (tmp_path / ".env").unlink()
    assert settled.run("sync").exit_code == 0
    assert active(settled) == 19


def test_while_paused_the_schedule_skips_its_run_and_says_why(
    settled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    assert isinstance(tick(), dg.RunRequest)
    paused = settled.run("pause", "--until", "3d", "--reason", "the servers move")
    assert paused.exit_code == 0
    assert "the servers move" in paused.output
    skipped = tick()
    assert isinstance(skipped, dg.SkipReason)
    assert "the servers move" in (skipped.skip_message or "")
    status = settled.json("status")
    assert status["pause"]["why"] == "the servers move"
    assert "it will be skipped" in settled.run("status").output
    assert settled.run("resume").exit_code == 0
    assert isinstance(tick(), dg.RunRequest)
    assert settled.json("status")["pause"] is None
    assert "Nothing was paused" in settled.run("resume").output


def test_a_scheduled_run_that_was_queued_before_the_pause_writes_nothing(settled: Stage) -> None:
    settled.directory["users"].pop()
    assert settled.run("pause", "--reason", "audit").exit_code == 0
    with instance() as dagster:
        paused = dagster.get_run_by_id(run_as_scheduled("sync").run_id)
    assert paused is not None
    assert "Scheduled runs are " in paused.tags[BLOCKED_TAG]
    assert settled.writes == []
    assert settled.run("resume").exit_code == 0
    assert run_as_scheduled("sync").success
    assert active(settled) == 19


def test_a_sync_by_hand_warns_of_the_pause_and_continues(settled: Stage) -> None:
    settled.directory["users"].pop()
    settled.run("pause", "--reason", "audit")
    result = settled.run("sync")
    assert result.exit_code == 0
    assert "paused until somebody resumes" in result.stderr
    assert "audit" in result.stderr
    assert active(settled) == 19


def test_a_pause_needs_a_reason_and_a_time_to_come(on_stage: Stage) -> None:
    assert on_stage.run("pause").exit_code == 2
    assert on_stage.run("pause", "--until", "2020-01-01", "--reason", "x").exit_code == 2
    assert on_stage.json("status")["pause"] is None


def test_plans_lists_the_state_of_each_plan(departure: tuple[Stage, str]) -> None:
    on_stage, plan_id = departure
    waiting, applied = listed(on_stage)
    assert (waiting["plan_id"], waiting["state"]) == (plan_id, "waiting for approval")
    assert waiting["counts"]["user.deactivate"] == 8
    assert "deactivations_within_limit" in waiting["stopped_by"]
    assert applied["state"] == "applied"
    result = on_stage.run("plans")
    assert result.exit_code == 0
    assert plan_id in result.output


def test_an_approval_by_one_person_is_used_once_by_another(
    departure: tuple[Stage, str], tmp_path: Path
) -> None:
    on_stage, plan_id = departure
    approved = on_stage.run("approve", plan_id, "--reason", "the Busan office was sold")
    assert approved.exit_code == 0
    assert "deactivations_within_limit" in approved.output
    assert listed(on_stage)[0]["state"] == "approved"
    assert listed(on_stage)[0]["approved"]["why"] == "the Busan office was sold"
    shown = on_stage.run("show", plan_id, "--summary").output
    assert f"Approved by {current_actor()} on" in shown
    assert f"To apply it: swit-provisioning apply {plan_id}" in shown
    result = on_stage.run("apply", plan_id)
    assert result.exit_code == 0
    # The plan was shown before: neither its changes nor its teams are told again.
    assert "user.deactivate" not in result.output
    assert active(on_stage) == 12
    done = on_stage.json("show", plan_id)
    assert done["state"] == "applied"
    assert done["approved"]["why"] == "the Busan office was sold"
    assert done["applied"]["who"] == current_actor()
    page = tmp_path / "plan.html"
    shown = on_stage.run("show", plan_id, "--html", str(page)).output
    for text in (shown, page.read_text(encoding="utf-8")):
        assert f"Applied by {current_actor()} on" in text
        assert f"swit-provisioning apply {plan_id}" not in text
    refused = on_stage.run("reject", plan_id, "--reason", "too late")
    assert refused.exit_code == 2
    assert f"Plan {plan_id} was applied by {current_actor()} on" in refused.stderr
    with instance() as dagster:
        run = dagster.get_run_by_id(done["applied"]["run_id"])
    assert run is not None
    assert run.tags["swit_provisioning/approved_because"] == "the Busan office was sold"
    assert run.tags["swit_provisioning/approved_by"] == current_actor()
    assert listed(on_stage)[0]["state"] == "applied"
    with Store.open(Settings.load().database_url) as store:
        plan_hash = store.plans.find(plan_id)
        assert plan_hash is not None
        assert store.approvals.of(plan_hash) is None


def test_a_renamed_excluded_group_keeps_its_team_as_it_is(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_TO_EXCLUDE", "Night Shift")
    on_stage.organisation.add_team("Night Shift", reference=group_dn("unit-17"))
    shift = {"distinguishedName": group_dn("unit-17"), "member": [], "memberOf": []}
    on_stage.directory["groups"].append(shift | {"displayName": "Night Shift"})
    on_stage.json("sync")
    on_stage.directory["groups"][-1]["displayName"] = "Late Shift"
    plan = on_stage.json("plan")
    assert plan["counts"] == {}
    (finding,) = plan["findings"]
    assert (finding["kind"], finding["subject"]) == (
        "excluded by former name",
        group_dn("unit-17"),
    )
    assert "a former name" in on_stage.json("explain", "Late Shift")["explained"][0]["rule"]


def test_explain_and_check_judge_as_the_gate_does(settled: Stage) -> None:
    """With the last 24 hours, in which two of twenty have left, and with approvals."""
    gone = [address(person) for person in PEOPLE[:2]]
    settled.directory["users"] = settled.directory["users"][2:]
    with Store.open(Settings.load().database_url) as store:
        by = Application(application_id="R", plan_hash=PlanHash("P"), run_id="R")
        for number in (1, 2):
            entry = store.journal.intent(a_change(number), by)
            store.journal.outcome(entry, Answer(outcome="applied", changed={"user.deactivate": 1}))
    stopped = ["deactivations_within_limit"]
    assert settled.json("explain", gone[0])["stopped_by"] == stopped
    assert "after 2 in the last 24 hours" in settled.run("check").output
    plan = settled.json("plan", code=3)
    assert [g["name"] for g in plan["guards"] if g["blocking"] and not g["passed"]] == stopped
    assert settled.run("approve", plan["plan_id"], "--reason", "they left").exit_code == 0
    assert settled.json("explain", gone[0])["stopped_by"] == []
    assert settled.json("apply", plan["plan_id"])["status"] == "applied"


def test_the_nightly_run_applies_an_approved_plan(departure: tuple[Stage, str]) -> None:
    on_stage, plan_id = departure
    on_stage.run("approve", plan_id, "--reason", "sold")
    done = on_stage.json("sync")
    assert (done["status"], done["plan_id"]) == ("applied", plan_id)


def test_a_rejected_plan_is_not_applied_by_the_nightly_run_either(
    departure: tuple[Stage, str],
) -> None:
    on_stage, plan_id = departure
    assert on_stage.run("reject", plan_id, "--reason", "a wrong filter").exit_code == 0
    for words in (("apply", plan_id), ("apply", plan_id, "--approve", "sold"), ("sync",)):
        refused = on_stage.json(*words, code=3)
        assert refused["status"] == "blocked"
        assert refused["plan_id"] == plan_id
    refused = on_stage.json("apply", plan_id, "--approve", "sold", code=3)
    assert "was rejected by" in refused["message"]
    assert "a wrong filter" in refused["message"]
    said = on_stage.run("apply", plan_id, "--approve", "sold")
    assert "a wrong filter" in said.output
    assert listed(on_stage)[0]["state"] == "rejected"
    assert on_stage.writes == []


def test_a_rejection_blocks_a_plan_within_its_limits(settled: Stage) -> None:
    settled.directory["users"].pop()
    plan_id = settled.json("plan")["plan_id"]
    settled.run("reject", plan_id)
    again = settled.run("plan")
    assert again.exit_code == 3
    assert "Rejected by" in again.output
    assert f"swit-provisioning apply {plan_id}" not in again.output
    result = settled.run("sync")
    assert result.exit_code == 3
    assert "was rejected by" in result.output
    assert settled.writes == []
    assert settled.run("approve", plan_id, "--reason", "it is meant").exit_code == 0
    assert settled.run("sync").exit_code == 0
    assert active(settled) == 19


def test_other_changes_are_not_those_that_were_rejected(settled: Stage) -> None:
    last = settled.directory["users"].pop()
    settled.run("reject", settled.json("plan")["plan_id"])
    settled.directory["users"][0]["displayName"] = "Amelie Roux-Varga"
    settled.directory["users"].append(last)
    assert settled.run("sync").exit_code == 0


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_a_decision_about_an_unknown_plan_is_wrong_use(on_stage: Stage, decide: str) -> None:
    result = on_stage.run(decide, "0123456789ab", "--reason", "x")
    assert result.exit_code == 2
    assert "There is no plan 0123456789ab" in result.output


def test_an_approval_needs_a_reason_that_says_something(departure: tuple[Stage, str]) -> None:
    on_stage, plan_id = departure
    assert on_stage.run("approve", plan_id).exit_code == 2
    assert on_stage.run("approve", plan_id, "--reason", "  ").exit_code == 2
    assert listed(on_stage)[0]["state"] == "waiting for approval"


def test_a_scheduled_plan_job_reports_its_changes_and_writes_nothing(
    settled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("SCHEDULE_ACTION", "plan")
    settled.directory["users"].pop()
    settled.run("show", "refresh")
    settled.run("pause", "--reason", "audit")
    assert isinstance(tick(), dg.RunRequest)
    assert defs().resolve_schedule_def("daily_sync").job_name == "plan"
    ran = run_as_scheduled("plan")
    assert ran.success
    made = ran.asset_materializations_for_node("compute_difference")
    plan = next(m for m in made if m.asset_key == dg.AssetKey("change_plan"))
    assert plan.metadata["summary"].value == "1 user to deactivate; 1 membership to remove"
    shadow = listed(settled)[0]
    assert (shadow["state"], shadow["run_id"]) == ("ready", ran.run_id)
    assert shadow["counts"] == {"user.deactivate": 1, "membership.remove": 1}
    assert settled.writes == []
    assert active(settled) == 20
