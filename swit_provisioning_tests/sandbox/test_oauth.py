import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from swit_provisioning.sandbox.records import Behaviour, Pkce
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.sandbox.caller import TIMEOUT_SECONDS, Caller, message


def authorize(server: SandboxServer, **given: str) -> requests.Response:
    query = {
        "client_id": server.client_id,
        "redirect_uri": server.redirect_url,
        "response_type": "code",
        "scope": "user:read admin:read",
        "state": "a b&c",
        **given,
    }
    return requests.get(
        f"{server.url}/oauth/authorize",
        params={name: value for name, value in query.items() if value},
        allow_redirects=False,
        timeout=TIMEOUT_SECONDS,
    )


def token(server: SandboxServer, **given: str) -> requests.Response:
    form = {"client_id": server.client_id, "client_secret": server.client_secret, **given}
    return requests.post(f"{server.url}/oauth/token", data=form, timeout=TIMEOUT_SECONDS)


def code(server: SandboxServer) -> str:
    location = authorize(server).headers["Location"]
    return parse_qs(urlsplit(location).query)["code"][0]


def exchange(server: SandboxServer, code: str) -> requests.Response:
    return token(
        server, grant_type="authorization_code", code=code, redirect_uri=server.redirect_url
    )


def refresh(server: SandboxServer, refresh_token: str) -> requests.Response:
    return token(server, grant_type="refresh_token", refresh_token=refresh_token)


def payload(access_token: str) -> dict[str, Any]:
    part = access_token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def status(server: SandboxServer, access_token: str, call: str = "user.info") -> int:
    answer = requests.get(
        f"{server.url}/v1/api/{call}",
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=TIMEOUT_SECONDS,
    )
    return answer.status_code


def test_login_redirects_with_code_and_state(
    server: SandboxServer,
) -> None:
    answer = authorize(server)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{server.redirect_url}?")
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert found["state"] == ["a b&c"]
    assert found["code"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "http://127.0.0.1:5001/oauth_callback"},
        {"redirect_uri": ""},
        {"client_id": "someone"},
    ],
)
def test_login_does_not_redirect_to_an_unregistered_address(
    server: SandboxServer, wrong: dict[str, str]
) -> None:
    answer = authorize(server, **wrong)
    assert answer.status_code == 400
    assert message(answer)
    assert "Location" not in answer.headers


def test_other_login_errors_are_sent_to_the_registered_address(server: SandboxServer) -> None:
    scope = authorize(server, scope="everything").headers["Location"]
    kind = authorize(server, response_type="token").headers["Location"]
    assert "error=invalid_scope" in scope
    assert "error=unsupported_response_type" in kind


def test_a_code_can_be_exchanged_once(server: SandboxServer) -> None:
    given = code(server)
    answer = exchange(server, given)
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 604_800
    assert body["scope"] == "admin:read user:read"
    assert status(server, body["access_token"]) == 200
    assert exchange(server, given).status_code == 400


def test_a_code_is_bound_to_its_redirect_address(server: SandboxServer) -> None:
    other = server.tokens.redirect_urls[1]
    answer = token(server, grant_type="authorization_code", code=code(server), redirect_uri=other)
    assert answer.status_code == 400


def test_the_access_token_contains_user_and_organisation(server: SandboxServer) -> None:
    found = payload(exchange(server, code(server)).json()["access_token"])
    assert found["sub"] == server.organisation.authorised_user_id
    assert found["cmp_id"] == server.organisation.records.organization_id


def test_a_refresh_returns_a_new_pair_and_invalidates_the_refresh_token(
    server: SandboxServer,
) -> None:
    first = server.issue_tokens()
    second = refresh(server, first["refresh_token"]).json()
    assert status(server, second["access_token"]) == 200
    assert second["scope"] == first["scope"]
    again = refresh(server, first["refresh_token"])
    assert again.status_code == 400
    assert message(again)
    assert refresh(server, second["refresh_token"]).status_code == 200


def test_a_refresh_token_that_stays_valid_is_not_replaced(server: SandboxServer) -> None:
    server.organisation.behaviour = Behaviour(refreshing="stays")
    first = server.issue_tokens()
    assert "refresh_token" not in refresh(server, first["refresh_token"]).json()
    assert refresh(server, first["refresh_token"]).status_code == 200


