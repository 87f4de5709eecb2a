"""Every feature is used with marked secrets; then all files and outputs are searched for them."""

import base64
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

import dagster as dg
import pytest
import requests
from click.testing import CliRunner
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from swit_provisioning.cli.main import main
from swit_provisioning.cli.sync import instance, run_job
from swit_provisioning.defs.sensors import SENSORS
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.integration import small_company
from swit_provisioning_tests.integration.gateway_process import KEY, GatewayProcess
from swit_provisioning_tests.integration.marks import events, files, found, rows
from swit_provisioning_tests.integration.small_company import READER, entries_of
from swit_provisioning_tests.integration.small_server import SmallServer, broken_off, spoil
from swit_provisioning_tests.integration.stage import settings
from swit_provisioning_tests.operations.conftest import daemon_looks
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.postgresql import Postgresql
from swit_provisioning_tests.receiver import Receiver

_LDAP = "l+dap/secret ü 5f2c?9d"
_CLIENT = "client+secret/ 77ab&2c"
_APPROVERS = "approvers+key/ 41de&7b"
_CHAT, _ALERTS = "/chat/C1/marked-path-71c3e8", "/alerts/marked-path-9d20f4"


@dataclass
class Scene:
    """The program and all that it talks to."""

    monkeypatch: pytest.MonkeyPatch
    folder: Path
    swit: SandboxServer
    directory: SmallServer
    chat: Receiver
    alerts: Receiver
    secrets: dict[str, str] = field(default_factory=dict)
    shown: list[tuple[str, str]] = field(default_factory=list)
    """What was printed, answered or posted: where, and what."""

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def run(self, *words: str, given: str | None = None, code: int = 0) -> str:
        result = CliRunner().invoke(main, words, input=given, catch_exceptions=False)
        self.shown.append((" ".join(words), result.output + result.stderr))
        assert result.exit_code == code, result.output
        return result.stdout

    def pair(self, name: str) -> str:
        """A pair of tokens that Swit gives now, as `login --from-stdin` takes it."""
        tokens = self.swit.issue_tokens()
        for kind in ("access_token", "refresh_token"):
            self.secrets[f"{name} {kind}"] = tokens[kind]
        return json.dumps(tokens)

    def daemon(self) -> None:
        """The sensors look at what there is."""
        with instance() as dagster:
            self.shown.append(("run_messages", daemon_looks(dagster)))
            for sensor in SENSORS:
                with dg.build_sensor_context(instance=dagster) as context:
                    said = sensor.evaluate_tick(context).skip_message or ""
                self.shown.append((sensor.name, said))


@pytest.fixture
def scene(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgresql_server: Postgresql
) -> Iterator[Scene]:
    database = make_url(postgresql_server.new_database())
    directory = SmallServer(entries_of(twenty_people()), accounts={READER: _LDAP})
    swit = SandboxServer()
    swit.tokens.client_secret = _CLIENT
    with swit, directory, Receiver(_CHAT) as chat, Receiver(_ALERTS) as alerts:
        made = Scene(monkeypatch, tmp_path, swit, directory, chat, alerts)
        named = settings(tmp_path, swit)
        del named["IDP_FILE"]
        port = str(free_port())
        key = Fernet.generate_key().decode()
        (tmp_path / "ldap-password").write_text(_LDAP, encoding="utf-8")
        (tmp_path / ".env").write_text(f"LDAP_PASSWORD_FILE={tmp_path / 'ldap-password'}\n")
        own = small_company.settings(directory.address)
        del own["LDAP_PASSWORD"]
        made.set(**named, **own)
        made.set(
            SWIT_CLIENT_SECRET=_CLIENT,
            TOKEN_ENCRYPTION_KEY=key,
            OPERATION_AUTH_KEY=KEY,
            APPROVAL_KEY=_APPROVERS,
            STATE_DATABASE_URL=database.render_as_string(hide_password=False),
            SWIT_WEBHOOK_URL=chat.url,
            ALERT_WEBHOOK_URL=alerts.url,
            SCHEDULE_TIME="02:30",
            PORT=port,
            SWIT_REDIRECT_URL=f"http://127.0.0.1:{port}/oauth_callback",
        )
        swit.tokens.redirect_urls = (f"http://127.0.0.1:{port}/oauth_callback",)
        made.secrets |= {
            "LDAP_PASSWORD": _LDAP,
            "SWIT_CLIENT_SECRET": _CLIENT,
            "SWIT_ACCESS_TOKEN": named["SWIT_ACCESS_TOKEN"],
            "SWIT_REFRESH_TOKEN": named["SWIT_REFRESH_TOKEN"],
            "TOKEN_ENCRYPTION_KEY": key,
            "OPERATION_AUTH_KEY": KEY,
            "APPROVAL_KEY": _APPROVERS,
            "STATE_DATABASE_URL": str(database.password),
            "SWIT_WEBHOOK_URL": _CHAT,
            "ALERT_WEBHOOK_URL": _ALERTS,
        }
        yield made


