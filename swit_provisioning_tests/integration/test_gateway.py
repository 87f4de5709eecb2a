"""The gateway over HTTP: what it starts, what it shows, and what it refuses."""

import json
import signal
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import dagster as dg
import pytest
import requests
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from swit_provisioning.cli.main import main
from swit_provisioning.gateway.serve import listen
from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.records import Behaviour, Pkce
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.integration.gateway_process import KEY, Client
from swit_provisioning_tests.integration.gateway_site import Site


def people(server: SandboxServer) -> int:
    return len(server.organisation.snapshot()["users"])


def metrics(text: str) -> dict[str, float]:
    """`name{label}` -> value, of ours alone."""
    return {
        sample.name.removeprefix("swit_provisioning_")
        + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("swit_provisioning_")
    }


def test_user_update_starts_a_sync_that_dagster_shows_and_ends_right(site: Site) -> None:
    before = people(site.server)
    with site.gateway() as gateway, gateway.client() as client:
        answer = client.ask("/user_update", "POST")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["status"], body["message"]) == ("started", "Started provisioning.")
        again = client.ask("/user_update", "POST")
        assert again.status_code == 409
        assert again.json()["run_id"] == body["run_id"]
        assert gateway.ended(body["run_id"]) == 0, gateway.terminal.errors
        with dg.DagsterInstance.get() as dagster:
            run = dagster.get_run_by_id(body["run_id"])
        assert run is not None
        assert (run.job_name, run.status) == ("sync", dg.DagsterRunStatus.SUCCESS)
        assert run.remote_job_origin is not None, "it can be re-executed in the UI"
        assert people(site.server) == before + 20
        said = gateway.status()
        assert said["last_run"]["run_id"] == said["last_success"]["run_id"] == body["run_id"]
        assert said["organization_id"] == site.server.organisation.records.organization_id
        assert said["lease"] is None
        assert said["mode"] == "live"
        _assert_it_is_nowhere(site.folder / "home", KEY)
        once_more = client.ask("/user_update", "POST")
        assert once_more.status_code == 200
        assert once_more.json()["run_id"] != body["run_id"]
        assert gateway.ended(once_more.json()["run_id"]) == 0
        assert people(site.server) == before + 20


def _assert_it_is_nowhere(home: Path, secret: str) -> None:
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files)
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_no_run_is_started_while_another_one_writes(site: Site) -> None:
    """Whoever started it: the schedule, the command line, another machine."""
    with site.gateway() as gateway, gateway.client() as client:
        with open_store(Settings.load()) as store:
            held = store.lease.acquire("another-run", actor="kim@far", ttl=timedelta(minutes=5))
            answer = client.ask("/user_update", "POST")
            assert answer.status_code == 409
            assert answer.json()["run_id"] == "another-run"
            said = gateway.status()
            assert said["lease"]["run_id"] == "another-run"
            assert said["last_started_here"] is None
            assert "kim" not in json.dumps(said)
            store.lease.release(held)
        answer = client.ask("/user_update", "POST")
        assert answer.status_code == 200
        gateway.ended(answer.json()["run_id"])


def test_a_run_outlives_the_gateway_that_started_it(site: Site) -> None:
    before = people(site.server)
    with site.gateway() as gateway, gateway.client() as client:
        run_id = client.ask("/user_update", "POST").json()["run_id"]
        gateway.terminal.interrupt(signal.SIGTERM)
        until(
            lambda: gateway.terminal.has_ended or None,
            seconds=30,
            what=lambda: gateway.terminal.errors,
        )

    def done() -> bool | None:
        with dg.DagsterInstance.get() as dagster:
            run = dagster.get_run_by_id(run_id)
        return True if run and run.is_finished else None

    until(done, seconds=120, what=lambda: "the run did not end")
    assert people(site.server) == before + 20


def test_without_the_key_nothing_is_done_or_shown(site: Site) -> None:
    paths = {"/user_update": "POST", "/status": "GET", "/metrics": "GET"}
    with site.gateway() as gateway:
        for number, (path, method) in enumerate(paths.items(), 1):
            for key in (None, "", "wrong", KEY[:-1], f"{KEY}x", KEY.upper(), "schlüssel"):
                with gateway.client(f"127.0.0.{number}", key=None) as client:
                    given = {} if key is None else {"x-secret-key": key.encode()}
                    answer = client.ask(path, method, headers=given)
                    assert answer.status_code == 401, key
                    assert set(answer.json()) == {"message"}
        assert gateway.status()["last_started_here"] is None
        with gateway.client(key=None) as client:
            bearer = {"Authorization": f"Bearer {KEY}"}
            assert client.ask("/metrics", headers=bearer).status_code == 200
    assert "wrong" not in gateway.terminal.errors
    assert KEY not in gateway.terminal.errors