def test_an_expired_access_token_is_refused_until_it_is_refreshed(server: SandboxServer) -> None:
    server.tokens.expires_in = 0
    expired = server.issue_tokens()
    assert expired["expires_in"] == 0
    assert status(server, expired["access_token"]) == 401
    server.tokens.expires_in = 604_800
    fresh = refresh(server, expired["refresh_token"]).json()
    assert status(server, fresh["access_token"]) == 200
    server.tokens.expire_access_tokens()
    assert status(server, fresh["access_token"]) == 401


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"client_secret": "wrong", "grant_type": "refresh_token", "refresh_token": "x"}, 401),
        ({"client_id": "wrong", "grant_type": "refresh_token", "refresh_token": "x"}, 401),
        ({"grant_type": "password"}, 400),
        ({}, 400),
        ({"grant_type": "refresh_token"}, 400),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, 400),
        ({"grant_type": "authorization_code", "code": "x"}, 400),
    ],
)
def test_a_wrong_token_request_is_refused_with_a_message(
    server: SandboxServer, given: dict[str, str], expected: int
) -> None:
    answer = token(server, **given)
    assert answer.status_code == expected
    assert message(answer)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc"])
def test_a_call_without_a_valid_token_returns_401(
    server: SandboxServer, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    url = f"{server.url}/v1/api/user.team.list"
    answer = requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 401
    assert message(answer)


def test_a_token_without_the_write_scope_cannot_write(server: SandboxServer) -> None:
    root = server.organisation.records.root_id
    before = server.organisation.snapshot()
    with Caller(server, "user:read admin:read") as reader:
        assert reader.get("organization.user.list", cnt=1).status_code == 200
        assert reader.get("user.team.list").status_code == 200
        answer = reader.post("team.create", name="A", parent_id=root)
        assert answer.status_code == 403
        assert "admin:write" in message(answer)
        assert reader.patch(server.organisation.authorised_user_id).status_code == 403
    assert server.organisation.snapshot() == before


def test_a_token_without_the_read_scope_cannot_read(server: SandboxServer) -> None:
    with Caller(server, "admin:write") as writer:
        assert writer.get("organization.user.list", cnt=1).status_code == 403


def test_an_app_token_belongs_to_the_organisation_and_cannot_create_users(
    server: SandboxServer,
) -> None:
    scope = "app:install user:read admin:write"
    found = payload(server.issue_tokens(scope)["access_token"])
    assert found["sub"] == server.organisation.records.organization_id
    sent = {"user_name": "A", "user_email": "a@example.com"}
    with Caller(server, scope) as bot:
        assert bot.get("organization.user.list", cnt=1).status_code == 200
        assert bot.post("organization.user.create", **sent).status_code == 403
        assert bot.post("team.sort", parent_id="x", team_ids=[]).status_code == 403


def test_the_token_of_a_removed_user_is_refused(server: SandboxServer) -> None:
    issued = server.issue_tokens()
    server.organisation.remove_user(server.organisation.authorised_user_id)
    assert status(server, issued["access_token"]) == 401


VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]


def redirect_with_pkce(server: SandboxServer, **given: str) -> str:
    """The redirect address of a login with a PKCE challenge."""
    announced = {"code_challenge": CHALLENGE, "code_challenge_method": "S256", **given}
    return authorize(server, **announced).headers["Location"]


@pytest.mark.parametrize(
    ("pkce", "sent", "expected"),
    [
        ("checked", {"code_verifier": VERIFIER}, 200),
        ("checked", {"code_verifier": "w" * 43}, 400),
        ("checked", {}, 400),
        ("ignored", {"code_verifier": "w" * 43}, 200),
        ("refused at token", {"code_verifier": VERIFIER}, 400),
        ("refused at token", {}, 200),
    ],
)
def test_pkce_is_checked_ignored_or_refused_as_configured(
    server: SandboxServer, pkce: Pkce, sent: dict[str, str], expected: int
) -> None:
    server.organisation.behaviour = Behaviour(pkce=pkce)
    if pkce == "refused at token":
        found = code(server)
    else:
        (found,) = parse_qs(urlsplit(redirect_with_pkce(server)).query)["code"]
    answer = token(
        server,
        grant_type="authorization_code",
        code=found,
        redirect_uri=server.redirect_url,
        **sent,
    )
    assert answer.status_code == expected


def test_unsupported_pkce_is_reported_to_the_registered_address(
    server: SandboxServer,
) -> None:
    assert "error=invalid_request" in redirect_with_pkce(server, code_challenge_method="plain")
    server.organisation.behaviour = Behaviour(pkce="refused at authorize")
    assert "error=invalid_request" in redirect_with_pkce(server)
    assert "code=" in authorize(server).headers["Location"]


def test_the_call_log_contains_no_secrets(server: SandboxServer) -> None:
    issued = exchange(server, code(server)).json()
    refresh(server, issued["refresh_token"])
    kept = json.dumps(server.state()["calls"])
    assert "oauth.token" in kept
    for secret in (server.client_secret, issued["refresh_token"], issued["access_token"]):
        assert secret not in kept
