"""OAuth: requests, answers, and errors without secrets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses

from swit_provisioning.swit.auth import OAuthClient, TokenPair
from swit_provisioning.swit.errors import (
    SwitError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning_tests.swit.fakes import BASE, TOKEN_URL

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REDIRECT = "http://127.0.0.1:5000/oauth_callback"
SECRET = "cl1ent/s3cret+"
ANSWER: dict[str, Any] = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "token_type": "Bearer",
    "scope": "user:read admin:read",
    "expires_in": 604800,
}


@pytest.fixture
def oauth() -> OAuthClient:
    return OAuthClient(f"{BASE}/", "client-1", SECRET, REDIRECT, now=lambda: NOW)


def form(web: responses.RequestsMock) -> dict[str, str]:
    return dict(parse_qsl(str(web.calls[-1].request.body), strict_parsing=True))


def test_the_login_address_contains_the_registered_redirect_address(oauth: OAuthClient) -> None:
    url = urlsplit(oauth.authorize_url("st&te", "user:read admin:write"))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{BASE}/oauth/authorize"
    assert dict(parse_qsl(url.query)) == {
        "response_type": "code",
        "client_id": "client-1",
        "redirect_uri": REDIRECT,
        "scope": "user:read admin:write",
        "state": "st&te",
    }
    assert "s3cret" not in url.query


def test_a_code_is_exchanged_for_a_pair(oauth: OAuthClient, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=ANSWER)
    assert oauth.exchange("c0de/+") == TokenPair(
        access_token="new-access",
        refresh_token="new-refresh",
        expires_at=NOW + timedelta(days=7),
        scope="user:read admin:read",
    )
    assert form(web) == {
        "grant_type": "authorization_code",
        "code": "c0de/+",
        "redirect_uri": REDIRECT,
        "client_id": "client-1",
        "client_secret": SECRET,
    }
    assert web.calls[0].request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_pkce_sends_the_challenge_first_and_the_verifier_with_the_code(
    oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    """The example of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    sent = dict(parse_qsl(urlsplit(oauth.authorize_url("s", "a", verifier=verifier)).query))
    assert sent["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert sent["code_challenge_method"] == "S256"
    web.post(TOKEN_URL, json=ANSWER)
    oauth.exchange("c0de", verifier=verifier)
    assert form(web)["code_verifier"] == verifier


def test_a_refresh_returns_the_next_pair(oauth: OAuthClient, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=ANSWER)
    assert oauth.refresh("old-refresh").refresh_token == "new-refresh"
    assert form(web) == {
        "grant_type": "refresh_token",
        "refresh_token": "old-refresh",
        "client_id": "client-1",
        "client_secret": SECRET,
    }


@pytest.mark.parametrize("none", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_the_refresh_token_is_kept_if_the_answer_has_no_new_one(
    none: dict[str, Any], oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(TOKEN_URL, json={"access_token": "new-access", **none})
    assert oauth.refresh("old-refresh") == TokenPair(
        access_token="new-access", refresh_token="old-refresh"
    )


def test_a_login_may_return_no_refresh_token(
    oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(TOKEN_URL, json={"access_token": "new-access", "scope": ["user:read"]})
    assert oauth.exchange("c0de") == TokenPair(access_token="new-access")


@pytest.mark.parametrize(
    ("seconds", "lives"),
    [("3600", 3600), (1.5, 1.5), ("soon", None), (None, None), (float("inf"), None), (1e30, None)],
)
def test_expires_in_is_used_only_if_it_is_a_number(
    seconds: object, lives: float | None, oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(TOKEN_URL, json=ANSWER | {"expires_in": seconds})
    expected = None if lives is None else NOW + timedelta(seconds=lives)
    assert oauth.exchange("c0de").expires_at == expected


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"error": "invalid_grant", "error_description": "Token expired"}, "Token expired"),
        (400, {"message": "Token expired"}, "Token expired"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (403, {}, "{}"),
        (404, {"message": "no such page"}, "no such page"),
        (200, {"code": 400, "message": "Token expired"}, "Token expired"),
    ],
)
def test_a_refusal_requires_a_new_login(
    status: int,
    body: dict[str, Any],
    words: str,
    oauth: OAuthClient,
    web: responses.RequestsMock,
) -> None:
    web.post(TOKEN_URL, status=status, json=body)
    with pytest.raises(SwitUnauthorizedError) as caught:
        oauth.refresh("old-refresh")
    assert words in caught.value.message
    assert caught.value.status == status
    assert "Log in again" in str(caught.value)
    assert len(web.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        {"body": requests.ReadTimeout("x")},
        {"body": requests.ConnectionError("x")},
        {"body": "<html>log in</html>"},
        {"body": '{"access_token": "s3cret-half'},
        {"json": {"refresh_token": "s3cret"}},
        {"json": {"access_token": ""}},
        {"json": {"access_token": None}},
        {"status": 204},
    ],
)
def test_an_unusable_answer_may_be_retried_later(
    answer: dict[str, Any], oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(TOKEN_URL, **answer)
    with pytest.raises(SwitUnavailableError) as caught:
        oauth.refresh("old-refresh")
    assert "s3cret" not in f"{caught.value}{caught.value.__cause__}"
    assert len(web.calls) == 1


def test_a_429_at_login_is_throttling(oauth: OAuthClient, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=429, headers={"Retry-After": "9"})
    with pytest.raises(SwitThrottledError) as caught:
        oauth.refresh("old-refresh")
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("status", [400, 500])
def test_errors_contain_no_secret_of_the_answer(
    status: int, oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(
        TOKEN_URL,
        status=status,
        body="refused: refresh_token=old%2Frefresh&client_secret=cl1ent%2Fs3cret%2B, old/refresh",
    )
    with pytest.raises(SwitError) as caught:
        oauth.refresh("old/refresh")
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {oauth!r}"
    assert "refused" in shown
    assert "s3cret" not in shown
    assert "old" not in shown


def test_the_repr_of_a_pair_contains_no_tokens() -> None:
    pair = TokenPair(access_token="s3cret-a", refresh_token="s3cret-r", scope="user:read")
    assert "s3cret" not in f"{pair} {pair!r} {[pair]}"
    assert "user:read" in repr(pair)


def test_oauth_calls_have_a_timeout_and_ignore_netrc(
    oauth: OAuthClient,
    web: responses.RequestsMock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine openapi.swit.example login joe password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    web.post(TOKEN_URL, json=ANSWER)
    oauth.refresh("old-refresh")
    request = web.calls[0].request
    assert getattr(request, "req_kwargs")["timeout"] == 30.0  # noqa: B009 - responses adds it
    assert "Authorization" not in request.headers
