import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from swit_provisioning.sandbox.faults import Fault, FaultKind, Gate
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.sandbox.traffic import RateLimit
from swit_provisioning_tests.sandbox.caller import Caller, message


def test_requests_above_the_limit_return_429_until_the_window_has_passed() -> None:
    now = [100.0]
    limit = RateLimit(2, window_seconds=3, clock=lambda: now[0])
    assert [limit.refused() for _ in range(6)] == [None] * 6
    refused = limit.refused()
    assert refused is not None
    assert (refused.status, refused.headers) == (429, {"Retry-After": "3"})
    now[0] += 3
    assert limit.refused() is None


def test_a_429_can_come_without_retry_after(server: SandboxServer, caller: Caller) -> None:
    server.rate_limit = RateLimit(1 / 60, window_seconds=60, retry_after="none")
    assert caller.get("user.info").status_code == 200
    answer = caller.get("user.info")
    assert answer.status_code == 429
    assert message(answer)
    assert "Retry-After" not in answer.headers
    assert server.log.counts["user.info"] == 2


def test_retry_after_can_be_a_date(server: SandboxServer, caller: Caller) -> None:
    server.rate_limit = RateLimit(0.1, window_seconds=60, retry_after="date")
    for _ in range(6):
        assert caller.get("user.info").status_code == 200
    until = parsedate_to_datetime(caller.get("user.info").headers["Retry-After"])
    assert 0 < (until - datetime.now(UTC)).total_seconds() <= 61


def test_the_rate_limit_applies_to_scim_but_not_to_oauth(
    server: SandboxServer, caller: Caller
) -> None:
    server.rate_limit = RateLimit(1 / 60, window_seconds=60)
    assert caller.get("user.info").status_code == 200
    assert caller.find('userName eq "x@example.com"').status_code == 429
    form = {"client_id": server.client_id, "client_secret": server.client_secret}
    answer = requests.post(f"{server.url}/oauth/token", data=form, timeout=60)
    assert answer.status_code == 400


def test_latency_delays_every_answer(server: SandboxServer, caller: Caller) -> None:
    server.latency_seconds = 0.05
    started = time.monotonic()
    assert caller.get("user.info").status_code == 200
    assert time.monotonic() - started >= 0.05


def test_calls_are_answered_in_parallel(server: SandboxServer) -> None:
    """The client sends several calls at a time."""
    server.latency_seconds = 0.2

    def call() -> None:
        with Caller(server) as own:
            own.get("user.info")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.log.most_in_flight > 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_fault_can_have_any_status(server: SandboxServer, caller: Caller, status: int) -> None:
    server.faults.add(Fault(kind="status", call="user.*", status=status, retry_after="7"))
    assert caller.get("organization.info").status_code == 200
    answer = caller.get("user.info")
    assert answer.status_code == status
    assert message(answer)
    assert answer.headers["Retry-After"] == "7"
    assert caller.get("user.info").status_code == 200
    assert server.faults.waiting == 0


def test_a_fault_can_skip_calls_and_occur_several_times(
    server: SandboxServer, caller: Caller
) -> None:
    server.faults.add(Fault(kind="status", status=503, skip=1, times=2))
    assert [caller.get("user.info").status_code for _ in range(4)] == [200, 503, 503, 200]


def test_a_fault_can_affect_one_object_permanently(
    server: SandboxServer, caller: Caller, organisation: Organisation
) -> None:
    ann, bob = (organisation.add_user(f"{name}@example.com") for name in ("ann", "bob"))
    server.faults.add(
        Fault(kind="status", status=400, times=None, where=lambda sent: sent["user_id"] == ann)
    )
    answers = [
        caller.post("organization.user.deactivate", user_id=user_id).status_code
        for user_id in (ann, bob, ann)
    ]
    assert answers == [400, 204, 400]
    server.faults.clear()
    assert caller.post("organization.user.deactivate", user_id=ann).status_code == 204


def test_an_error_can_come_with_status_200(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(kind="code", status=403))
    answer = caller.get("user.info")
    assert (answer.status_code, answer.json()["code"]) == (200, 403)


def test_a_web_page_can_come_with_status_200(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(kind="html", status=200))
    answer = caller.get("user.info")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("kind", ["garbage", "truncated"])
