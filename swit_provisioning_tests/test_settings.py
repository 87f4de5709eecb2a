"""Settings: read in one place, all problems at once, no secret in any message."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from swit_provisioning.cli.main import main
from swit_provisioning.setting_fields import SECRETS
from swit_provisioning.settings import ScheduleSettings, Settings, SettingsError
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.receiver import Receiver

_NOBODY = 65534

LIVE = {
    "LDAP_SERVER_DOMAIN": "dc1.example.com",
    "LDAP_USER": "CN=reader,DC=example,DC=com",
    "LDAP_PASSWORD": "hunter2",
    "LDAP_SEARCH_BASE": "OU=HQ,DC=example,DC=com",
    "SWIT_CLIENT_ID": "client",
    "SWIT_CLIENT_SECRET": "s3cret",
    "SWIT_REFRESH_TOKEN": "refresh",
}


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def problems(*sides: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load().require(*sides)  # type: ignore[arg-type]  # both literal in each test
    return caught.value.problems


def test_all_missing_variables_are_named_at_once() -> None:
    named = " ".join(problems("directory", "swit"))
    for name in LIVE:
        assert name in named


def test_a_machine_that_reads_only_the_directory_needs_no_swit_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, **{k: v for k, v in LIVE.items() if k.startswith("LDAP")})
    Settings.load().require("directory")
    assert "SWIT_CLIENT_ID is not set" in problems("swit")


def test_the_limits_of_a_read_reach_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {
        "DIRECTORY_TIMEOUT_MINUTES": "5",
        "LDAP_TIMEOUT_SECONDS": "9",
        "LDAP_PAGE_SIZE": "200",
    }
    set_all(monkeypatch, **LIVE, **limits)
    config = Settings.load().ldap()
    assert (config.read_minutes, config.timeout_seconds, config.page_size) == (5, 9, 200)


def test_a_stored_login_makes_the_first_token_unnecessary(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, **{k: v for k, v in LIVE.items() if k != "SWIT_REFRESH_TOKEN"})
    Settings.load().require("directory", "swit", token_stored=True)
    assert "SWIT_REFRESH_TOKEN" in problems("swit")[0]


def test_test_mode_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_RUNNING_LOCALLY", "True")
    Settings.load().require("directory", "swit")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LDAP_TLS", "ssl", "ldaps"),
        ("LDAP_KIND", "AD", "active_directory"),
        ("LDAP_PAGE_SIZE", "0", "greater than or equal to 1"),
        ("DIRECTORY_TIMEOUT_MINUTES", "0", "greater than or equal to 1"),
        ("LDAP_USER_FILTER", "(mail=*", "("),
        ("MAX_DEACTIVATIONS", "lots", "10%"),
        ("SCHEDULE_TIME", "25:00", "HH:MM"),
        ("SCHEDULE_TIMEZONE", "Mars/Base", "Asia/Seoul"),
        ("SWIT_BASE_URL", "openapi.swit.io", "https://"),
        ("SWIT_REQUESTS_PER_SECOND", "fast", "auto"),
        ("DISABLED_ACTIONS", "user.deactivat", "user.deactivate"),
        ("IDP_FILE", "people.csv", ".ldif"),
        ("TEAM_REMOVAL", "drop", "delete"),
    ],
)
def test_an_unusable_value_is_reported_with_its_problem_and_an_example(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    (problem,) = caught.value.problems
    assert problem.startswith(name)
    assert says in problem


def test_settings_that_do_not_apply_to_a_file_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would do all of it; a file is filtered here."""
    in_chain = "(memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=x)"
    monkeypatch.setenv("LDAP_USER_FILTER", in_chain)
    monkeypatch.setenv("LDAP_GROUP_OUS", "Teams")
    Settings.load()
    monkeypatch.setenv("IDP_FILE", "export.ldif")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    user_filter, ous = caught.value.problems
    assert user_filter.startswith(f"LDAP_USER_FILTER: the filter {in_chain!r}")
    assert ous.startswith("LDAP_GROUP_OUS: LDAP_SEARCH_BASE is not set")


