"""The whole program on one stage: a sandbox over real HTTP, a directory file, settings, a home."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner, Result

from swit_provisioning.cli.main import main
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import Directory, twenty_people
from swit_provisioning_tests.quick_dagster import make_quick_home

Storage = Literal["quick", "as shipped"]


class Stage:
    """Runs commands as a person would, in this process, against the sandbox."""

    def __init__(
        self, server: SandboxServer, directory_file: Path, settings: dict[str, str]
    ) -> None:
        self.server = server
        self.settings = settings
        self.organisation = server.organisation
        self._file = directory_file
        self.directory: Directory = twenty_people()

    def run(self, *words: str) -> Result:
        """Run a command on the directory as it is now."""
        self.write_directory()
        return CliRunner().invoke(main, words, catch_exceptions=False)

    def write_directory(self) -> None:
        """Let the program see the directory as it is now."""
        self._file.write_text(json.dumps(self.directory), encoding="utf-8")

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and hold it to its exit code; the document."""
        result = self.run(*words, "--json")
        assert result.exit_code == code, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    @property
    def writes(self) -> list[str]:
        """The calls that changed something, or tried to, in order."""
        reads = {"user.info", "organization.info", "organization.user.list", "user.team.list"}
        calls = self.server.log.of()
        return [c.call for c in calls if c.call not in reads and not c.call.startswith("oauth")]

    def teams(self) -> dict[str, dict[str, Any]]:
        """Teams by name, Swit's own two left out."""
        state = self.organisation.snapshot()
        own = {state["root_id"], state["unassigned_id"]}
        return {team["name"]: team for team in state["teams"] if team["id"] not in own}

    def users(self) -> dict[str, dict[str, Any]]:
        """Users by address, the authorising account left out."""
        state = self.organisation.snapshot()
        me = state["authorised_user_id"]
        return {user["email"]: user for user in state["users"] if user["id"] != me}


@contextmanager
def stage(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    server: SandboxServer,
    *,
    storage: Storage = "quick",
) -> Iterator[Stage]:
    """Start the sandbox and point the settings at it.

    `storage` is Dagster's: as shipped where the test is about the files that Dagster keeps.
    """
    folder.mkdir(exist_ok=True)
    if storage == "quick":
        make_quick_home(folder / "home")
    with server:
        variables = settings(folder, server)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Stage(server, folder / "directory.json", variables)


def settings(folder: Path, server: SandboxServer) -> dict[str, str]:
    """The variables that name the sandbox, a directory file and a home in this folder."""
    tokens = server.issue_tokens()
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "IDP_FILE": str(folder / "directory.json"),
        "TEAMS_TO_EXCLUDE": "Back Office",
        "SWIT_BASE_URL": server.url,
        "SWIT_SCIM_BASE_URL": server.scim_url,
        "SWIT_CLIENT_ID": server.client_id,
        "SWIT_CLIENT_SECRET": server.client_secret,
        "SWIT_ACCESS_TOKEN": tokens["access_token"],
        "SWIT_REFRESH_TOKEN": tokens["refresh_token"],
        "SWIT_REQUESTS_PER_SECOND": "1000",
    }