def _a_good_day(scene: Scene) -> None:
    """Logging in, looking, planning, applying, being told."""
    scene.run("login", "--from-stdin", given=scene.pair("the first login's"))
    scene.run("check", "--message")
    plan_id = json.loads(scene.run("plan", "--json"))["plan_id"]
    scene.run("show", plan_id, "--html", str(scene.folder / "plan.html"))
    scene.run("apply", plan_id)
    scene.swit.tokens.expire_access_tokens()
    scene.run("sync")
    for command in ("status", "settings", "plans", "history"):
        scene.run(command)


def _bad_days(scene: Scene) -> None:
    """Wrong passwords, refused tokens, servers that are down, settings that are none."""
    scene.directory.accounts = {READER: "another one"}
    scene.run("check", code=1)
    scene.run("sync", code=1)
    scene.directory.accounts = {READER: _LDAP}
    scene.directory.fault = spoil(broken_off)
    scene.run("sync", code=1)
    scene.directory.fault = None
    scene.chat.manner, scene.alerts.manner = "fails", "refuses"
    scene.run("check", "--message", code=1)
    scene.directory.hold(entries_of({**twenty_people(), "users": twenty_people()["users"][:9]}))
    scene.run("sync", code=3)
    scene.directory.hold(entries_of(twenty_people()))
    scene.chat.manner = scene.alerts.manner = "takes"
    scene.swit.tokens.revoke_all()
    scene.run("check", code=1)
    scene.run("sync", code=1)
    scene.run("status")
    refused = json.dumps({"access_token": "marked-access-3e9a", "refresh_token": "marked-r-3e9b"})
    scene.secrets |= {"a refused pair": "marked-access-3e9a", "its other half": "marked-r-3e9b"}
    scene.run("login", "--from-stdin", given=refused, code=1)
    scene.run("login", "--from-stdin", given=scene.pair("the second login's"))
    scene.swit.tokens.client_secret = "another one"
    scene.swit.tokens.expire_access_tokens()
    scene.run("sync", code=1)
    scene.swit.tokens.client_secret = _CLIENT
    launched = run_job("apply", config={"plan_id": {"env": "SWIT_CLIENT_SECRET"}})
    assert not launched.state.is_success
    scene.shown.append(("the launchpad", launched.message))


def _wrong_settings(scene: Scene) -> None:
    """Each value is a secret that was meant for another variable, or one that is damaged."""
    right = {name: os.environ[name] for name in ("STATE_DATABASE_URL", "TOKEN_ENCRYPTION_KEY")}
    unreachable = make_url(right["STATE_DATABASE_URL"]).set(port=free_port())
    hooks = {"SWIT_WEBHOOK_URL": f"hook.swit.io{_CHAT}", "ALERT_WEBHOOK_URL": _ALERTS}
    for wrong, code in (
        ({"STATE_DATABASE_URL": unreachable.render_as_string(hide_password=False)}, 1),
        ({"STATE_DATABASE_URL": f"{right['STATE_DATABASE_URL']} :no:address"}, 1),
        ({"TOKEN_ENCRYPTION_KEY": Fernet.generate_key().decode()}, 1),
        (hooks, 2),
    ):
        before = {name: os.environ[name] for name in wrong}
        scene.set(**wrong)
        for command in ("status", "sync"):
            scene.run(command, code=code)
        scene.set(**before)


