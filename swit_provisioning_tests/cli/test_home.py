"""What rests in DAGSTER_HOME is for one account, and a person is told where it is not."""

import os
import pwd
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.operations.plan_page import readable_by_others
from swit_provisioning.operations.services import current_actor


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As a run leaves it."""
    made = tmp_path / "home"
    for folder in (made / "state", made / "frames" / "change_plan", made / "storage"):
        folder.mkdir(parents=True)
    for file in ("state/x.sqlite", "frames/change_plan/latest", "storage/runs.db"):
        (made / file).touch()
    for path in (made, *made.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return made


def test_a_closed_home_is_all_right_whatever_dagster_writes_in_it(home: Path) -> None:
    (home / "storage" / "runs.db").chmod(0o644)
    (home / "state" / "link").symlink_to(home)
    assert readable_by_others(home) is None
    assert readable_by_others(home / "is" / "not there") is None


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (".", 0o755),
        (".", 0o750),
        ("state/x.sqlite", 0o644),
        ("state/x.sqlite", 0o620),
        ("frames/change_plan/latest", 0o604),
        ("frames", 0o755),
    ],
)
def test_what_others_can_read_is_found(home: Path, name: str, mode: int) -> None:
    (home / name).chmod(mode)
    assert readable_by_others(home) == home / name


def test_frames_elsewhere_are_looked_at_too(home: Path, tmp_path: Path) -> None:
    frames = tmp_path / "elsewhere"
    frames.mkdir(mode=0o700)
    assert readable_by_others(home, frames) is None
    frames.chmod(0o755)
    assert readable_by_others(home, frames) == frames


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_person_is_warned_and_told_what_to_do(home: Path, command: str) -> None:
    assert "Warning: other accounts" not in CliRunner().invoke(main, [command]).stderr
    (home / "frames").chmod(0o755)
    said = CliRunner().invoke(main, [command]).stderr
    assert f"Warning: other accounts can read {home / 'frames'} (mode 0755)" in said
    assert f"chmod -R go= {home}" in said


def test_an_account_without_a_name_can_start_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under any number."""

    def unknown(uid: int) -> NoReturn:
        raise KeyError(uid)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert current_actor().startswith(f"uid {os.getuid()}@")