def test_health_needs_no_key_and_shows_nothing_else(site: Site) -> None:
    with site.gateway() as gateway, gateway.client(key=None) as client:
        answer = client.ask("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert client.ask("/healthz", "POST").status_code == 405
        assert client.ask("/").status_code == 404
        foreign = client.ask("/healthz/", headers={"Host": "evil.example"})
        assert (foreign.status_code, foreign.headers.get("location")) == (404, None)
        assert "server" not in {name.lower() for name in answer.headers}


def test_metrics_are_computed_from_what_is_stored_so_they_survive_a_restart(site: Site) -> None:
    more = {"SCHEDULE_TIME": "02:30", "SCHEDULE_TIMEZONE": "Asia/Seoul"}
    with site.gateway(**more) as gateway, gateway.client() as client:
        empty = metrics(client.ask("/metrics").text)
        assert not [name for name in empty if name.startswith(("changes", "last_"))]
        gateway.ended(client.ask("/user_update", "POST").json()["run_id"])
        gone = twenty_people()
        gone["users"] = gone["users"][:10]
        (site.folder / "directory.json").write_text(json.dumps(gone), encoding="utf-8")
        assert gateway.ended(client.ask("/user_update", "POST").json()["run_id"]) == 3
    with site.gateway(**more) as gateway, gateway.client() as client:
        answer = client.ask("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = metrics(answer.text)
        said = gateway.status()
    assert found["changes[user.create][applied]"] == 20
    assert found["guard_stops[directory_has_not_shrunk]"] == 1
    assert found["last_run_success[sync]"] == 0
    assert found["last_run_duration_seconds[sync]"] > 0
    assert 0 < found["last_success_age_seconds[sync]"] < 3600
    assert found["last_success_timestamp_seconds[sync]"] > 1_700_000_000
    assert found["lease_held"] == 0
    assert found["next_run_timestamp_seconds"] > 1_700_000_000
    assert said["next_run"].endswith("17:30:00+00:00")
    assert said["last_run"]["status"] == "blocked"
    assert said["last_success"]["status"] == "success"
    assert "@" not in answer.text + json.dumps(said), "no names of people"


def log_in(browser: Client) -> requests.Response:
    """The form with the key, then wherever the browser is sent on to."""
    answer = browser.ask("/login", "POST", data={"key": KEY})
    for _ in range(5):
        if answer.status_code not in {302, 303}:
            return answer
        url = urljoin(answer.url, answer.headers["location"])
        answer = browser.get(url, allow_redirects=False, timeout=30)
    raise AssertionError


@pytest.fixture
def nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same site before anybody has logged in."""
    monkeypatch.delenv("SWIT_ACCESS_TOKEN")
    monkeypatch.delenv("SWIT_REFRESH_TOKEN")
    return site


def token() -> str | None:
    with open_store(Settings.load()) as store:
        row = store.tokens.load()
    return row.access_token if row else None


@pytest.mark.parametrize("pkce", ["checked", "refused at authorize"])
def test_an_administrator_logs_in_at_the_gateway(nobody: Site, pkce: Pkce) -> None:
    nobody.server.organisation.behaviour = Behaviour(pkce=pkce)
    with nobody.gateway() as gateway, gateway.client(key=None) as browser:
        form = browser.ask("/login")
        assert form.status_code == 200
        assert 'type="password"' in form.text
        assert "script" not in form.text
        page = log_in(browser)
        assert page.status_code == 200
        assert "admin@sandbox.example (admin) of Sandbox Organisation is stored" in page.text
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert token() is not None
        with gateway.client() as client:
            assert gateway.ended(client.ask("/user_update", "POST").json()["run_id"]) == 0


def test_a_login_is_started_only_with_the_key(nobody: Site) -> None:
    with nobody.gateway() as gateway, gateway.client(key=None) as browser:
        answer = browser.ask("/login", "POST", data={"key": "wrong"})
        assert answer.status_code == 401
        assert "The key is wrong" in answer.text
        assert not browser.cookies
        for odd in ({}, {"other": KEY}, "&".join(f"f{n}=x" for n in range(50)), b"\xff%ff=%"):
            assert browser.ask("/login", "POST", data=odd).status_code == 401
        with gateway.client() as script:
            sent = script.ask("/login")
            assert sent.status_code == 303
            assert sent.headers["location"].startswith(f"{nobody.server.url}/oauth/authorize?")


def test_a_callback_without_cookie_or_state_or_started_login_stores_nothing(
    nobody: Site,
) -> None:
    """What an attacker could send somebody's browser to."""
    with nobody.gateway() as gateway, gateway.client(key=None) as browser:
        sent = browser.ask("/login", "POST", data={"key": KEY})
        cookie = next(iter(browser.cookies))
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "lax"
        back = browser.get(sent.headers["location"], allow_redirects=False, timeout=30)
        callback = back.headers["location"]
        with gateway.client(key=None) as other:
            assert other.get(callback, timeout=30).status_code == 400
        for query in ("", "?code=x", "?code=x&state=y"):
            answer = browser.ask(f"/oauth_callback{query}")
            assert answer.status_code == 400
            assert "its state is not the one that was sent" in answer.text
        assert token() is None
        assert not nobody.server.log.of("oauth.token"), "Swit was not even asked"
        assert browser.get(callback, timeout=30).status_code == 200
        assert token() is not None
        assert browser.get(callback, timeout=30).status_code == 400
        assert len(nobody.server.log.of("oauth.token")) == 1


def test_another_organisations_administrator_changes_nothing(nobody: Site) -> None:
    with nobody.gateway() as gateway, gateway.client(key=None) as browser:
        assert log_in(browser).status_code == 200
        before = token()
        with open_store(Settings.load()) as store:
            store.organization.bind("another-one")
        page = log_in(browser)
        assert page.status_code == 400
        assert "another-one" in page.text
        assert token() == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OPERATION_AUTH_KEY": ""}, "OPERATION_AUTH_KEY is not set"),
        ({"OPERATION_AUTH_KEY": "1234"}, "OPERATION_AUTH_KEY has 4 characters"),
        ({"HOST": "0.0.0.0"}, "HOST: 0.0.0.0 can be reached from outside"),  # noqa: S104 - refused
        ({"PORT": "70000"}, "PORT"),
    ],
)
@pytest.mark.usefixtures("site")
def test_it_does_not_start_if_others_can_read_the_key_file(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], said: str
) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["serve"], catch_exceptions=False)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.usefixtures("site")
def test_a_port_in_use_is_reported_with_a_remedy() -> None:
    settings = Settings.load()
    (taken,) = listen(settings.host, settings.port)
    with taken:
        result = CliRunner().invoke(main, ["serve"], catch_exceptions=False)
    assert result.exit_code == 1
    assert f"Nothing can listen on 127.0.0.1:{settings.port}" in result.stderr
    assert "set HOST and PORT" in result.stderr


