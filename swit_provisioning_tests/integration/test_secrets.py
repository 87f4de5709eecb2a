"""No secret is stored under DAGSTER_HOME or printed."""

import logging
from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from swit_provisioning.cli.framework import prepare_home
from swit_provisioning.cli.sync import run_job
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.sources import registry
from swit_provisioning.sources.ldap.source import LdapDirectory
from swit_provisioning_tests.integration import small_company
from swit_provisioning_tests.integration.small_company import READER, company_of
from swit_provisioning_tests.integration.small_server import SmallServer, broken_off, ending, spoil
from swit_provisioning_tests.integration.stage import stage


def test_no_secret_is_in_any_file_or_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tokens rest encrypted; the client's secret and the key rest nowhere."""
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", key)
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        first = on_stage.server.issue_tokens()
        monkeypatch.setenv("SWIT_ACCESS_TOKEN", first["access_token"])
        monkeypatch.setenv("SWIT_REFRESH_TOKEN", first["refresh_token"])
        on_stage.server.tokens.expire_access_tokens()
        printed = "".join(
            result.output + result.stderr
            for result in (on_stage.run("check"), on_stage.run("sync"), on_stage.run("plan"))
        )
        assert on_stage.server.log.of("oauth.token"), "the pair was refreshed, so stored"
        assert "NOT ENCRYPTED" not in printed
        secrets = {on_stage.server.client_secret, key, *map(str, first.values())}
        secrets -= {first["token_type"], first["scope"], str(first["expires_in"])}
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert {".sqlite", ".parquet", ".html"} <= {path.suffix for path in files}
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    for secret in secrets:
        assert secret not in printed
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_check_says_that_a_stored_login_is_not_encrypted_until_a_key_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        on_stage.server.tokens.expire_access_tokens()
        said = on_stage.run("check").output  # the login is renewed, and so stored
        assert "The stored login is NOT ENCRYPTED." in said
        assert "Set TOKEN_ENCRYPTION_KEY" in said
        monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", Fernet.generate_key().decode())
        assert "NOT ENCRYPTED" in on_stage.run("check").output, "what is stored is still in clear"
        on_stage.server.tokens.expire_access_tokens()
        assert "NOT ENCRYPTED" not in on_stage.run("check").output, "renewed, with the key"


def test_the_directorys_password_is_nowhere_after_runs_that_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what the server says, nor what breaks on the way, takes it along."""
    secret = "ldap-secret-5f2c"
    caplog.set_level(logging.DEBUG)
    waits: list[float] = []
    monkeypatch.setattr(registry, "LdapDirectory", partial(LdapDirectory, sleep=waits.append))
    directory = SmallServer(company_of(people=3), accounts={READER: secret})
    with directory, stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        monkeypatch.delenv("IDP_FILE")
        for name, value in small_company.settings(directory.address).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LDAP_PASSWORD", secret)
        printed = ""
        for wrong in (
            {"accounts": {READER: "another one"}},
            {"accounts": None, "bind": (1, "no"), "referrals": ["ldap://elsewhere.example.org"]},
            {"accounts": {READER: secret}, "fault": spoil(broken_off)},
            {"accounts": {READER: secret}, "fault": spoil(ending(10))},
        ):
            for name, state in wrong.items():
                setattr(directory, name, state)
            for command in ("check", "sync"):
                result = on_stage.run(command)
                assert result.exit_code == 1, result.output
                printed += result.output
        monkeypatch.setenv("LDAP_TLS", "starttls")
        printed += on_stage.run("sync").output
        assert on_stage.writes == []
    assert secret in {password for _, password in directory.logins}
    assert secret not in printed + caplog.text
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("missing", ["LDAP_USER", "LDAP_PASSWORD"])
def test_a_guest_cannot_log_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    """A login without a name or a password succeeds, and sees what everybody may see."""
    with (
        SmallServer(company_of(people=3)) as directory,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        monkeypatch.delenv("IDP_FILE")
        for name, value in small_company.settings(directory.address).items():
            monkeypatch.setenv(name, value)
        for empty in ("", " "):
            monkeypatch.setenv(missing, empty)
            result = on_stage.run("sync")
            assert result.exit_code == 2, result.output
            assert missing in result.output
        assert directory.connections == 0


def test_an_environment_variable_cannot_be_read_through_the_launchpad(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dagster fills `{env: NAME}` in for any text: it would show every secret of the server."""
    with stage(monkeypatch, tmp_path, SandboxServer()):
        prepare_home(Settings.load())
        run = run_job("apply", config={"plan_id": {"env": "SWIT_CLIENT_SECRET"}})
    assert not run.state.is_success
    assert "{env: NAME} is not allowed" in run.message
