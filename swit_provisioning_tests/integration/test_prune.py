"""`prune` over real runs: old data is deleted everywhere, and needed data is kept."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance
from swit_provisioning.definitions import defs
from swit_provisioning.operations.dagster_runs import OURS
from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.ageing import age_home, age_state
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, Storage, stage
from swit_provisioning_tests.integration.test_re_execution import (
    break_team,
    re_execute_from_failure,
)
from swit_provisioning_tests.postgresql import Postgresql

LONG = timedelta(days=100)
FIRST = address(PEOPLE[0])


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
on_both_databases = pytest.mark.parametrize("on_stage", BOTH, indirect=True)


@pytest.fixture
def on_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    """The state in a file and on a server; Dagster's runs as shipped if both are tested."""
    database = getattr(request, "param", "")
    storage: Storage = "as shipped" if database else "quick"
    with stage(monkeypatch, tmp_path, SandboxServer(), storage=storage) as made:
        if database != "postgresql":
            yield made
        else:
            server: Postgresql = request.getfixturevalue("postgresql_server")
            monkeypatch.setenv("STATE_DATABASE_URL", server.new_database())
            yield made


def months_go_by() -> None:
    """Everything there is becomes 100 days older."""
    settings = Settings.load()
    with open_store(settings) as store:
        age_state(store, LONG)
    age_home(settings.home, LONG)


def files_of(run_id: str) -> set[str]:
    """Every file and folder below the home that is a run's, by the folder it is in."""
    home = Settings.load().home
    return {str(path.parent.relative_to(home)) for path in home.rglob(f"{run_id}*")}


def runs_that_checks_tell_of(dagster: dg.DagsterInstance) -> set[str]:
    """Whose results of a guard are there: Dagster alone would keep all of them for ever."""
    guard = dg.AssetCheckKey(dg.AssetKey("change_plan"), "deactivations_within_limit")
    found = dagster.event_log_storage.get_asset_check_execution_history(guard, limit=100)
    return {record.run_id for record in found}


def renamed(on_stage: Stage, name: str) -> dict[str, Any]:
    on_stage.directory["users"][0]["displayName"] = name
    return on_stage.json("sync")