@pytest.mark.usefixtures("site")
def test_a_short_key_stops_only_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference program's example has `OPERATION_AUTH_KEY=1234`."""
    monkeypatch.setenv("OPERATION_AUTH_KEY", "1234")
    result = CliRunner().invoke(main, ["plan"], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_behind_a_proxy_each_client_has_a_pace_of_its_own(site: Site) -> None:
    """And cookies go over TLS only. What a client itself says of its address is not believed."""
    with site.gateway("--behind-proxy", HOST="0.0.0.0") as gateway:  # noqa: S104 - told so
        with gateway.client(key=None) as proxy:
            here, there = ({"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2))
            wrong = {"x-secret-key": "wrong"}
            answers = [proxy.ask("/status", headers={**here, **wrong}) for _ in range(11)]
            assert answers[-1].status_code == 429
            assert int(answers[-1].headers["Retry-After"]) > 0
            right = {"x-secret-key": KEY}
            assert proxy.ask("/status", headers={**there, **right}).status_code == 200
            assert proxy.ask("/status", headers={**here, **right}).status_code == 429
            proxy.ask("/login", headers=right)
            assert next(iter(proxy.cookies)).secure
        with gateway.client("127.0.0.9", key=None) as stranger:
            claims = [{"X-Forwarded-For": f"198.51.100.{n}", **wrong} for n in range(11)]
            answers = [stranger.ask("/status", headers=claim) for claim in claims]
            assert answers[-1].status_code == 429
