import json
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.sandbox import SANDBOX_PORT
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import RefusedError
from swit_provisioning.sandbox.server import SandboxServer, SandboxStartError
from swit_provisioning_tests.sandbox.caller import TIMEOUT_SECONDS, Caller, message


def test_servers_have_their_own_ports_and_end_their_threads() -> None:
    before = threading.enumerate()
    with SandboxServer() as one, SandboxServer(edition="old") as two:
        assert one.url != two.url
        assert one.scim_url == f"{one.url}/scim/v2"
        with Caller(two) as caller:
            assert caller.get("organization.info").status_code == 404
    assert threading.enumerate() == before
    with pytest.raises(requests.ConnectionError):
        requests.get(one.url, timeout=TIMEOUT_SECONDS)


def test_a_stopped_server_can_be_started_again_on_the_same_port() -> None:
    """A test restarts Swit while a run holds its address and its token."""
    before = threading.enumerate()
    server = SandboxServer()
    with server:
        url, caller = server.url, Caller(server)
    for _ in range(2):
        with server, caller:
            assert server.url == url
            assert caller.get("user.info").status_code == 200
        assert threading.enumerate() == before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=TIMEOUT_SECONDS)


def test_the_error_for_a_port_in_use_suggests_another_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxStartError, match=rf"127\.0\.0\.1:{port}.*{port + 1}"):
            SandboxServer(port=port).__enter__()


def test_a_server_stops_while_a_call_is_delayed() -> None:
    with SandboxServer(latency_seconds=60) as server, Caller(server) as caller:
        caller.timeout_seconds = 0.1
        with pytest.raises(requests.ReadTimeout):
            caller.get("user.info")


def test_new_sandboxes_generate_the_same_ids() -> None:
    def story() -> dict[str, object]:
        organisation = Organisation()
        team = organisation.add_team("Sales")
        organisation.add_user("ann@example.com", teams=[team])
        with pytest.raises(RefusedError):
            organisation.add_user("ANN@example.com")
        organisation.add_user("bob@example.com")
        return organisation.snapshot()

    first = story()
    assert first == story()
    json.dumps(first)
    ids = [user["id"] for user in first["users"]] + [team["id"] for team in first["teams"]]  # type: ignore[attr-defined]
    assert all(len(each) == 19 and each.isalnum() for each in ids)
    assert len(set(ids)) == len(ids)


def test_reset_restores_the_initial_state_and_keeps_tokens_valid() -> None:
    organisation = Organisation()
    organisation.add_team("Sales")
    with SandboxServer(organisation) as server, Caller(server) as caller:
        started = organisation.snapshot()
        caller.post("team.create", name="Other", parent_id=organisation.records.root_id)
        assert organisation.snapshot() != started
        answer = caller.session.post(f"{server.url}/reset", timeout=TIMEOUT_SECONDS)
        assert organisation.snapshot() == started
        assert answer.json()["calls"] == []
        assert caller.get("user.info").status_code == 200
        browser = caller.session.post(
            f"{server.url}/reset",
            headers={"Accept": "text/html"},
            allow_redirects=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert (browser.status_code, browser.headers["Location"]) == (303, "/")


def test_parallel_calls_keep_the_organisation_consistent(
    server: SandboxServer, organisation: Organisation
) -> None:
    sales = organisation.add_team("Sales")

    def work(number: int) -> None:
        with Caller(server) as caller:
            for each in range(5):
                made = caller.post(
                    "organization.user.create",
                    user_name=f"User {number} {each}",
                    user_email=f"user{number}.{each}@example.com",
                ).json()["data"]["user"]
                caller.post("team.user.add", id=sales, user_ids=[made["user_id"]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = organisation.snapshot()
    assert len(state["users"]) == 31
    assert len(set(state["teams"][-1]["user_ids"])) == 30
    assert server.log.counts["team.user.add"] == 30
    assert server.log.total == 60


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/api/team.rename", 404),
        ("GET", "/v1/api/team.create", 405),
        ("POST", "/v1/api/user.team.list", 405),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/api/team.create", 405),
        ("DELETE", "/scim/v2/Users/x", 405),
    ],
)
def test_an_unknown_call_returns_a_json_error(
    server: SandboxServer, caller: Caller, method: str, path: str, status: int
) -> None:
    answer = caller.session.request(method, server.url + path, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == status
    assert message(answer)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"text"'])
def test_a_body_that_is_not_a_json_object_is_refused(
    server: SandboxServer, caller: Caller, body: bytes
) -> None:
    url = f"{server.url}/v1/api/team.delete"
    answer = caller.session.post(url, data=body, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 400
    assert message(answer)
    assert server.log.of("team.delete")[0].status == 400


def test_the_log_contains_arguments_and_status(
    server: SandboxServer, caller: Caller, organisation: Organisation
) -> None:
    caller.post("team.create", name="A", parent_id=organisation.records.root_id)
    caller.post("team.create", name="A", parent_id=organisation.records.root_id)
    entries = server.log.of("team.*")
    assert [entry.status for entry in entries] == [200, 409]
    assert entries[0].arguments["name"] == "A"
    assert entries[0].at <= entries[1].at
    caller.post("team.delete", id="x" * 1000)
    assert len(server.log.of("team.delete")[0].summary) == 160


def test_the_page_shows_the_state_and_escapes_values(
    server: SandboxServer, caller: Caller, organisation: Organisation
) -> None:
    team = organisation.add_team("R&D", reference="CN=<script>")
    other = organisation.add_team("Other", parent_id=team)
    organisation.add_user("ann@example.com", "Ann 'A' Lee", active=False, teams=[team, other])
    caller.get("user.team.list", reference="<b>")
    answer = requests.get(f"{server.url}/", timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200
    for shown in (
        "Sandbox: nothing here is real",
        'name="viewport"',
        "R&amp;D",
        "CN=&lt;script&gt;",
        "Ann &#39;A&#39; Lee",
        "inactive",
        "user.team.list",
        "&lt;b&gt;",
    ):
        assert shown in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_state_is_available_as_json_with_the_last_fifty_calls(
    server: SandboxServer, caller: Caller
) -> None:
    for _ in range(55):
        caller.get("user.info")
    state = requests.get(f"{server.url}/state", timeout=TIMEOUT_SECONDS).json()
    assert len(state["calls"]) == 50
    assert state["calls"][-1]["number"] == 55
    assert state["counts"] == {"user.info": 55}
    assert state["users"] == server.organisation.snapshot()["users"]


def test_run_serves_until_it_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"from swit_provisioning.sandbox.server import run; run(port={port}); print('ended')"
    with subprocess.Popen(  # noqa: S603 - this very Python, and the text above
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        session = requests.Session()
        # Each try is one connection; the first that is accepted waits for the answer.
        retries = requests.adapters.Retry(connect=12, backoff_factor=0.05, backoff_max=1)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        with session:
            assert session.get(f"http://127.0.0.1:{port}/state", timeout=60).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"ended\n", b"")
    assert SANDBOX_PORT == 5600


@pytest.mark.parametrize("port", ["0", "99999999", "web"])
def test_an_invalid_port_is_a_usage_error(port: str) -> None:
    result = CliRunner().invoke(main, ["sandbox", "--port", port])
    assert result.exit_code == 2
    assert "Invalid value for '--port'" in result.output