def _the_gateway(scene: Scene) -> None:
    """Wrong keys and the right one, a run, its pages, and its own log."""
    with GatewayProcess(dict(os.environ), scene.folder) as gateway:
        with gateway.client(key="a wrong key of the gateway") as stranger:
            for path in ("/status", "/metrics", "/login"):
                scene.shown.append((path, _page(stranger.ask(path))))
        with gateway.client(key=KEY) as client:
            run_id = client.ask("/user_update", "POST").json()["run_id"]
            gateway.ended(run_id)
            for path in ("/status", "/metrics", "/healthz", "/oauth_callback?code=x&state=y"):
                scene.shown.append((path, _page(client.ask(path))))
        plan_id = json.loads(scene.run("plans", "--json"))[0]["plan_id"]
        with gateway.client(key=None) as approver:
            for key, status in (("a wrong key of the approvers", 401), (_APPROVERS, 303)):
                form = {"key": key, "name": "Ann Kim"}
                origin = {"Origin": gateway.url}
                answer = approver.ask(f"/plans/{plan_id}", "POST", data=form, headers=origin)
                assert answer.status_code == status
                scene.shown.append(("the key of the approvers", _page(answer)))
            answer = approver.ask(f"/plans/{plan_id}")
            assert answer.status_code == 200
            scene.shown.append(("the page of a plan", _page(answer)))
    scene.shown.append(("serve", gateway.terminal.errors + gateway.terminal.output))


def _page(answer: requests.Response) -> str:
    return f"{answer.headers}\n{answer.text}"


def _left(scene: Scene, log: str) -> Iterator[tuple[str, bytes]]:
    """All that anybody may come to see."""
    yield from files(scene.folder / "home")
    yield "plan.html", (scene.folder / "plan.html").read_bytes()
    yield "the log", log.encode()
    yield from ((f"output of {where}", text.encode()) for where, text in scene.shown)
    for receiver in (scene.chat, scene.alerts):
        yield from (("a message", body) for _, body in receiver.bodies)
    with instance() as dagster:
        yield from events(dagster)


def test_no_secret_is_in_anything_that_the_program_leaves(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Files, events, metadata, output, logs, pages, messages; the state holds tokens encrypted."""
    caplog.set_level(logging.DEBUG)
    # What the HTTP library notes on demand is not the program's: it says each address it asks.
    for library in ("urllib3", "asyncio"):
        caplog.set_level(logging.INFO, logger=library)
    _a_good_day(scene)
    _bad_days(scene)
    _wrong_settings(scene)
    _the_gateway(scene)
    scene.daemon()
    _every_one_was_used(scene)
    shows = {
        (name, where)
        for where, content in _left(scene, caplog.text)
        for name in found(scene.secrets, content)
    }
    assert shows == set()
    state = os.environ["STATE_DATABASE_URL"]
    held = {(name, where) for where, row in rows(state) for name in found(scene.secrets, row)}
    assert held == set()


def _every_one_was_used(scene: Scene) -> None:
    """A secret that nobody was shown proves nothing."""
    assert _LDAP in {password for _, password in scene.directory.logins}
    assert {urlsplit(scene.chat.url).path} == {path for path, _ in scene.chat.bodies}
    assert {urlsplit(scene.alerts.url).path} == {path for path, _ in scene.alerts.bodies}
    assert scene.swit.log.of("oauth.token")
    assert any("401" in said or "Unauthorized" in said for _, said in scene.shown)


def test_the_search_finds_a_secret_however_it_is_written() -> None:
    secrets = {"it": _LDAP}
    for written in (
        _LDAP,
        quote_plus(_LDAP),
        json.dumps({"x": _LDAP}),
        base64.b64encode(f"user:{_LDAP}:more".encode()).decode(),
        base64.urlsafe_b64encode(f"a{_LDAP}".encode()).decode(),
    ):
        assert found(secrets, f"before {written} after".encode()) == {"it"}
    assert found(secrets, b"nothing of the kind") == set()
