"""Where values come from, and which variables look like settings but are none."""

from pathlib import Path

import pytest

from swit_provisioning.setting_fields import SECRETS
from swit_provisioning.setting_sources import (
    ShownSetting,
    misspelled_settings,
    refuse_misspelled_settings,
    shown_settings,
    unknown_variables,
)
from swit_provisioning.settings import Settings, SettingsError


def shown(name: str) -> ShownSetting:
    return next(setting for setting in shown_settings(Settings.load()) if setting.name == name)


def test_every_setting_is_shown_once() -> None:
    names = [setting.name for setting in shown_settings(Settings.load())]
    assert names == [name.upper() for name in sorted(Settings.model_fields)]


def test_each_source_is_named_and_the_environment_takes_precedence_over_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MAX_UPDATES=5\nswit_max_concurrency=3\n", encoding="utf-8")
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")
    monkeypatch.setenv("MAX_UPDATES", "7")
    monkeypatch.setenv("MAX_USER_CREATIONS", "")
    monkeypatch.setenv("LDAP_PASSWORD_FILE", str(tmp_path / "password"))
    found = {
        name: (shown(name).value, shown(name).source)
        for name in (
            "MAX_UPDATES",
            "MAX_USER_CREATIONS",
            "SWIT_MAX_CONCURRENCY",
            "LDAP_PASSWORD",
            "PROTECTED_ROLES",
            "SWIT_CLIENT_SECRET",
        )
    }
    assert found == {
        "MAX_UPDATES": ("7", "environment"),
        "MAX_USER_CREATIONS": ("50%", "default"),
        "SWIT_MAX_CONCURRENCY": ("3", ".env"),
        "LDAP_PASSWORD": ("set", f"file {tmp_path / 'password'}"),
        "PROTECTED_ROLES": ("master,admin,guest", "default"),
        "SWIT_CLIENT_SECRET": ("", "default"),
    }


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name.upper(), f"https://x/marked-{name}")
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", f"marked{'A' * 37}=")
    assert "marked" not in repr(shown_settings(Settings.load()))
    for name in SECRETS:
        assert shown(name.upper()).value == "set"


def test_a_misspelled_setting_is_reported_with_the_probable_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SHEDULE_TIME=02:30\nMY_OWN=1\n", encoding="utf-8")
    for name in ("LDAP_SEARCH_BSE", "MAX_DEACTIVATION", "SWIT_COLOUR", "EDITOR_OF_CHOICE"):
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == {
        "LDAP_SEARCH_BSE": "LDAP_SEARCH_BASE",
        "MAX_DEACTIVATION": "MAX_DEACTIVATIONS",
        "SHEDULE_TIME": "SCHEDULE_TIME",
        "SWIT_COLOUR": "",
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MAX_DEACTIVATION", "MAX_DEACTIVATIONS"),
        ("MAX_DAECTIVATIONS", "MAX_DEACTIVATIONS"),
        ("MAXDEACTIVATIONS", "MAX_DEACTIVATIONS"),
        ("DISABLED_ACTION", "DISABLED_ACTIONS"),
        ("UNMANGED_USER", "UNMANAGED_USERS"),
        ("TEAM_TO_EXCLUDE", "TEAMS_TO_EXCLUDE"),
        ("LDAP_PASSWORD_FIEL", "LDAP_PASSWORD_FILE"),
        ("LDAP_TSL", "LDAP_TLS"),
    ],
)
def test_a_name_that_is_one_or_two_letters_from_a_setting_is_a_misspelled_setting(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "5")
    assert misspelled_settings() == {name: meant}


@pytest.mark.parametrize(
    "name",
    [
        "HOSTS", "POST", "PORTS", "HOME", "LDAP_HOST", "LDAP_SERVER_HOST", "LDAP_SERVICE_PORT",
        "LDAP_USER_DN", "LDAP_URL", "DAGSTER_HOST", "MAX_JOBS", "SWIT_COLOUR",
    ],
)  # fmt: skip
def test_a_variable_of_another_program_is_no_misspelled_setting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "5")
    assert misspelled_settings() == {}


@pytest.mark.parametrize("name", ["SWTI", "SWIFT", "SWT", "SWIT_", "SEWIT", "swti"])
def test_a_variable_with_the_value_sandbox_and_nearly_the_name_swit_is_a_misspelled_setting(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"{name}=sandbox\n", encoding="utf-8")
    assert misspelled_settings() == {name.upper(): "SWIT"}
    with pytest.raises(SettingsError, match=f"{name.upper()}: there is no such setting, SWIT may"):
        refuse_misspelled_settings()
    monkeypatch.setenv(name, "SandBox")
    assert misspelled_settings() == {name.upper(): "SWIT"}


@pytest.mark.parametrize(
    ("name", "value"), [("SWTI", "5"), ("MODE", "sandbox"), ("ENV", "sandbox"), ("HOST", "sandbox")]
)
def test_another_value_or_another_name_is_no_misspelled_swit(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert misspelled_settings() == {}


def test_a_misspelled_name_that_is_empty_is_no_setting_and_no_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_DEACTIVATION", "")
    assert misspelled_settings() == {}
