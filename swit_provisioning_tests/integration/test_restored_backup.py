"""An old state is restored and `restored` says so: the first run only plans."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.integration.test_re_execution import (
    break_team,
    re_execute_from_failure,
    re_execute_from_the_gate,
)
from swit_provisioning_tests.postgresql import Postgresql

FIRST = address(PEOPLE[0])


class Backup:
    """A copy of the state: of its folder, or of its database by the server's own means."""

    def __init__(self, folder: Path, server: Postgresql | None) -> None:
        self._folder = folder / "backup"
        self._server = server
        self._database = server.new_database() if server else ""

    def take(self) -> None:
        settings = Settings.load()
        if self._server:
            self._server.put_copy(settings.database_url, self._database)
        else:
            shutil.copytree(settings.home / "state", self._folder)

    def put_back(self) -> None:
        settings = Settings.load()
        if self._server:
            self._server.put_copy(self._database, settings.database_url)
        else:
            shutil.rmtree(settings.home / "state")
            shutil.copytree(self._folder, settings.home / "state")


def restored(on_stage: Stage) -> None:
    """What a person does once the backup is back, before any run."""
    assert on_stage.run("restored", "--reason", "the disk of Tuesday").exit_code == 0


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
on_both_databases = pytest.mark.parametrize("server", BOTH, indirect=True)


@pytest.fixture
def server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Postgresql | None]:
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    running: Postgresql = request.getfixturevalue("postgresql_server")
    monkeypatch.setenv("STATE_DATABASE_URL", running.new_database())
    yield running


@pytest.fixture
def on_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Postgresql | None
) -> Iterator[Stage]:
    del server
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        yield made


@pytest.fixture
def backup(tmp_path: Path, server: Postgresql | None) -> Backup:
    return Backup(tmp_path, server)


def rename(on_stage: Stage, name: str) -> None:
    on_stage.directory["users"][0]["displayName"] = name


def leave(on_stage: Stage) -> None:
    """So many that a limit stops the plan."""
    on_stage.directory["users"] = on_stage.directory["users"][8:]


@on_both_databases
def test_the_first_run_after_an_old_state_came_back_only_plans(
    on_stage: Stage, backup: Backup
) -> None:
    on_stage.json("sync")
    backup.take()
    rename(on_stage, "Amelie Blanc")
    on_stage.json("sync")
    backup.put_back()
    restored(on_stage)
    rename(on_stage, "Amelie Noir")
    on_stage.server.log.clear()
    held = on_stage.json("sync", code=3)
    assert held["status"] == "blocked"
    assert "the disk of Tuesday" in held["message"]
    assert "the first run after that only plans" in held["message"]
    assert on_stage.writes == []
    assert not re_execute_from_the_gate(held["run_id"])[0], "it stays the first run"
    assert on_stage.writes == []
    assert on_stage.json("show", held["plan_id"])["counts"] == {"user.update": 1}
    assert on_stage.json("sync")["status"] == "applied"
    assert on_stage.users()[FIRST]["name"] == "Amelie Noir"
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_a_plan_by_hand_is_the_first_run_and_may_then_be_applied(
    on_stage: Stage, backup: Backup
) -> None:
    on_stage.json("sync")
    rename(on_stage, "Amelie Blanc")
    of_before = on_stage.json("plan")["plan_id"]
    backup.take()
    on_stage.json("plan")
    backup.put_back()
    restored(on_stage)
    refused = on_stage.json("apply", of_before, code=3)
    assert "swit-provisioning plan" in refused["message"]
    rename(on_stage, "Amelie Noir")
    plan_id = on_stage.json("plan")["plan_id"]
    refused = on_stage.json("apply", of_before, code=5)
    assert "was made before the state was restored" in refused["message"]
    assert on_stage.json("apply", plan_id)["status"] == "applied"


@on_both_databases
def test_an_approval_that_came_back_is_void(
    on_stage: Stage, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was spent long ago: what it let through then may be a mistake now."""
    monkeypatch.setenv("MAX_ACTIVATIONS", "none")
    on_stage.json("sync")
    everybody = list(on_stage.directory["users"])
    leave(on_stage)
    plan_id = on_stage.json("plan", code=3)["plan_id"]
    assert on_stage.run("approve", plan_id, "--reason", "the Busan office was sold").exit_code == 0
    backup.take()
    assert on_stage.json("apply", plan_id)["status"] == "applied"
    on_stage.directory["users"] = everybody
    on_stage.json("sync")
    backup.put_back()
    restored(on_stage)
    leave(on_stage)
    assert on_stage.json("sync", code=3)["plan_id"] == plan_id
    on_stage.server.log.clear()
    stopped = on_stage.json("sync", code=3)
    assert stopped["plan_id"] == plan_id
    assert "(the Busan office was sold) is void" in stopped["message"]
    assert on_stage.writes == []
    assert on_stage.run("approve", plan_id, "--reason", "sold indeed").exit_code == 0
    assert on_stage.json("apply", plan_id)["status"] == "applied"


def test_an_unfinished_plan_is_not_continued_after_a_restore(
    on_stage: Stage, backup: Backup
) -> None:
    """The journal that came back doesn't know what was done since."""
    break_team(on_stage, "Planners")
    broken = on_stage.json("sync", code=1)
    backup.take()
    on_stage.server.faults.clear()
    on_stage.json("sync")
    backup.put_back()
    restored(on_stage)
    on_stage.server.log.clear()
    assert on_stage.json("plan")["counts"] == {}
    assert not re_execute_from_failure(broken["run_id"])[0]
    assert on_stage.writes == []
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_the_state_of_a_restore_is_shown_until_a_run_has_planned(on_stage: Stage) -> None:
    on_stage.json("sync")
    rename(on_stage, "Amelie Blanc")
    told = on_stage.run("restored", "--reason", "the disk of Tuesday")
    assert told.exit_code == 0
    assert "The next run only plans" in told.output
    assert "the disk of Tuesday" in on_stage.json("status")["restored"]["why"]
    held = on_stage.json("sync", code=3)
    assert "the disk of Tuesday" in held["message"]
    assert on_stage.json("status")["restored"] is None
    assert on_stage.json("sync")["status"] == "applied"
