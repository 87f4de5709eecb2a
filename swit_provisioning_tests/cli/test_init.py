"""`init` and `--env-file`: the file with the settings."""

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from swit_provisioning.cli.framework import UnusableInputError, UnwritableFileError
from swit_provisioning.cli.init import write_env_file
from swit_provisioning.cli.main import main
from swit_provisioning.sandbox import sample_directory_path
from swit_provisioning_tests.cli.conftest import Desk
from swit_provisioning_tests.cli.terminal import Terminal


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(*lines: str) -> Result:
    return CliRunner().invoke(main, ["init"], input="".join(f"{line}\n" for line in lines))


def test_the_answers_for_a_file_and_the_sandbox_make_a_file_that_check_works_with(
    folder: Path,
) -> None:
    result = answer("file", str(sample_directory_path()), "sandbox", "02:30", "Asia/Seoul")
    assert result.exit_code == 0, result.output
    assert "read 40 users" in result.output
    assert "swit-provisioning check" in result.output
    assert dotenv_values(folder / ".env") == {
        "IDP_FILE": str(sample_directory_path()),
        "SWIT": "sandbox",
        "SCHEDULE_TIME": "02:30",
        "SCHEDULE_TIMEZONE": "Asia/Seoul",
    }
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    checked = CliRunner().invoke(main, ["check"])
    assert checked.exit_code == 0, checked.output


def test_a_second_init_offers_the_values_and_keeps_all_other_lines(folder: Path) -> None:
    ours = "# ours\nIS_RUNNING_LOCALLY=True\nMAX_DEACTIVATIONS=5%\n"
    (folder / ".env").write_text(f"{ours}IDP_FILE={sample_directory_path()}\n")
    result = answer("", "", "", "", "")
    assert result.exit_code == 0, result.output
    text = (folder / ".env").read_text()
    assert text.startswith("# ours\nMAX_DEACTIVATIONS=5%\nIDP_FILE=")
    assert "IS_RUNNING_LOCALLY" not in text
    assert dotenv_values(folder / ".env")["IDP_FILE"] == str(sample_directory_path())


def test_a_directory_that_cannot_be_read_is_asked_for_again(folder: Path) -> None:
    result = answer(
        "file", str(folder / "none.json"), "y", str(sample_directory_path()), "sandbox", "", ""
    )
    assert result.exit_code == 0, result.output
    assert "none.json cannot be read" in result.output
    assert dotenv_values(folder / ".env")["IDP_FILE"] == str(sample_directory_path())


def test_a_wrong_value_is_named_and_asked_for_again(folder: Path) -> None:
    result = answer("file", str(sample_directory_path()), "sandbox", "25:00", "", "y", "02:00", "")
    assert result.exit_code == 0, result.output
    assert "SCHEDULE_TIME: '25:00' is not a time of day" in result.output
    assert dotenv_values(folder / ".env")["SCHEDULE_TIME"] == "02:00"


def test_nothing_is_written_if_the_answers_end_early(folder: Path) -> None:
    (folder / ".env").write_text("SWIT=sandbox\n")
    result = answer("file", str(sample_directory_path()))
    assert result.exit_code == 1
    assert "Aborted" in result.output
    assert [path.name for path in folder.iterdir()] == [".env"]
    assert (folder / ".env").read_text() == "SWIT=sandbox\n"


def test_the_stored_login_is_tested_and_the_secret_is_not_shown(
    desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = json.dumps(desk.server.tokens.issue())
    stored = CliRunner().invoke(main, ["login", "--from-stdin"], input=pair)
    assert stored.exit_code == 0, stored.output
    for name in ("SWIT_CLIENT_ID", "SWIT_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    app = (desk.server.client_id, desk.server.client_secret, "")
    result = answer("file", str(sample_directory_path()), "live", *app, "", "")
    assert result.exit_code == 0, result.output
    assert "logged in as" in result.output
    assert desk.server.client_secret not in result.output
    assert dotenv_values(folder / ".env")["SWIT_CLIENT_SECRET"] == desk.server.client_secret


def test_a_value_of_the_environment_is_not_copied_and_one_that_differs_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_FILE", str(sample_directory_path()))
    monkeypatch.setenv("SCHEDULE_TIME", "01:00")
    result = answer("file", "", "sandbox", "02:00", "")
    assert result.exit_code == 0, result.output
    assert "IDP_FILE" not in dotenv_values(folder / ".env")
    assert "SCHEDULE_TIME is also set in the environment" in result.output
    assert "IDP_FILE is also" not in result.output


@pytest.mark.parametrize("value", ["a b#c", "it's", 'say "x"', "back\\slash", "Zażółć", "$HOME"])
def test_a_value_comes_back_as_it_was_written(folder: Path, value: str) -> None:
    write_env_file(folder / ".env", {"LDAP_PASSWORD": value})
    assert dotenv_values(folder / ".env") == {"LDAP_PASSWORD": value}


def test_a_value_that_the_file_would_change_is_refused_and_nothing_is_written(
    folder: Path,
) -> None:
    (folder / ".env").write_text("A=1\n")
    with pytest.raises(UnusableInputError, match="LDAP_PASSWORD_FILE"):
        write_env_file(folder / ".env", {"LDAP_USER": "x", "LDAP_PASSWORD": "a${HOME}b"})
    assert (folder / ".env").read_text() == "A=1\n"


def test_a_file_in_a_folder_that_is_not_there_cannot_be_written(folder: Path) -> None:
    with pytest.raises(UnwritableFileError, match="none"):
        write_env_file(folder / "none" / ".env", {"SWIT": "sandbox"})


def test_env_file_replaces_the_env_file_of_the_folder(folder: Path) -> None:
    (folder / ".env").write_text("SCHEDULE_TIME=01:00\n")
    (folder / "other.env").write_text("SWIT=sandbox\n")
    words = ("--env-file", "other.env", "settings", "--json")
    with Terminal(*words, environment={"PATH": os.environ["PATH"]}, folder=folder) as terminal:
        assert terminal.code() == 0, terminal.errors
        shown = {row["name"]: row for row in json.loads(terminal.output)["settings"]}
    assert shown["SWIT"]["value"] == "sandbox"
    assert shown["SWIT"]["source"] == str(folder / "other.env")
    assert shown["SCHEDULE_TIME"]["value"] == ""


def test_an_env_file_that_does_not_exist_is_wrong_use() -> None:
    result = CliRunner().invoke(main, ["--env-file", "none.env", "settings"])
    assert result.exit_code == 2
    assert "none.env does not exist" in result.output
