"""`login` with a browser on this machine: the test is the browser, the sandbox says yes at once."""

import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.records import Behaviour, Pkce
from swit_provisioning.settings import Settings
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.cli.conftest import Desk
from swit_provisioning_tests.cli.terminal import Terminal

pytestmark = pytest.mark.slow
_SECONDS = 120
_OPENS = """
import pathlib, sys, urllib.request
pathlib.Path({file!r}).write_bytes(urllib.request.urlopen(sys.argv[1]).read())
"""


def go(address: str) -> requests.Response:
    """Open an address as a browser does: wherever it is sent on to."""
    with requests.Session() as browser:
        browser.trust_env = False
        return browser.get(address, timeout=_SECONDS)


def answer(url: str) -> requests.Response:
    """Open an address as soon as something listens there."""

    def opened() -> requests.Response | None:
        try:
            return go(url)
        except requests.ConnectionError:
            return None

    return until(opened, seconds=_SECONDS, what=lambda: f"nothing answers at {url}")


def come_back(terminal: Terminal) -> requests.Response:
    """Open the printed address: by then something listens where it leads."""
    return go(terminal.address())


def test_the_browser_comes_back_and_the_login_is_stored(desk: Desk) -> None:
    with desk.open("login") as terminal:
        page = come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    assert page.status_code == 200
    assert "<h1>Logged in</h1>" in page.text
    assert "admin@sandbox.example (admin) of Sandbox Organisation is stored" in page.text
    stored = desk.stored
    assert stored is not None
    assert stored.scope == "admin:read admin:write user:read"
    lines = terminal.output.splitlines()
    organization = desk.server.organisation.records.organization_id
    assert lines[0].startswith("Organisation: Sandbox Organisation · ")
    assert lines[1:5] == [
        "Authorised: Sandbox Administrator <admin@sandbox.example>",
        "Role: admin",
        f"Organisation id: {organization}, subdomain sandbox",
        "Scopes: admin:read admin:write user:read",
    ]
    assert stored.expires_at is not None
    assert lines[5] == (
        f"Expires: {stored.expires_at:%Y-%m-%d %H:%M} UTC, renewed automatically before that"
    )
    assert "Warning" not in terminal.errors
    for secret in (stored.access_token, stored.refresh_token or ""):
        assert secret not in terminal.errors + terminal.output + page.text


def test_the_browser_of_this_machine_is_opened(desk: Desk, tmp_path: Path) -> None:
    """`BROWSER` is how a machine names it; this one reads the page and ends."""
    page = tmp_path / "page.html"
    program = tmp_path / "browser.py"
    program.write_text(_OPENS.format(file=str(page)))
    with desk.open("login", BROWSER=f"{sys.executable} {program} %s") as terminal:
        assert terminal.code() == 0, terminal.errors
    assert desk.stored is not None
    assert "Logged in" in page.read_text()


def test_a_proof_key_goes_along_and_is_checked(desk: Desk) -> None:
    with desk.open("login") as terminal:
        come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    (asked,) = desk.server.log.of("oauth.authorize")
    assert asked.arguments["code_challenge_method"] == "S256"
    assert len(asked.arguments["code_challenge"]) == 43
    (redeemed,) = desk.server.log.of("oauth.token")
    assert "code_verifier" in redeemed.arguments


@pytest.mark.parametrize(
    ("pkce", "notes"),
    [("ignored", 0), ("refused at authorize", 1), ("refused at token", 1)],
)
def test_a_swit_that_takes_no_proof_key_is_logged_in_to_all_the_same(
    desk: Desk, pkce: Pkce, notes: int
) -> None:
    desk.server.organisation.behaviour = Behaviour(pkce=pkce)
    with desk.open("login") as terminal:
        page = come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    words = "Swit refused PKCE, so the login was made without it."
    assert terminal.errors.count(words) == notes
    assert page.text.count(words) == notes
    assert desk.stored is not None


def test_an_answer_with_another_state_ends_nothing_and_stores_nothing(desk: Desk) -> None:
    """Any page of the web may send the browser to that address, with a code of its own."""
    with desk.open("login") as terminal:
        terminal.address()
        code = desk.server.tokens.code_for(
            redirect_url=desk.redirect_url, scope="user:read admin:read"
        )
        for query in (f"code={code}&state=guessed", f"code={code}", "", "state=&code=x"):
            url = f"{desk.redirect_url}?{query}"
            page = answer(url)
            assert page.status_code == 400
            assert "<h1>Not logged in</h1>" in page.text
            assert "its state is not the one that was sent" in page.text
        assert desk.stored is None
        assert come_back(terminal).status_code == 200
        assert terminal.code() == 0, terminal.errors
    assert desk.stored is not None
    assert [call.status for call in desk.server.log.of("oauth.token")] == [200]


