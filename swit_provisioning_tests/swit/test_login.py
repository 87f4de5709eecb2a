"""The answers that end a login, and those that belong to another one."""

from urllib.parse import quote

import pytest
import responses

from swit_provisioning.swit.auth import (
    WRITING_SCOPE,
    ForeignAnswerError,
    Login,
    LoginDeclinedError,
    OAuthClient,
    PkceRefusedError,
)
from swit_provisioning.swit.errors import SwitUnauthorizedError
from swit_provisioning_tests.swit.fakes import BASE, TOKEN_URL

STATE = "a-state"


@pytest.fixture
def oauth() -> OAuthClient:
    return OAuthClient(BASE, "client-1", "s3cret", "http://127.0.0.1:5000/oauth_callback")


def a_login(*, verifier: str | None = "a-verifier") -> Login:
    return Login(scope=WRITING_SCOPE, state=STATE, verifier=verifier)


def test_logins_have_different_states_and_verifiers() -> None:
    begun = [Login.begin(WRITING_SCOPE) for _ in range(20)]
    assert len({login.state for login in begun} | {login.verifier for login in begun}) == 40
    assert min(len(login.state) for login in begun) == 43
    assert Login.begin(WRITING_SCOPE).without_pkce().verifier is None


def test_the_repr_of_a_login_contains_no_secrets() -> None:
    shown = repr(a_login())
    assert STATE not in shown
    assert "a-verifier" not in shown


def test_the_code_is_read_from_the_answer() -> None:
    assert a_login().code(f"code=c0de&state={STATE}") == "c0de"
    assert a_login().code(f"state={STATE}&code=a%2Fb%2B&extra=1") == "a/b+"


@pytest.mark.parametrize(
    "query",
    ["", "code=c0de", "code=c0de&state=", "code=c0de&state=a-stat", f"code=c&state={STATE}x",
     f"code=c&state={STATE}&state={STATE}", "code=c&state=%ff%fe", f"code=c&State={STATE}"],
)  # fmt: skip
def test_an_answer_with_another_state_is_refused(query: str) -> None:
    with pytest.raises(ForeignAnswerError):
        a_login().code(query)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "there is no code in the address"),
        ("&code=", "there is no code in the address"),
        ("&code=a&code=b", "there is no code in the address"),
        ("&code=a&error=access_denied", "access_denied"),
        (f"&error=x&error_description={quote('No, thanks.')}", "No, thanks. Log in"),
        (f"&error=x&error_description={quote('a' * 5000)}", "aaa..."),
    ],
)
def test_an_answer_without_exactly_one_code_is_declined(answer: str, said: str) -> None:
    with pytest.raises(LoginDeclinedError) as raised:
        a_login().code(f"state={STATE}{answer}")
    assert said in str(raised.value)
    assert len(str(raised.value)) < 600
    assert not isinstance(raised.value, PkceRefusedError)


def test_only_a_login_with_pkce_can_be_refused_because_of_pkce() -> None:
    query = f"state={STATE}&error=invalid_request&error_description=code_challenge"
    with pytest.raises(PkceRefusedError):
        a_login().code(query)
    with pytest.raises(LoginDeclinedError) as raised:
        a_login(verifier=None).code(query)
    assert not isinstance(raised.value, PkceRefusedError)


def test_a_code_refused_with_and_without_pkce_raises_the_first_error(
    oauth: OAuthClient, web: responses.RequestsMock
) -> None:
    web.post(TOKEN_URL, status=400, json={"message": "code_verifier is not supported"})
    web.post(TOKEN_URL, status=400, json={"message": "used up"})
    with pytest.raises(SwitUnauthorizedError, match="code_verifier is not supported"):
        a_login().redeem(oauth, "c0de")
    assert len(web.calls) == 2


@pytest.mark.parametrize(
    "said",
    ["no", "invalid_grant", "The code is unknown.", "The code_verifier does not fit the code."],
)
def test_the_verifier_is_dropped_only_if_swit_does_not_support_pkce(
    oauth: OAuthClient, web: responses.RequestsMock, said: str
) -> None:
    """A code that was injected from another login does not fit the verifier."""
    web.post(TOKEN_URL, status=400, json={"error": "invalid_grant", "message": said})
    with pytest.raises(SwitUnauthorizedError):
        a_login().redeem(oauth, "c0de")
    assert len(web.calls) == 1
    with pytest.raises(LoginDeclinedError) as raised:
        a_login().code(f"state={STATE}&error=invalid_request&error_description=scope")
    assert not isinstance(raised.value, PkceRefusedError)


@pytest.mark.parametrize(("status", "verifier"), [(401, "a-verifier"), (400, None)])
def test_an_error_unrelated_to_pkce_is_not_retried(
    oauth: OAuthClient, web: responses.RequestsMock, status: int, verifier: str | None
) -> None:
    web.post(TOKEN_URL, status=status, json={"message": "no"})
    with pytest.raises(SwitUnauthorizedError):
        a_login(verifier=verifier).redeem(oauth, "c0de")
    assert len(web.calls) == 1
