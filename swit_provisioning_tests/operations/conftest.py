"""The program on a stage with both of its webhooks, and the sensors beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.cli.runs import instance
from swit_provisioning.defs.sensors import SENSORS
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.receiver import Receiver

ALERT_PATH = "/alerts/another-secret-9d20"
_SENSORS = {sensor.name: sensor for sensor in SENSORS}
_ENDS = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


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


def sensor_looks(dagster: dg.DagsterInstance, name: str, run_id: str) -> str:
    """What the daemon does once it has noticed the end of a run; what the sensor says."""
    run = dagster.get_run_by_id(run_id)
    assert run is not None
    (ended,) = (event for kind in _ENDS for event in dagster.all_logs(run_id, of_type=kind))
    context = dg.build_run_status_sensor_context(
        sensor_name=name,
        dagster_event=ended.get_dagster_event(),
        dagster_instance=dagster,
        dagster_run=run,
    )
    said = _SENSORS[name](context)
    assert isinstance(said, dg.SkipReason)
    return said.skip_message or ""


@pytest.fixture
def daemon() -> Callable[[str, str], str]:
    """The sensor of this name looks at the run of this id."""

    def looks(name: str, run_id: str) -> str:
        with instance() as dagster:
            return sensor_looks(dagster, name, run_id)

    return looks


@pytest.fixture
def ticks() -> Callable[[str], str]:
    """A sensor without a run of its own is looked at once; what it says."""

    def tick(name: str) -> str:
        with instance() as dagster, dg.build_sensor_context(instance=dagster) as context:
            return _SENSORS[name].evaluate_tick(context).skip_message or ""

    return tick