def test_what_swit_declines_is_said_in_the_terminal_and_on_the_page(desk: Desk) -> None:
    with desk.open("login") as terminal:
        (state,) = parse_qs(urlsplit(terminal.address()).query)["state"]
        query = f"state={state}&error=access_denied&error_description=<b>The+person+said+no</b>"
        url = f"{desk.redirect_url}?{query}"
        page = answer(url)
        assert terminal.code() == 1
    assert page.status_code == 400
    assert "The person said no" in terminal.errors
    assert "The person said no" in page.text
    assert "<b>" not in page.text
    assert desk.stored is None


def test_nobody_who_comes_back_is_waited_for_no_longer_than_told(desk: Desk) -> None:
    with desk.open("login", "--wait", "1") as terminal:
        assert terminal.code() == 1
    assert "The browser did not come back from Swit within 1 seconds" in terminal.errors
    assert "login --paste" in terminal.errors


def test_a_port_in_use_is_reported_with_a_remedy(desk: Desk) -> None:
    with socket.socket() as other:
        parts = urlsplit(desk.redirect_url)
        other.bind((parts.hostname, parts.port))
        other.listen()
        with desk.open("login") as terminal:
            assert terminal.code() == 1
    assert f"Nothing can listen on 127.0.0.1:{parts.port}: Address already in use" in (
        terminal.errors
    )
    assert f"http://127.0.0.1:{parts.port}/login" in terminal.errors
    assert "login --paste" in terminal.errors


@pytest.mark.parametrize(
    "url",
    [
        "https://sync.example.com/oauth_callback",
        "http://10.0.0.5:5000/oauth_callback",
        "https://127.0.0.1:5000/oauth_callback",
    ],
)
def test_where_the_browser_does_not_come_back_to_this_machine_pasting_is_the_way(
    desk: Desk, url: str
) -> None:
    with desk.open("login", SWIT_REDIRECT_URL=url) as terminal:
        assert terminal.code() == 2
    assert f"SWIT_REDIRECT_URL: {url} is no http address of this machine" in terminal.errors
    assert "login --paste" in terminal.errors


def test_read_only_asks_for_no_more_than_planning_needs(desk: Desk) -> None:
    with desk.open("login", "--read-only") as terminal:
        come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    (asked,) = desk.server.log.of("oauth.authorize")
    assert asked.arguments["scope"] == "user:read admin:read"
    assert "Scopes: admin:read user:read" in terminal.output
    assert "Warning" not in terminal.errors


def test_an_account_that_is_no_administrator_is_warned_of(desk: Desk) -> None:
    organisation = desk.server.organisation
    organisation.records.users[organisation.authorised_user_id].role = 30
    with desk.open("login") as terminal:
        page = come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    warning = "This account is a member and no administrator"
    assert f"Warning: {warning}" in terminal.errors
    assert warning in page.text
    assert "Role: member" in terminal.output


@pytest.mark.parametrize("bound_by", ["SWIT_ORGANIZATION", "the state"])
def test_another_organisations_login_does_not_replace_the_one_that_is_stored(
    desk: Desk, bound_by: str
) -> None:
    with desk.open("login") as terminal:
        come_back(terminal)
        assert terminal.code() == 0, terminal.errors
    before = desk.stored
    if bound_by == "the state":
        with open_store(Settings.load()) as store:
            store.organization.bind("another-one")
        more = {}
    else:
        more = {"SWIT_ORGANIZATION": "another-one"}
    with desk.open("login", **more) as terminal:
        page = come_back(terminal)
        assert terminal.code() == 1
    assert "another-one" in terminal.errors
    assert page.status_code == 400
    assert desk.stored == before


def test_in_test_mode_there_is_nothing_to_log_in_to(desk: Desk) -> None:
    more = {"IS_RUNNING_LOCALLY": "True", "SWIT_BASE_URL": ""}
    with desk.open("login", **more) as terminal:
        assert terminal.code() == 2
    assert "in test mode the sandbox needs no login" in terminal.errors


def test_without_a_client_nobody_is_sent_anywhere(desk: Desk) -> None:
    with desk.open("login", SWIT_CLIENT_ID="", SWIT_CLIENT_SECRET="") as terminal:
        assert terminal.code() == 2
    assert "SWIT_CLIENT_ID is not set" in terminal.errors
    assert "SWIT_CLIENT_SECRET is not set" in terminal.errors