@on_both_databases
def test_old_data_is_deleted_and_needed_data_is_kept(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS_JOURNAL", "150")
    first = on_stage.json("sync")
    second = renamed(on_stage, "Amelie Blanc")
    last_through = renamed(on_stage, "Amelie Noir")
    months_go_by()
    on_stage.directory["groups"][4]["displayName"] = "Schemers"
    on_stage.directory["groups"].append({"distinguishedName": "CN=Q", "displayName": "Quiet"})
    break_team(on_stage, "Quiet")
    broken = on_stage.json("sync", code=1)
    months_go_by()
    history = on_stage.json("history")["entries"]
    old_ones = [entry for entry in history if entry["run_id"] != broken["run_id"]]

    would = on_stage.json("prune", "--dry-run")
    assert would["dry_run"]
    assert {"history/runs", "frames/change_plan", "frames/swit_users"} <= files_of(first["run_id"])
    did = on_stage.json("prune")
    assert {**did, "before": "", "before_journal": "", "dry_run": True} == {
        **would,
        "before": "",
        "before_journal": "",
    }
    assert (did["runs"], did["plans"]) == (2, 3)
    assert did["journal_entries"] == len(old_ones) > len(PEOPLE)

    for gone in (first, second):
        assert files_of(gone["run_id"]) == set()
    with instance() as dagster:
        known = {run.run_id for run in dagster.get_runs()}
        assert known == {last_through["run_id"], broken["run_id"]}
        assert dagster.all_logs(first["run_id"]) == []
        assert runs_that_checks_tell_of(dagster) == known
    for gone in (first, second):
        assert on_stage.run("show", gone["plan_id"]).exit_code == 2
    assert on_stage.json("show", broken["plan_id"])["plan_id"] == broken["plan_id"]
    assert {entry["run_id"] for entry in on_stage.json("history")["entries"]} == {broken["run_id"]}

    on_stage.server.faults.clear()
    on_stage.server.log.clear()
    monkeypatch.setenv("PLAN_MAX_AGE_HOURS", "3000")
    success, steps = re_execute_from_failure(broken["run_id"])
    assert success, steps
    assert on_stage.writes.count("team.create") == 1
    assert on_stage.users()[FIRST]["name"] == "Amelie Noir"
    assert on_stage.json("sync")["status"] == "nothing to do"
    assert on_stage.json("prune")["runs"] == 1, "others have made the newest frames since"
    assert files_of(last_through["run_id"]) == set()
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_a_run_whose_process_died_is_deleted_after_its_retention(on_stage: Stage) -> None:
    """Where no daemon runs nobody else finds out that it is over."""
    on_stage.json("sync")
    with instance() as dagster:
        sync = defs().resolve_job_def("sync")
        dead = dagster.create_run_for_job(sync, tags={**sync.tags, **OURS})
        (Settings.load().home / "alive" / dead.run_id).touch()
    months_go_by()
    on_stage.json("sync")
    assert on_stage.json("prune")["runs"] == 0
    with instance() as dagster:
        found = dagster.get_run_by_id(dead.run_id)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.FAILURE
    assert on_stage.json("prune")["runs"] == 1
    assert files_of(dead.run_id) == set()


def test_a_plan_that_may_still_be_applied_stays(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PLAN_MAX_AGE_HOURS is longer than the retention: the plan is in date all the same."""
    monkeypatch.setenv("PLAN_MAX_AGE_HOURS", "3000")
    monkeypatch.setenv("RETENTION_DAYS", "1")
    first = on_stage.json("sync")
    on_stage.directory["users"][0]["displayName"] = "Amelie Blanc"
    plan_id = on_stage.json("plan")["plan_id"]
    months_go_by()
    assert on_stage.json("prune")["plans"] == 0
    assert on_stage.json("apply", plan_id)["status"] == "applied"
    assert on_stage.json("show", first["plan_id"])["counts"]["user.create"] == len(PEOPLE)


def test_the_nightly_job_does_the_same_and_leaves_the_runs_of_others_alone(
    on_stage: Stage,
) -> None:
    """Dagster's storage may be shared with other projects of the company."""

    @dg.job
    def of_another_project() -> None:
        pass

    first = on_stage.json("sync")
    on_stage.json("sync")
    with instance() as dagster:
        other = dagster.create_run_for_job(of_another_project, tags={"dagster/code_location": "x"})
        dagster.report_run_canceled(other)
    months_go_by()
    on_stage.json("sync")
    prune = defs().resolve_job_def("prune")
    with instance() as dagster:
        assert prune.execute_in_process(instance=dagster).success
        assert dagster.get_run_by_id(other.run_id) is not None
        # The only one that has applied anything is the newest of the writers.
        assert dagster.get_run_by_id(first["run_id"]) is not None
        assert len(dagster.get_runs(dg.RunsFilter(job_name="sync"))) == 2


def test_frames_of_unknown_runs_are_deleted_by_their_own_age(on_stage: Stage) -> None:
    """Its database may have been set up anew; the newest frames stay all the same."""
    on_stage.json("sync")
    quiet = on_stage.json("sync")
    newest = on_stage.json("sync")
    with instance() as dagster:
        for run in dagster.get_runs():
            dagster.delete_run(run.run_id)
    assert on_stage.json("prune")["files"] == 0
    months_go_by()
    assert on_stage.json("prune")["files"] > 0
    assert {"frames/swit_users", "frames/change_plan"} <= files_of(newest["run_id"])
    assert not [place for place in files_of(quiet["run_id"]) if place.startswith("frames")]
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_prune_lists_what_it_deleted(on_stage: Stage) -> None:
    on_stage.json("sync")
    told = on_stage.run("prune", "--dry-run").output
    assert told.startswith("Organisation: ")
    assert "Would delete of before " in told
    assert "0 runs with their events" in told
    assert "Deleted of before" in on_stage.run("prune").output
