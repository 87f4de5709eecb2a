"""Refresh after a 401, waits after a 429, and repetition of repeatable calls."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import (
    SwitError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.transport import ATTEMPTS, THROTTLED_ATTEMPTS
from swit_provisioning_tests.swit.fakes import API, SCIM, Rig

INFO = f"{API}/user.info"
ME = {"data": {"user": {"id": "u1"}}}
Do = Callable[[SwitClient], Any]

REPEATABLE: list[tuple[str, Do]] = [
    ("organization.user.deactivate", lambda c: c.deactivate_user("u1")),
    ("organization.user.activate", lambda c: c.activate_user("u1")),
    ("organization.user.remove", lambda c: c.remove_user("u1")),
    ("team.update", lambda c: c.update_team("t1", name="Design")),
    ("team.delete", lambda c: c.delete_team("t1")),
    ("team.sort", lambda c: c.sort_teams("t0", ["t1"])),
    ("team.user.primary.update", lambda c: c.update_primary_team("u1", team_id="t1")),
]
NOT_REPEATABLE: list[tuple[str, Do]] = [
    ("organization.user.create", lambda c: c.create_user(email="j@x.example", name="Jane")),
    ("team.create", lambda c: c.create_team(name="Design", parent_id="t0")),
    ("team.user.add", lambda c: c.add_team_users("t1", ["u1"])),
    ("team.user.remove", lambda c: c.remove_team_users("t1", ["u1"])),
]


def tokens_sent(web: responses.RequestsMock) -> list[str]:
    return [call.request.headers["Authorization"].removeprefix("Bearer ") for call in web.calls]


def test_a_401_refreshes_the_token_and_repeats_the_call_once(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, status=401, json={"message": "expired"})
    web.get(INFO, json=ME)
    assert client.user_info().user_id == "u1"
    assert tokens_sent(web) == ["first-token", "second-token"]
    assert rig.tokens.refused == ["first-token"]
    assert client.calls == 2
    assert rig.naps == []


def test_code_401_in_a_200_refreshes_the_token(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, json={"code": 401, "message": "expired"})
    web.get(INFO, json=ME)
    assert client.user_info().user_id == "u1"


def test_a_second_401_requires_a_new_login(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, status=401, json={"message": "expired"})
    with pytest.raises(SwitUnauthorizedError, match=r"HTTP 401: expired\. Log in again"):
        client.user_info()
    assert tokens_sent(web) == ["first-token", "second-token"]
    assert rig.tokens.refused == ["first-token"]


def test_a_refused_refresh_requires_a_new_login(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    rig.tokens.tokens = ["only-token"]
    web.get(INFO, status=401)
    with pytest.raises(SwitUnauthorizedError, match="refresh token expired"):
        client.user_info()
    assert len(web.calls) == 1


@pytest.mark.parametrize(("name", "do"), NOT_REPEATABLE)
def test_a_creation_is_sent_again_after_a_401(
    name: str, do: Do, client: SwitClient, web: responses.RequestsMock
) -> None:
    """Nothing was created before a 401."""
    web.post(f"{API}/{name}", status=401)
    web.post(f"{API}/{name}", json={"data": {"id": "x9"}})
    do(client)
    assert len(web.calls) == 2


@pytest.mark.parametrize("token", ["", "two words", "brok\nen", "tök€n", "tab\t"])
def test_an_invalid_token_is_neither_sent_nor_shown(
    token: str, rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    """The error of the HTTP library would contain the header."""
    rig.tokens.tokens = [token]
    with pytest.raises(SwitUnauthorizedError) as caught:
        client.user_info()
    assert not web.calls
    assert caught.value.status is None


@pytest.mark.parametrize(("name", "do"), NOT_REPEATABLE + REPEATABLE[:1])
def test_the_client_waits_for_retry_after(
    name: str, do: Do, rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(f"{API}/{name}", status=429, headers={"Retry-After": "7"}, json={"message": "slow"})
    web.post(f"{API}/{name}", json={"data": {"id": "x9"}})
    do(client)
    assert rig.naps == [7.0]
    assert rig.pace.throttles == [7.0]
    assert rig.pace.successes == 1
    assert rig.pace.waits == client.calls == 2


def test_the_client_waits_until_the_date_in_retry_after(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    dates = {
        "Retry-After": format_datetime(now + timedelta(seconds=42), usegmt=True),
        "Date": format_datetime(now, usegmt=True),
    }
    web.get(INFO, status=429, headers=dates)
    web.get(INFO, json=ME)
    client.user_info()
    assert rig.naps == [42.0]


def test_the_wait_doubles_after_a_429_without_retry_after(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    for _ in range(3):
        web.get(INFO, status=429, json={"message": "slow"})
    web.get(INFO, json=ME)
    client.user_info()
    assert rig.pace.throttles == [None, None, None]
    assert len(rig.naps) == 3
    for least, nap in zip((1, 2, 4), rig.naps, strict=True):
        assert least <= nap <= least + 1


def test_retry_after_zero_waits_at_least_a_second(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, status=429, headers={"Retry-After": "0"})
    web.get(INFO, json=ME)
    client.user_info()
    assert rig.naps[0] >= 1


def test_throttled_attempts_are_limited(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(f"{API}/team.create", status=429, headers={"Retry-After": "2"})
    with pytest.raises(SwitThrottledError):
        client.create_team(name="Design", parent_id="t0")
    assert len(web.calls) == THROTTLED_ATTEMPTS
    assert rig.naps == [2.0] * (THROTTLED_ATTEMPTS - 1)


@pytest.mark.parametrize(("asked", "naps"), [("300", [300.0]), ("301", []), ("3600", [])])
def test_a_retry_after_above_the_limit_is_not_waited_for(
    asked: str, naps: list[float], rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    """It does not delay the other calls either."""
    web.get(INFO, status=429, headers={"Retry-After": asked})
    with pytest.raises(SwitThrottledError) as caught:
        client.user_info()
    assert rig.naps == naps
    assert caught.value.retry_after == float(asked)
    assert rig.pace.throttles[0] == (300.0 if naps else None)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_a_failed_read_is_sent_again(
    status: int, rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, status=status, body="<h1>Bad gateway</h1>")
    web.get(INFO, json=ME)
    assert client.user_info().user_id == "u1"
    assert len(rig.naps) == 1
    assert rig.pace.throttles == []


def test_retry_after_of_a_503_is_respected(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, status=503, headers={"Retry-After": "20"})
    web.get(INFO, json=ME)
    client.user_info()
    assert rig.naps == [20.0]


@pytest.mark.parametrize(("name", "do"), REPEATABLE)
def test_a_repeatable_write_is_sent_again(
    name: str, do: Do, client: SwitClient, web: responses.RequestsMock
) -> None:
    url = f"{API}/{name}"
    web.post(url, status=500)
    web.post(url, body=requests.ConnectionError("reset"))
    web.post(url, body="<html>", content_type="text/html")
    web.post(url, status=204)
    do(client)
    assert len({call.request.body for call in web.calls}) == 1
    assert len(web.calls) == 4


def test_a_scim_update_is_sent_again(client: SwitClient, web: responses.RequestsMock) -> None:
    web.patch(f"{SCIM}/Users/u1", status=502)
    web.patch(f"{SCIM}/Users/u1", status=204)
    client.update_user("u1", name="Jane")
    assert client.calls == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 503, "headers": {"Retry-After": "1"}},
        {"body": requests.ReadTimeout("slow")},
        {"body": requests.ConnectionError("reset")},
        {"body": '{"data": {"id": "t'},
        {"body": "<html>", "content_type": "text/html"},
    ],
)
@pytest.mark.parametrize(("name", "do"), NOT_REPEATABLE)
def test_a_creation_whose_answer_is_lost_is_not_sent_again(
    name: str,
    do: Do,
    answer: dict[str, Any],
    rig: Rig,
    client: SwitClient,
    web: responses.RequestsMock,
) -> None:
    """The first attempt may have succeeded."""
    web.post(f"{API}/{name}", **answer)
    with pytest.raises(SwitUnavailableError):
        do(client)
    assert len(web.calls) == 1
    assert rig.naps == []


def test_attempts_are_limited(
    rig: Rig, client: SwitClient, web: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    web.get(INFO, status=500, json={"message": "database gone"})
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(SwitUnavailableError, match=r"HTTP 500: database gone\. Try"),
    ):
        client.user_info()
    assert len(web.calls) == ATTEMPTS
    assert len(rig.naps) == len(caplog.messages) == ATTEMPTS - 1
    assert caplog.messages[0].startswith("user.info failed (500), attempt 1; sent again in ")
    assert "first-token" not in caplog.text


def test_the_check_is_called_before_each_repetition(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    """The lease may have been lost during the wait."""
    web.post(f"{API}/team.delete", status=500)
    asked = 0

    def may_go() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            message = "lost"
            raise LookupError(message)

    with pytest.raises(LookupError, match="lost"):
        client.only_while(may_go).delete_team("t1")
    assert len(web.calls) == len(rig.naps) == client.calls == 2
    with pytest.raises(SwitUnavailableError):
        client.delete_team("t1")


def test_the_check_is_called_again_after_a_refresh(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(f"{API}/team.delete", status=401)
    web.post(f"{API}/team.delete", status=204)
    asked: list[int] = []
    client.only_while(lambda: asked.append(len(web.calls))).delete_team("t1")
    assert asked == [0, 1]


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_a_refused_call_is_not_sent_again(
    status: int, rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(f"{API}/team.delete", status=status)
    with pytest.raises(SwitRejectedError):
        client.delete_team("t1")
    assert len(web.calls) == 1
    assert rig.naps == []


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (requests.ReadTimeout("x"), "no answer from openapi.swit.example within 30 seconds"),
        (requests.ConnectTimeout("x"), "no answer from openapi.swit.example within 30 seconds"),
        (
            requests.ConnectionError("<object at 0x7f>: Connection refused"),
            "no connection to openapi.swit.example (Connection refused)",
        ),
        (
            requests.ConnectionError("x: Failed to resolve 'a.example' ([Errno -2] Unknown name)"),
            "(Failed to resolve 'a.example' ([Errno -2] Unknown name))",
        ),
        (requests.ConnectionError("x: " + "long" * 99), "(ConnectionError)"),
        (
            requests.exceptions.SSLError("certificate verify failed"),
            "name its file in REQUESTS_CA_BUNDLE",
        ),
        (requests.exceptions.ProxyError("Tunnel failed: 407"), "the proxy in HTTPS_PROXY"),
        (requests.exceptions.ChunkedEncodingError("x"), "was interrupted (ChunkedEncodingError)"),
        (requests.exceptions.ConnectionError(), "no connection to openapi.swit.example"),
    ],
)
def test_a_failed_exchange_names_its_cause_without_the_query(
    failure: Exception, words: str, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/organization.user.list", body=failure)
    with pytest.raises(SwitUnavailableError) as caught:
        client.list_users(keyword="jane")
    assert words in str(caught.value)
    assert caught.value.status is None
    assert "jane" not in str(caught.value)


def test_every_call_has_a_timeout(rig: Rig, web: responses.RequestsMock) -> None:
    for name, _ in (*REPEATABLE, *NOT_REPEATABLE):
        web.post(f"{API}/{name}", json={"data": {"id": "x9"}})
    for name in ("user.info", "organization.info", "organization.user.info"):
        web.get(f"{API}/{name}", json={"data": {"id": "x9"}})
    web.get(f"{API}/organization.user.list", json={"data": {"total_rows": 0}})
    web.get(f"{API}/user.team.list", json={"data": {"team": []}})
    web.patch(f"{SCIM}/Users/u1", status=204)
    with rig.client(timeout_seconds=4.5) as client:
        for _, do in (*REPEATABLE, *NOT_REPEATABLE):
            do(client)
        client.user_info()
        client.organization_info()
        client.organization_user_info("u1")
        client.list_users()
        client.list_teams()
        client.update_user("u1", name="Jane")
        assert client.calls == len(web.calls) == 17
    timeouts = {getattr(call.request, "req_kwargs")["timeout"] for call in web.calls}  # noqa: B009 - an attribute that responses adds
    assert timeouts == {4.5}


def test_redirects_are_not_followed(client: SwitClient, web: responses.RequestsMock) -> None:
    web.get(INFO, status=302, headers={"Location": "https://elsewhere.example/"})
    web.get("https://elsewhere.example/", json=ME)
    with pytest.raises(SwitUnavailableError, match=r"not followed\. Check SWIT_BASE_URL"):
        client.user_info()
    assert {call.request.url for call in web.calls} == {INFO}


def test_a_netrc_file_does_not_replace_the_token(
    client: SwitClient,
    web: responses.RequestsMock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine openapi.swit.example login joe password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    web.get(INFO, json=ME)
    client.user_info()
    assert tokens_sent(web) == ["first-token"]


def test_cookies_are_not_stored(client: SwitClient, web: responses.RequestsMock) -> None:
    web.get(INFO, json=ME, headers={"Set-Cookie": "session=1; Path=/"})
    client.user_info()
    client.user_info()
    assert "Cookie" not in web.calls[1].request.headers


def test_calls_of_parallel_threads_are_counted_once_each(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, json=ME)
    problems: list[SwitError] = []

    def ask() -> None:
        try:
            for _ in range(25):
                client.user_info()
        except SwitError as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert client.calls == rig.pace.waits == len(web.calls) == 200


def test_the_repr_of_the_client_contains_no_token(
    rig: Rig, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(INFO, json=ME)
    me = client.user_info()
    parts = [value for value in vars(client).values() if value is not rig.tokens]
    assert rig.tokens.tokens[0] not in f"{client!r} {parts!r} {me!r}"
