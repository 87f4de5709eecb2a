"""`serve`, `sandbox` and `demo`: commands that run a server on this machine."""

import json
import logging
import os
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Literal

from rich.rule import Rule

from swit_provisioning.apply.run_model import RunState
from swit_provisioning.cli.console import errors, output, print_text
from swit_provisioning.cli.framework import load_settings, prepare_home
from swit_provisioning.sandbox import sample_directory_path
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sandbox.server import run as run_sandbox
from swit_provisioning.setting_sources import misspelled_settings
from swit_provisioning.settings import Settings

_Directory = dict[str, list[dict[str, Any]]]
_LEAVING_SHARE: Final = 0.4


def serve(settings: Settings, *, behind_proxy: bool) -> int:
    """Print the address of the gateway and serve."""
    from swit_provisioning.gateway.serve import bracketed, run  # noqa: PLC0415 - slow

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    prepare_home(settings)
    url = f"http://{bracketed(settings.host)}:{settings.port}"
    print_text(errors(), f"Gateway: {url} · {settings.mode}", wrap=False)
    run(settings, behind_proxy=behind_proxy)
    return 0


def sandbox(*, port: int, edition: Literal["old", "new", "production"], keep: bool) -> int:
    """Run the sandbox until it is interrupted."""
    url = f"http://127.0.0.1:{port}"
    print_text(errors(), f"Sandbox: {url} (its state is shown there)", wrap=False)
    state_file = load_settings().sandbox_file if keep else None
    run_sandbox(port, edition, state_file=state_file)
    return 0


def demo(*, ui: bool) -> int:
    """Run three days, each as the command `sync`; 0 if each ends as expected."""
    from swit_provisioning.cli.sync import sync  # noqa: PLC0415 - slow

    console = output()
    home = Settings.load().home / "demo"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    people = home / "directory.json"
    days = (
        ("Day 1: an empty organisation, the first sync", _sample(), RunState.APPLIED),
        ("Day 2: one joins, one leaves, a group is renamed", _next_day(), RunState.APPLIED),
        ("Day 3: 40 % have left, says the directory", _mass_departure(), RunState.BLOCKED),
    )
    expected = [state.exit_code for *_, state in days]
    with SandboxServer() as server:
        _point_at(server, people, home)
        print_text(console, f"The sandbox organisation: {server.url} (open it to see its state)")
        ended = []
        for title, directory, _ in days:
            console.print(Rule(title, align="left"))
            text = json.dumps(directory, ensure_ascii=False, indent=1)
            people.write_text(text, encoding="utf-8")
            ended.append(sync(Settings.load(), as_json=False))
        console.print(Rule())
        if ended != expected:
            print_text(
                console,
                f"The demo did not end as expected: exit codes {ended} instead of {expected}."
                " The output above says why. Run it again with: make demo",
            )
            return 1
        print_text(console, "The mass departure was blocked. Nothing was written to Swit.")
        if ui:
            where = "http://127.0.0.1:3000 (Ctrl+C ends it and the sandbox)"
            print_text(console, f"The Dagster UI: {where}")
            with as_file(files("swit_provisioning") / "workspace.yaml") as workspace:
                command = [sys.executable, "-P", "-m", "dagster", "dev", "-w", str(workspace)]
                try:
                    return subprocess.run([*command, "-p", "3000"], check=False).returncode  # noqa: S603 - ours # nosec B603
                except KeyboardInterrupt:
                    return 0
    print_text(console, "See it in the Dagster UI: make dev")
    return 0


def _point_at(server: SandboxServer, people: Path, home: Path) -> None:
    """Replace all settings of this process, and so of the UI, by those of the demo.

    Settings of the environment and of `.env` are removed, so that nothing leaves this machine.
    """
    tokens = server.issue_tokens()
    os.chdir(home)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
        os.environ.pop(f"{name.upper()}_FILE", None)
    for name in misspelled_settings():
        os.environ.pop(name, None)
    os.environ |= {
        "IS_RUNNING_LOCALLY": "True",
        "DAGSTER_HOME": str(home),
        "IDP_FILE": str(people),
        "SWIT_BASE_URL": server.url,
        "SWIT_SCIM_BASE_URL": server.scim_url,
        "SWIT_CLIENT_ID": server.client_id,
        "SWIT_CLIENT_SECRET": server.client_secret,
        "SWIT_ACCESS_TOKEN": str(tokens["access_token"]),
        "SWIT_REFRESH_TOKEN": str(tokens["refresh_token"]),
        "SWIT_REQUESTS_PER_SECOND": "50",
    }


def _sample() -> _Directory:
    directory: _Directory = json.loads(sample_directory_path().read_text(encoding="utf-8"))
    return directory


def _next_day() -> _Directory:
    """One person joins, one leaves, and a group is renamed."""
    directory = _sample()
    users, groups = directory["users"], directory["groups"]
    gone = users.pop()["distinguishedName"]
    new = "CN=Robin Newcomer,OU=Users,DC=example,DC=com"
    users.append(
        {
            "distinguishedName": new,
            "mail": "robin.newcomer@example.com",
            "displayName": "Robin Newcomer",
            "mobile": None,
        }
    )
    for group in groups:
        group["member"] = [member for member in group["member"] if member != gone]
    groups[-1]["displayName"] = f"{groups[-1]['displayName']} Worldwide"
    groups[-1]["member"].append(new)
    return directory


def _mass_departure() -> _Directory:
    """The directory as it looks when an OU was moved or a filter is wrong."""
    directory = _next_day()
    stay = int(len(directory["users"]) * (1 - _LEAVING_SHARE))
    gone = {user["distinguishedName"] for user in directory["users"][stay:]}
    directory["users"] = directory["users"][:stay]
    for group in directory["groups"]:
        group["member"] = [member for member in group["member"] if member not in gone]
    return directory
