"""Plans whose reads are old when they are sent: nobody who is present is deactivated."""

import json
import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import Directory, address, twenty_people, user_dn
from swit_provisioning_tests.reliability.death import Death
from swit_provisioning_tests.reliability.endings import writes
from swit_provisioning_tests.reliability.site import Site
from swit_provisioning_tests.reliability.test_killed_commands import look_for_dead_runs

SECONDS = 60


def put(here: Site, directory: Directory) -> None:
    (here.folder / "directory.json").write_text(json.dumps(directory), encoding="utf-8")


def everybody_and(*newcomers: str) -> Directory:
    """All twenty are there, and these are new."""
    directory = twenty_people()
    known = directory["users"][0]
    for name in newcomers:
        person = {"distinguishedName": user_dn(name), "displayName": name, "mail": address(name)}
        directory["users"].append({**known, **person})
    return directory


def without_two_and_with(newcomer: str) -> Directory:
    """Two people are missing, and one is new."""
    directory = everybody_and(newcomer)
    directory["users"][:2] = []
    return directory


def deactivated(server: SandboxServer) -> list[str]:
    users = server.organisation.snapshot()["users"]
    return [user["email"] for user in users if not user["active"]]


def make_old(here: Site, hours: float) -> None:
    """Let everything be read, planned and accepted so long ago."""
    with closing(sqlite3.connect(here.database)) as connection, connection:
        for table, name in (("plan_made", "made_at"), ("acceptance", "accepted_at")):
            earlier = f"datetime({name}, '{-hours:+} hours')"
            connection.execute(f"UPDATE {table} SET {name} = {earlier}")  # noqa: S608 - ours


def newest_run() -> dg.DagsterRun:
    with instance() as dagster:
        return next(iter(dagster.get_runs(limit=1)))


@pytest.fixture
def settled(here: Site, server: SandboxServer) -> Site:
    """Everybody has an account; whatever is read later is old when it is sent."""
    assert here.run("sync")["status"] == "applied"
    server.log.clear()
    here.environment["SWIT_MAX_CONCURRENCY"] = "1"
    return here


@pytest.mark.incident(20, 29)
def test_a_re_execution_does_not_deactivate_people_who_came_back(
    settled: Site, server: SandboxServer
) -> None:
    """Killed before the departures were sent; meanwhile the two are in the directory again."""
    put(settled, without_two_and_with("Nora Neu"))
    death = Death(server, call="organization.user.create", at=1, after_work=True)
    assert death.of(settled.start("sync")).ended() < 0
    settled.time_passes()
    dead = newest_run().run_id
    assert dead in look_for_dead_runs()
    put(settled, everybody_and("Nora Neu"))
    settled.environment["EVIDENCE_MAX_AGE_MINUTES"] = "0"
    again = settled.work("re_execute", run_id=dead)
    assert again.ended() == 0, again.said()
    assert deactivated(server) == []
    assert settled.twice() == 0


@pytest.mark.incident(20, 29)
def test_a_sync_suspended_before_the_gate_sends_nothing_after_two_newer_ones(
    settled: Site, server: SandboxServer
) -> None:
    """SIGSTOP once it has read both sides, SIGCONT when two other syncs are through."""
    put(settled, without_two_and_with("Nora Neu"))
    gate = Gate()
    server.faults.add(Fault(kind="held", call="user.team.list", gate=gate, after_work=True))
    suspended = settled.start("sync")
    assert gate.reached.wait(SECONDS)
    suspended.stop()
    for newcomers in (["Otto Ohm"], ["Otto Ohm", "Paula Pan"]):
        put(settled, everybody_and(*newcomers))
        settled.run("sync")
    sent = len(writes(server.log.of()))
    gate.opened.set()
    suspended.go_on()
    assert suspended.ended() == 5, suspended.said()
    assert suspended.document()["status"] == "stale"
    assert suspended.document()["message"].startswith("Nothing was written. The run")
    assert "has accepted the plan" in suspended.document()["message"]
    assert len(writes(server.log.of())) == sent
    assert deactivated(server) == []


@pytest.mark.incident(20, 29)
def test_a_sync_suspended_before_the_gate_reads_again_and_skips_what_changed(
    settled: Site, server: SandboxServer
) -> None:
    """Nobody else has written meanwhile, but the two are in the directory again."""
    put(settled, without_two_and_with("Nora Neu"))
    settled.environment["EVIDENCE_MAX_AGE_MINUTES"] = "0"
    gate = Gate()
    server.faults.add(Fault(kind="held", call="user.team.list", gate=gate, after_work=True))
    suspended = settled.start("sync")
    assert gate.reached.wait(SECONDS)
    suspended.stop()
    put(settled, everybody_and("Nora Neu"))
    gate.opened.set()
    suspended.go_on()
    assert suspended.ended() in {0, 4}, suspended.said()
    assert deactivated(server) == []
    assert any("nora" in user["email"] for user in server.organisation.snapshot()["users"])


def test_a_plan_that_gets_too_old_while_it_is_sent_is_sent_to_the_end(
    settled: Site, server: SandboxServer
) -> None:
    """Half of a plan is worse than the whole: the process has begun and did not stop."""
    put(settled, without_two_and_with("Nora Neu"))
    gate = Gate()
    server.faults.add(Fault(kind="held", call="organization.user.create", gate=gate))
    sync = settled.start("sync")
    assert gate.reached.wait(SECONDS)
    make_old(settled, 73)
    gate.opened.set()
    assert sync.ended() == 0, sync.said()
    assert len(deactivated(server)) == 2


def re_executed(run_id: str, steps: list[str]) -> str:
    """Re-execute these steps (none: from failure) in this process; what the first failure says."""
    with instance() as dagster:
        options = (
            dg.ReexecutionOptions(run_id, steps)
            if steps
            else dg.ReexecutionOptions.from_failure(run_id, dagster)
        )
        job = reconstructable_job("sync")
        with dg.execute_job(job, instance=dagster, reexecution_options=options) as result:
            events = dagster.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        data = [event.get_dagster_event().step_failure_data.user_failure_data for event in events]
    return next((str(found.description) for found in data if found), "")


def test_steps_of_an_old_run_are_refused_or_read_both_sides_again(
    settled: Site, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step alone, and from failure: past PLAN_MAX_AGE_HOURS, and past the ten minutes."""
    put(settled, without_two_and_with("Nora Neu"))
    server.faults.add(
        Fault(kind="status", status=401, times=None, call="organization.user.deactivate")
    )
    failed = settled.run("sync", code=1)["run_id"]
    server.faults.clear()
    server.log.clear()
    one_step = ["applied_users.deactivate_users"]
    make_old(settled, 73)
    for steps in (one_step, []):
        assert "PLAN_MAX_AGE_HOURS is 72" in re_executed(failed, steps)
    assert writes(server.log.of()) == []
    make_old(settled, -73)
    monkeypatch.setenv("EVIDENCE_MAX_AGE_MINUTES", "0")
    put(settled, everybody_and("Nora Neu"))
    for steps in (one_step, []):
        assert re_executed(failed, steps) == ""
    assert deactivated(server) == []
    sent = {call.call for call in writes(server.log.of())}
    assert "organization.user.deactivate" not in sent