def test_a_body_can_be_invalid_json(server: SandboxServer, caller: Caller, kind: FaultKind) -> None:
    server.faults.add(Fault(kind=kind))
    answer = caller.get("user.info")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


@pytest.mark.parametrize("kind", ["drop", "cut"])
@pytest.mark.parametrize("after_work", [False, True])
def test_a_connection_can_be_lost_before_or_after_the_call_is_carried_out(
    server: SandboxServer,
    caller: Caller,
    organisation: Organisation,
    *,
    kind: FaultKind,
    after_work: bool,
) -> None:
    """For example, the client does not know whether a team was created."""
    server.faults.add(Fault(kind=kind, call="team.create", after_work=after_work))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        caller.post("team.create", name="Sales", parent_id=organisation.records.root_id)
    assert (organisation.team_by_name("Sales") is not None) == after_work
    assert server.log.of("team.create")[0].status == (None if kind == "drop" else 200)
    assert caller.get("user.info").status_code == 200


@pytest.mark.parametrize("after_work", [False, True])
def test_an_answer_can_come_too_late(
    server: SandboxServer, caller: Caller, organisation: Organisation, *, after_work: bool
) -> None:
    server.faults.add(Fault(kind="slow", seconds=30, after_work=after_work))
    caller.timeout_seconds = 0.5
    with pytest.raises(requests.ReadTimeout):
        caller.post("team.create", name="Sales", parent_id=organisation.records.root_id)
    caller.timeout_seconds = 60
    assert (organisation.team_by_name("Sales") is not None) == after_work
    server.faults.add(Fault(kind="slow", seconds=0.05))
    assert caller.get("user.info").status_code == 200


@pytest.mark.parametrize("after_work", [False, True])
def test_a_call_can_be_held_until_its_gate_opens(
    server: SandboxServer, caller: Caller, organisation: Organisation, *, after_work: bool
) -> None:
    gate = Gate()
    server.faults.add(Fault(kind="held", call="team.create", gate=gate, after_work=after_work))
    root = organisation.records.root_id
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(caller.post, "team.create", name="Sales", parent_id=root)
        assert gate.reached.wait(timeout=60)
        assert (organisation.team_by_name("Sales") is not None) == after_work
        with Caller(server) as other:
            assert other.get("user.info").status_code == 200
        assert not held.done()
        gate.opened.set()
        assert held.result(timeout=60).status_code == 200
    assert organisation.team_by_name("Sales") is not None


def test_a_held_call_ends_when_the_client_hangs_up(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(kind="held", gate=Gate()))
    caller.timeout_seconds = 0.2
    with pytest.raises(requests.ReadTimeout):
        caller.get("user.info")


def test_an_incomplete_request_is_not_a_call(server: SandboxServer, caller: Caller) -> None:
    """The client may have been killed while it sent the request."""
    head = b"POST /v1/api/team.create HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as half:
        half.sendall(head)
    assert caller.get("user.info").status_code == 200
    assert server.log.counts["team.create"] == 0


def test_a_real_answer_can_be_modified(server: SandboxServer, caller: Caller) -> None:
    def one_row_more(body: dict[str, dict[str, int]]) -> object:
        return {"data": {**body["data"], "total_rows": body["data"]["total_rows"] + 1}}

    server.faults.add(Fault(kind="change", call="organization.user.list", change=one_row_more))
    listed = caller.get("organization.user.list", cnt=10).json()["data"]
    assert (listed["total_rows"], len(listed["users"])) == (2, 1)


def test_the_organisation_can_change_just_before_a_call(
    server: SandboxServer, caller: Caller, organisation: Organisation
) -> None:
    def edit() -> None:
        organisation.add_team("By hand")

    server.faults.add(Fault(kind="meanwhile", call="user.team.list", act=edit))
    assert len(caller.get("user.team.list").json()["data"]["team"]) == 3


def test_a_fault_can_affect_oauth(server: SandboxServer) -> None:
    server.faults.add(Fault(kind="status", call="oauth.token", status=503))
    answer = requests.post(f"{server.url}/oauth/token", data={}, timeout=60)
    assert answer.status_code == 503
