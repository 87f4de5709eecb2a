"""An interrupted run ends as canceled within seconds, and sends nothing more."""

import re
import time

import dagster as dg
import pytest

from swit_provisioning.apply.executor import GRACE_SECONDS
from swit_provisioning.cli.sync import instance
from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.reliability.endings import Ending, writes
from swit_provisioning_tests.reliability.site import Site

SECONDS = 60
A_BUSY_MACHINE = 40
"""Seconds that Dagster may take to note the end where other programs use the machine."""


def held(server: SandboxServer, call: str, *, skip: int = 0) -> Gate:
    """Swit carries this call out, and does not answer."""
    gate = Gate()
    server.faults.add(Fault(kind="held", call=call, skip=skip, gate=gate, after_work=True))
    return gate


def newest_run() -> dg.DagsterRun:
    with instance() as dagster:
        return next(iter(dagster.get_runs(limit=1)))


def counted(message: str) -> tuple[int, int]:
    """How many changes were sent, and how many more may have been."""
    found = re.match(r"(\d+) of \d+ changes were sent, and (\d+) more may have been", message)
    assert found, message
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("signal", ["interrupt", "end"])
def test_an_interrupted_sync_is_canceled_within_seconds_though_swit_does_not_answer(
    here: Site, server: SandboxServer, undisturbed: Ending, signal: str
) -> None:
    """Ctrl-C, and SIGTERM as a service manager sends it; the next sync goes on."""
    here.environment |= {"SWIT_TIMEOUT_SECONDS": "600", "SWIT_MAX_CONCURRENCY": "2"}
    gate = held(server, "organization.user.create", skip=5)
    copy = here.start("sync")
    assert gate.reached.wait(SECONDS)
    getattr(copy, signal)()
    asked = time.monotonic()
    assert copy.ended() == 1, copy.said()
    assert time.monotonic() - asked < GRACE_SECONDS + A_BUSY_MACHINE
    sent = writes(server.log.of())
    document = copy.document()
    assert document["status"] == "failed"
    known, unknown = counted(document["message"])
    assert known < len(sent) <= known + unknown < 38, "most of the plan was not sent"
    assert "The run was interrupted by a signal" in document["message"]
    assert "Nothing more will be sent" in document["message"]
    assert "run swit-provisioning sync" in document["message"]
    run = newest_run()
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert run.tags.get("dagster/will_retry") != "true"
    gate.opened.set()
    assert len(writes(server.log.of())) == len(sent)
    here.time_passes()
    assert here.run("sync")["status"] == "applied"
    assert here.ending() == undisturbed
    assert here.twice() == 0


def test_an_interrupted_plan_is_canceled(here: Site, server: SandboxServer) -> None:
    here.environment["SWIT_TIMEOUT_SECONDS"] = "600"
    gate = held(server, "organization.user.list")
    copy = here.work("command", words=["sync"])
    assert gate.reached.wait(SECONDS)
    copy.end()
    assert copy.ended() == 1, copy.said()
    gate.opened.set()
    assert newest_run().status is dg.DagsterRunStatus.CANCELED
    assert "Canceled: no change was sent" in copy.said()
    assert writes(server.log.of()) == []


def test_a_run_that_exceeds_its_time_limit_is_canceled(here: Site, server: SandboxServer) -> None:
    """Else a Swit that answers slowly enough would keep every other run from writing."""
    here.environment |= {"SWIT_TIMEOUT_SECONDS": "600", "MAX_RUN_HOURS": "0.0005"}
    gate = held(server, "*")
    copy = here.start("sync")
    assert copy.ended() == 1, copy.said()
    gate.opened.set()
    assert "took longer than MAX_RUN_HOURS=0.0005" in copy.document()["message"]
    assert newest_run().status is dg.DagsterRunStatus.CANCELED