def test_all_unusable_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, LDAP_TLS="ssl", SCHEDULE_TIME="noon", MAX_UPDATES="-1")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert {p.split(":")[0] for p in caught.value.problems} == {
        "LDAP_TLS",
        "SCHEDULE_TIME",
        "MAX_UPDATES",
    }


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")
    monkeypatch.setenv("LDAP_PASSWORD_FILE", str(tmp_path / "password"))
    password = Settings.load().ldap_password
    assert password is not None
    assert password.get_secret_value() == "hunter2"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(monkeypatch, LDAP_PASSWORD="hunter2", LDAP_PASSWORD_FILE=str(tmp_path / "password"))
    with pytest.raises(SettingsError, match="both set") as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_in_a_repr_or_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = {name.upper(): f"marked-{name}" for name in SECRETS}
    hooks = {name: f"https://x/{mark}" for name, mark in marked.items() if "WEBHOOK" in name}
    key = {"TOKEN_ENCRYPTION_KEY": Fernet.generate_key().decode()}
    set_all(monkeypatch, **(marked | hooks | key))
    shown = repr(Settings.load())
    monkeypatch.setenv("LDAP_TLS", "ssl")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    for value in marked.values():
        assert value not in shown
        assert value not in str(caught.value)


def test_quotes_in_dotenv_are_read_as_the_reference_program_does(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "TEAMS_TO_EXCLUDE=\"Admin Division\"\nSCHEDULE_TIME='00:00'\n"
        "OPERATION_AUTH_KEY=1234\nLDAP_USER_OUS=Employees,Partners\n",
        encoding="utf-8",
    )
    settings = Settings.load()
    assert settings.teams_to_exclude == ("Admin Division",)
    assert settings.schedule_time == "00:00"


def test_names_that_contain_a_comma_are_separated_by_semicolons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEAMS_TO_EXCLUDE", "Sales, EMEA; Board")
    assert Settings.load().teams_to_exclude == ("Sales, EMEA", "Board")


def test_disabled_actions_accept_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLED_ACTIONS", "user.*,team.delete")
    disabled = Settings.load().policy().disabled_actions
    assert disabled == {
        "user.create",
        "user.update",
        "user.deactivate",
        "user.remove",
        "user.activate",
        "team.delete",
    }


@pytest.mark.parametrize(
    ("url", "harmless"),
    [("https://openapi.swit.io", True), ("http://127.0.0.1:5600", False), (None, False)],
)
def test_test_mode_takes_nothing_away_at_an_address_that_is_not_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str | None, *, harmless: bool
) -> None:
    monkeypatch.setenv("IS_RUNNING_LOCALLY", "True")
    if url:
        monkeypatch.setenv("SWIT_BASE_URL", url)
    disabled = Settings.load().policy().disabled_actions
    taking = {"user.deactivate", "user.remove", "team.delete", "membership.remove"}
    assert disabled == (taking if harmless else set())


def test_the_sandbox_has_its_own_state_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying it out must not bind the state to the sandbox's organisation."""
    live = Settings.load().database_url
    monkeypatch.setenv("IS_RUNNING_LOCALLY", "True")
    assert Settings.load().database_url != live


