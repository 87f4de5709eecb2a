"""`demo`: a first sync, a day of changes and a blocked mass departure, on the sandbox."""

import json
import os
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.rule import Rule

from swit_provisioning.apply.run_model import RunState
from swit_provisioning.cli import sync as commands
from swit_provisioning.cli.framework import output
from swit_provisioning.sandbox import sample_directory_path
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.setting_sources import misspelled_settings
from swit_provisioning.settings import Settings

Directory = dict[str, list[dict[str, Any]]]
LEAVING_SHARE: Final = 0.4


def tell_the_story(*, ui: bool) -> int:
    """Run three days, each as the command `sync`; 0 if each ends as expected."""
    console = output()
    home = Settings.load().home / "demo"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    people = home / "directory.json"
    with SandboxServer() as server:
        _point_at(server, people, home)
        console.print(f"The sandbox organisation: {server.url} (open it to see its state)")
        ended = [
            _day(console, "Day 1: an empty organisation, the first sync", people, _first_day()),
            _day(console, "Day 2: one joins, one leaves, a group is renamed", people, _next_day()),
            _day(console, "Day 3: 40 % have left, says the directory", people, _mass_departure()),
        ]
        expected = [
            state.exit_code for state in (RunState.APPLIED, RunState.APPLIED, RunState.BLOCKED)
        ]
        console.print(Rule())
        if ended != expected:
            console.print(
                f"The demo did not end as expected: exit codes {ended} instead of {expected}."
                " The output above says why. Run it again with: make demo"
            )
            return 1
        console.print("The mass departure was blocked. Nothing was written to Swit.")
        if ui:
            return _leave_ui_running(console)
    console.print("See it in the Dagster UI: make dev")
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


def _day(console: Console, title: str, people: Path, directory: Directory) -> int:
    """Write the directory of a day and run `sync`."""
    console.print(Rule(title, align="left"))
    people.write_text(json.dumps(directory, ensure_ascii=False, indent=1), encoding="utf-8")
    return commands.sync(Settings.load(), as_json=False)


def _first_day() -> Directory:
    directory: Directory = json.loads(sample_directory_path().read_text(encoding="utf-8"))
    return directory


def _next_day() -> Directory:
    """One person joins, one leaves, and a group is renamed."""
    directory = _first_day()
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


def _mass_departure() -> Directory:
    """The directory as it looks when an OU was moved or a filter is wrong."""
    directory = _next_day()
    stay = int(len(directory["users"]) * (1 - LEAVING_SHARE))
    gone = {user["distinguishedName"] for user in directory["users"][stay:]}
    directory["users"] = directory["users"][:stay]
    for group in directory["groups"]:
        group["member"] = [member for member in group["member"] if member not in gone]
    return directory


def _leave_ui_running(console: Console) -> int:
    """Run `dagster dev` on the state of the demo until it is interrupted."""
    console.print("The Dagster UI: http://127.0.0.1:3000 (Ctrl+C ends it and the sandbox)")
    with as_file(files("swit_provisioning") / "workspace.yaml") as workspace:
        command = [sys.executable, "-P", "-m", "dagster", "dev", "-w", str(workspace)]
        try:
            return subprocess.run([*command, "-p", "3000"], check=False).returncode  # noqa: S603 - ours # nosec B603
        except KeyboardInterrupt:
            return 0
