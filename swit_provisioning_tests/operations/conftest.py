"""The program on a stage with both of its webhooks, and the sensors beside it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance
from swit_provisioning.defs.sensors import alarms
from swit_provisioning.operations.run_notifications import notify_of_ended_runs
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.receiver import Receiver

ALERT_PATH = "/alerts/another-secret-9d20"


@pytest.fixture
def chat() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def alerts() -> Iterator[Receiver]:
    with Receiver(ALERT_PATH) as running:
        yield running


@pytest.fixture
def on_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chat: Receiver, alerts: Receiver
) -> Iterator[Stage]:
    monkeypatch.setenv("SWIT_WEBHOOK_URL", chat.url)
    monkeypatch.setenv("ALERT_WEBHOOK_URL", alerts.url)
    monkeypatch.setenv("DAGSTER_UI_URL", "https://sync.example.com/")
    with stage(monkeypatch, tmp_path, SandboxServer()) as running:
        yield running


def daemon_looks(dagster: dg.DagsterInstance, later: timedelta = timedelta(minutes=1)) -> str:
    """Do what the sensor `run_messages` does after some time. Returns the problems."""
    now = datetime.now(UTC)
    problems = notify_of_ended_runs(dagster, since=now - timedelta(hours=1), now=now + later)
    return " ".join(problems)


@pytest.fixture
def daemon() -> Callable[[], str]:
    """The sensor looks at the runs that have ended."""

    def looks() -> str:
        with instance() as dagster:
            return daemon_looks(dagster)

    return looks


@pytest.fixture
def look_for_alarms() -> Callable[[], str]:
    """The sensor `alarms` looks once more; what it says."""
    cursor: list[str | None] = [None]

    def looks() -> str:
        with (
            instance() as dagster,
            dg.build_sensor_context(instance=dagster, cursor=cursor[-1]) as context,
        ):
            result = alarms.evaluate_tick(context)
        cursor.append(result.cursor)
        return result.skip_message or ""

    return looks
