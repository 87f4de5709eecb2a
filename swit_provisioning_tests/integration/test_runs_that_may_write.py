"""Only runs of `sync` and `apply` that a person or the schedule started may write."""

import dagster as dg
import pytest

from swit_provisioning.cli.framework import prepare_home
from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.definitions import defs
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.model import PlanHash
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.state.made import a_change

EVERYTHING = None
RETRIES_EVERYTHING = """
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: true}
"""


def failures(dagster: dg.DagsterInstance, run_id: str) -> list[str]:
    """What the steps of a run that failed say."""
    entries = dagster.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    found = [entry.get_dagster_event().step_failure_data.user_failure_data for entry in entries]
    return [data.description or "" for data in found if data]


@pytest.mark.parametrize("chosen", [EVERYTHING, ["accepted_plan", "applied_users"]])
def test_materializing_assets_in_the_ui_ends_before_the_first_write(
    on_stage: Stage, chosen: list[str] | None
) -> None:
    """The button "Materialize all" starts a run of `__ASSET_JOB`, and asks nobody."""
    if chosen:
        on_stage.json("plan")
    on_stage.write_directory()
    prepare_home(Settings.load())
    with instance() as dagster:
        run = defs().resolve_implicit_global_asset_job_def()
        result = run.execute_in_process(
            instance=dagster,
            asset_selection=[dg.AssetKey(name) for name in chosen] if chosen else None,
            raise_on_error=False,
        )
        (said,) = failures(dagster, result.run_id)
    assert not result.success
    assert on_stage.writes == []
    assert said.startswith("Nothing was written to Swit. Only the jobs sync and apply may write")
    assert "launch the job sync" in said


@pytest.mark.incident(20)
def test_an_automatic_retry_of_a_run_that_writes_sends_nothing(on_stage: Stage) -> None:
    """Neither from its beginning nor from the step that failed; a person may re-execute it."""
    on_stage.server.faults.add(Fault(kind="status", status=401, times=None, call="team.create"))
    failed = on_stage.json("sync", code=1)
    on_stage.server.faults.clear()
    on_stage.server.log.clear()
    with instance() as dagster:
        options = dg.ReexecutionOptions.from_failure(failed["run_id"], dagster)
        job = reconstructable_job("sync")
        automatic = {"dagster/retry_number": "1"}
        with dg.execute_job(
            job, instance=dagster, reexecution_options=options, tags=automatic
        ) as retry:
            (said,) = failures(dagster, retry.run_id)
        assert f"to retry the run {failed['run_id']}" in said
        assert "run: swit-provisioning sync" in said
        assert on_stage.writes == []
        with dg.execute_job(job, instance=dagster, tags=automatic) as retry:
            (said,) = failures(dagster, retry.run_id)
        assert "never retried automatically" in said
        assert on_stage.writes == []
        with dg.execute_job(job, instance=dagster, reexecution_options=options) as by_hand:
            assert by_hand.success


@pytest.mark.incident(20)
def test_dagster_never_retries_a_run_that_writes_even_where_its_own_settings_say_so(
    on_stage: Stage,
) -> None:
    """A DAGSTER_HOME of an earlier version has `run_retries` enabled."""
    home = prepare_home(Settings.load())
    shipped = (home / "dagster.yaml").read_text(encoding="utf-8")
    assert "run_retries:\n  enabled: false" in shipped
    (home / "dagster.yaml").write_text(RETRIES_EVERYTHING, encoding="utf-8")
    on_stage.server.faults.add(Fault(kind="status", status=401, times=None, call="team.create"))
    failed = on_stage.json("sync", code=1)
    with instance() as dagster:
        run = dagster.get_run_by_id(failed["run_id"])
    assert run is not None
    assert run.tags["dagster/will_retry"] == "false"
    for name in ("sync", "apply"):
        assert defs().resolve_job_def(name).run_tags["dagster/max_retries"] == "0"


def test_a_sync_that_read_while_another_run_was_writing_sends_nothing(on_stage: Stage) -> None:
    """What it has read is half of what the other run has done."""
    plan_hash = PlanHash(on_stage.json("sync")["plan_hash"])
    other = Application(application_id="other", plan_hash=plan_hash, run_id="other")
    with open_store(Settings.load()) as store:
        store.acceptances.accept(
            "other", plan_hash=plan_hash, application_id="other", approval_id=None
        )
        entry = store.journal.intent(a_change(), other)
        store.journal.outcome(entry, Answer(outcome="applied", seconds=3600))
    on_stage.directory["users"].pop()
    on_stage.server.log.clear()
    document = on_stage.json("sync", code=5)
    assert (document["status"], on_stage.writes) == ("stale", [])
