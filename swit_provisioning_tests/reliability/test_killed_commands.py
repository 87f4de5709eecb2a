"""The command itself is killed; each way of resuming finishes its work."""

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance
from swit_provisioning.defs.sensors import dead_runs
from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.reliability.death import Death
from swit_provisioning_tests.reliability.endings import Ending, writes
from swit_provisioning_tests.reliability.site import Site

ALL_ALIVE = "All started runs are alive"


def killed(here: Site, *words: str, call: str, at: int, after_work: bool = True) -> str:
    """Run a command that is killed at one of its calls; the id of its run."""
    here.environment["SWIT_MAX_CONCURRENCY"] = "1"
    death = Death(here.server, call=call, at=at, after_work=after_work)
    assert death.of(here.start(*words)).ended() < 0
    with instance() as dagster:
        (run,) = dagster.get_runs(dg.RunsFilter(job_name=words[0]))
        assert run.status == dg.DagsterRunStatus.STARTED
        return run.run_id


def status(run_id: str) -> dg.DagsterRunStatus:
    with instance() as dagster:
        run = dagster.get_run_by_id(run_id)
    assert run is not None
    return run.status


def look_for_dead_runs() -> str:
    """What the sensor does every quarter of a minute; what it says."""
    with instance() as dagster:
        said = dead_runs(dg.build_sensor_context(instance=dagster))
    assert isinstance(said, dg.SkipReason)
    return said.skip_message or ""


@pytest.mark.parametrize(
    ("call", "after_work"),
    [
        ("organization.user.list", False),
        ("organization.user.create", True),
        ("team.create", False),
        ("team.user.add", True),
    ],
)
def test_the_next_sync_finishes_a_killed_one(
    here: Site, undisturbed: Ending, call: str, *, after_work: bool
) -> None:
    dead = killed(here, "sync", call=call, at=1, after_work=after_work)
    reading = call == "organization.user.list"
    if not reading:
        here.time_passes()
    assert here.run("sync")["status"] == "applied"
    assert here.ending() == undisturbed
    assert here.twice() == 0
    assert here.sent_again() <= 1
    assert reading or status(dead) == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("call", ["organization.user.create", "team.user.add"])
def test_apply_of_the_same_plan_finishes_a_killed_sync(
    here: Site, undisturbed: Ending, call: str
) -> None:
    plan_id = here.run("plan")["plan_id"]
    dead = killed(here, "apply", plan_id, call=call, at=2)
    here.time_passes()
    assert here.run("apply", plan_id)["status"] == "applied"
    assert here.ending() == undisturbed
    assert here.twice() == 0
    assert here.sent_again() <= 1
    assert status(dead) == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("call", ["team.create", "team.user.add"])
def test_a_re_execution_finishes_a_killed_run(here: Site, undisturbed: Ending, call: str) -> None:
    dead = killed(here, "sync", call=call, at=2)
    here.time_passes()
    assert dead in look_for_dead_runs()
    assert status(dead) == dg.DagsterRunStatus.FAILURE
    again = here.work("re_execute", run_id=dead)
    assert again.ended() == 0, again.said()
    assert here.ending() == undisturbed
    assert here.twice() == 0
    assert here.sent_again() <= 1
    assert here.run("sync")["status"] == "nothing to do"


def test_the_lease_of_a_dead_run_expires_within_a_minute(here: Site, server: SandboxServer) -> None:
    """And it is told whose it is, and until when."""
    dead = killed(here, "sync", call="team.create", at=1)
    server.log.clear()
    refused = here.run("sync", code=6)
    assert refused["status"] == "busy"
    assert dead in refused["message"]
    assert writes(server.log.of()) == []
    assert ALL_ALIVE in look_for_dead_runs()
    assert here.lease_seconds() <= 60
    here.time_passes()
    assert dead in look_for_dead_runs()
    assert ALL_ALIVE in look_for_dead_runs()
    assert here.run("sync")["status"] == "applied"


def test_the_rest_of_an_old_plan_does_not_undo_a_newer_one(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    """The dead run is re-executed although another one has done its work, and more, since."""
    dead = killed(here, "sync", call="team.user.add", at=2)
    here.time_passes()
    assert here.run("sync")["status"] == "applied"
    server.log.clear()
    again = here.work("re_execute", run_id=dead)
    assert again.ended() == 1
    assert writes(server.log.of()) == []
    with instance() as dagster:
        newest = next(iter(dagster.get_runs(limit=1)))
        failures = dagster.all_logs(newest.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "has accepted the plan" in str(failures[0].get_dagster_event().step_failure_data)
    assert here.ending() == undisturbed


def test_a_run_killed_while_it_reads_does_not_block_the_next(
    here: Site, server: SandboxServer
) -> None:
    """It has no lease yet; as long as it counts as started, the schedule's would wait for it."""
    dead = killed(here, "sync", call="organization.user.list", at=1)
    gate = Gate()
    server.faults.add(Fault(kind="held", call="organization.user.list", gate=gate))
    living = here.start("plan")
    assert gate.reached.wait(timeout=60)
    assert look_for_dead_runs().endswith(f"their process has died: {dead}.")
    assert status(dead) == dg.DagsterRunStatus.FAILURE
    assert ALL_ALIVE in look_for_dead_runs()
    gate.opened.set()
    assert living.ended() == 0


def test_a_terminated_sync_releases_the_lease(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    """SIGTERM, as a service manager sends it, is no kill: the next run need not wait."""
    gate = Gate()
    server.faults.add(Fault(kind="held", call="team.create", skip=2, gate=gate, after_work=True))
    copy = here.start("sync")
    assert gate.reached.wait(timeout=60)
    copy.end()
    gate.opened.set()
    assert copy.ended() == 1, copy.said()
    assert "The run was interrupted" in copy.document()["message"]
    assert here.run("sync")["status"] == "applied"
    assert here.ending() == undisturbed
    assert here.twice() == 0
