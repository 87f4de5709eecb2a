"""An installation on real processes whose nightly run comes due by itself."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.directories import Directory, twenty_people
from swit_provisioning_tests.integration.gateway_process import KEY, GatewayProcess
from swit_provisioning_tests.integration.stage import settings
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.receiver import Receiver

_UNTIL_NIGHT = timedelta(seconds=150)
"""So long the processes have to be up."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """All that is up."""

    dagster: DagsterDev
    gateway: GatewayProcess
    swit: SandboxServer
    chat: Receiver
    alerts: Receiver
    folder: Path
    due: datetime
    announced: str
    """When the gateway says that the next run is due, asked before it was."""

    def write(self, directory: Directory) -> None:
        (self.folder / "directory.json").write_text(json.dumps(directory), encoding="utf-8")


@contextmanager
def night(folder: Path) -> Iterator[Night]:
    """Start all of it, with the nightly run due in one and a half to two and a half minutes."""
    home, web_port = folder / "home", free_port()
    home.mkdir()
    with as_file(files("swit_provisioning") / "dagster.yaml") as source:
        shutil.copyfile(source, home / "dagster.yaml")
    (folder / "directory.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
    with SandboxServer() as swit, Receiver() as chat, Receiver("/alerts/9d20") as alerts:
        due = (datetime.now(UTC) + _UNTIL_NIGHT).replace(second=0, microsecond=0)
        environment = {
            **{name: value for name, value in os.environ.items() if not is_a_setting(name)},
            **settings(folder, swit),
            "NO_PROXY": "127.0.0.1",
            "SCHEDULE_TIME": f"{due:%H:%M}",
            "SWIT_WEBHOOK_URL": chat.url,
            "ALERT_WEBHOOK_URL": alerts.url,
            "DAGSTER_UI_URL": f"http://127.0.0.1:{web_port}",
            "OPERATION_AUTH_KEY": KEY,
            "PORT": str(free_port()),
        }
        with (
            DagsterDev(environment, folder, port=web_port) as dagster,
            GatewayProcess(environment, folder) as gateway,
        ):
            yield Night(
                dagster=dagster,
                gateway=gateway,
                swit=swit,
                chat=chat,
                alerts=alerts,
                folder=folder,
                due=due,
                announced=gateway.status()["next_run"],
            )


def is_a_setting(name: str) -> bool:
    plain = name.removesuffix("_FILE").lower()
    return plain in Settings.model_fields or name.startswith("DAGSTER_")