def test_a_secret_file_can_be_named_in_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("from the file\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"LDAP_PASSWORD_FILE={tmp_path / 'password'}\n", "utf-8")
    password = Settings.load().ldap_password
    assert password is not None
    assert password.get_secret_value() == "from the file"
    monkeypatch.setenv("LDAP_PASSWORD", "from the environment")
    password = Settings.load().ldap_password
    assert password is not None
    assert password.get_secret_value() == "from the environment"


def test_a_secret_file_of_the_environment_takes_precedence_over_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("from the file", encoding="utf-8")
    (tmp_path / ".env").write_text("LDAP_PASSWORD=from the line\n", encoding="utf-8")
    monkeypatch.setenv("LDAP_PASSWORD_FILE", str(tmp_path / "password"))
    password = Settings.load().ldap_password
    assert password is not None
    assert password.get_secret_value() == "from the file"


def test_a_secret_and_its_file_in_dotenv_are_refused(tmp_path: Path) -> None:
    lines = f"LDAP_PASSWORD=x\nLDAP_PASSWORD_FILE={tmp_path / 'password'}\n"
    (tmp_path / ".env").write_text(lines, encoding="utf-8")
    assert problems() == ["LDAP_PASSWORD and LDAP_PASSWORD_FILE are both set; keep one"]


def test_usable_settings_are_available_to_report_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(
        monkeypatch,
        LDAP_TLS="ssl",
        MAX_DEACTIVATIONS="many",
        ALERT_WEBHOOK_URL="nowhere",
        SWIT_WEBHOOK_URL="https://hook.swit.io/chat/1/2",
        HIDE_NAMES="nowhere",
    )
    with pytest.raises(SettingsError):
        Settings.load()
    usable = Settings.what_can_be_used()
    assert usable.swit_webhook_url is not None
    assert (usable.alert_webhook_url, usable.ldap_tls, usable.hide_names) == (None, None, "nowhere")


@pytest.mark.parametrize("key", ["too short", "ü" * 44, "A" * 44])
def test_a_token_encryption_key_that_is_no_fernet_key_is_one_problem_among_others(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    set_all(monkeypatch, TOKEN_ENCRYPTION_KEY=key, LDAP_SERVER_PORT="x")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    port, encryption = sorted(caught.value.problems)
    assert port.startswith("LDAP_SERVER_PORT: ")
    assert encryption.startswith("TOKEN_ENCRYPTION_KEY: ")
    assert "Fernet.generate_key" in encryption
    assert key not in str(caught.value)
    assert Settings.what_can_be_used().token_encryption_key is None


def test_an_unreadable_env_file_is_a_problem_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWIT_CLIENT_ID", "client")
    file = tmp_path / ".env"
    file.write_bytes(b"LDAP_USER=caf\xe9\n")
    for load in (Settings.load, ScheduleSettings.load):
        with pytest.raises(SettingsError, match=r"\.env.*UTF-8"):
            load()
    assert Settings.what_can_be_used().swit_client_id == "client"
    result = CliRunner().invoke(main, ["plans"])
    assert (result.exit_code, type(result.exception)) == (2, SystemExit)
    assert ".env" in result.output
    file.write_text("LDAP_USER=reader\n", encoding="utf-8")
    file.chmod(0)
    with _an_account_without_rights(), pytest.raises(SettingsError, match="Permission denied"):
        Settings.load()


@contextmanager
def _an_account_without_rights() -> Iterator[None]:
    """Root may read everything, so it is another account for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://openapi.swit.example", False),
        ("http://127.0.0.1:8765", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:8765", False),
        ("http://localhost:8765", False),
        ("http://openapi.swit.example", True),
        ("http://127.0.0.1.evil.example", True),
        ("http://192.168.1.5", True),
        ("http://[::ffff:10.0.0.1]", True),
    ],
)
def test_an_http_address_of_another_machine_is_refused_unless_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, url: str, *, named: bool
) -> None:
    set_all(monkeypatch, **LIVE)
    for name in ("SWIT_BASE_URL", "SWIT_SCIM_BASE_URL"):
        with monkeypatch.context() as here:
            here.setenv(name, url)
            assert Settings.load().unencrypted_addresses == ([name] if named else [])
            if named:
                (problem,) = problems("swit")
                assert problem.startswith(f"{name}: ")
                assert "SWIT_ALLOW_HTTP=true" in problem
                here.setenv("IS_RUNNING_LOCALLY", "True")
                assert problems("swit") == [problem], "a token is sent there in test mode, too"
                here.setenv("SWIT_ALLOW_HTTP", "true")
            Settings.load().require("swit")


def test_no_token_goes_to_an_http_address_and_every_command_warns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "people.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
    swit = {name: value for name, value in LIVE.items() if name.startswith("SWIT")}
    set_all(monkeypatch, **swit, IDP_FILE="people.json", SWIT_BASE_URL="http://swit.example")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    pair = json.dumps({"access_token": "marked-token", "refresh_token": "marked-too"})
    warned = "Warning: SWIT_BASE_URL is an http:// address of another machine"
    with Receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for words, code in (
            (["plans"], 0),
            (["settings"], 0),
            (["status"], 0),
            (["check"], 2),
            (["sync"], 2),
            (["login", "--from-stdin"], 2),
        ):
            result = CliRunner().invoke(main, words, input=pair)
            assert result.exit_code == code, result.output
            assert warned in result.stderr, words
            assert ("SWIT_ALLOW_HTTP=true" in result.output) == (code == 2 or words == ["status"])
        assert proxy.bodies == []
        monkeypatch.setenv("SWIT_ALLOW_HTTP", "true")
        result = CliRunner().invoke(main, ["login", "--from-stdin"], input=pair)
        assert warned in result.stderr
        assert "SWIT_ALLOW_HTTP" not in result.output
