"""No secret rests anywhere under DAGSTER_HOME, nor in anything that is printed."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from swit_provisioning.cli.home import prepare_home
from swit_provisioning.cli.runs import run_job
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
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
        on_stage.server.sandbox.tokens.expire_access_tokens()
        printed = "".join(
            result.output + result.stderr
            for result in (on_stage.run("check"), on_stage.run("sync"), on_stage.run("plan"))
        )
        assert on_stage.server.log.of("oauth.token"), "the pair was refreshed, so stored"
        secrets = {on_stage.server.client_secret, key, *map(str, first.values())}
        secrets -= {first["token_type"], first["scope"], str(first["expires_in"])}
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files)
    for secret in secrets:
        assert secret not in printed
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_an_environment_variable_cannot_be_read_through_the_launchpad(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dagster fills `{env: NAME}` in for any text: it would show every secret of the server."""
    with stage(monkeypatch, tmp_path, SandboxServer()):
        prepare_home(Settings.load())
        run = run_job("apply", config={"plan_id": {"env": "SWIT_CLIENT_SECRET"}})
    assert not run.success
    assert "{env: NAME} is not allowed" in run.message
