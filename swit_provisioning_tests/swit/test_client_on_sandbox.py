"""Every call of the client against the sandbox, over HTTP, in each edition."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from swit_provisioning.planning.snapshots import OrganizationSnapshot
from swit_provisioning.sandbox.editions import EDITIONS, Edition
from swit_provisioning.sandbox.faults import Fault, FaultKind
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.swit.auth import OAuthClient, StoredTokens, TokenPair
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import (
    SwitIncompleteReadError,
    SwitNotFoundError,
    SwitOtherOrganizationError,
    SwitRejectedError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.models import Team, User
from swit_provisioning.swit.reader import read_organization
from swit_provisioning_tests.swit.fakes import FakePace, FakeStore

Do = Callable[[SwitClient], Any]


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture(params=EDITIONS)
def sandbox(running: SandboxServer, request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    edition: Edition = request.param
    running.edition = edition
    yield running
    running.reset()


@pytest.fixture
def oauth(sandbox: SandboxServer) -> OAuthClient:
    return OAuthClient(sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.redirect_url)


@pytest.fixture
def store(sandbox: SandboxServer) -> FakeStore:
    issued = sandbox.issue_tokens()
    pair = TokenPair(access_token=issued["access_token"], refresh_token=issued["refresh_token"])
    return FakeStore(pair)


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def client(
    sandbox: SandboxServer, oauth: OAuthClient, store: FakeStore, naps: list[float]
) -> Iterator[SwitClient]:
    with SwitClient(
        base_url=sandbox.url,
        scim_base_url=sandbox.scim_url,
        tokens=StoredTokens(oauth, store),
        pace=FakePace(),
        timeout_seconds=10,
        sleep=naps.append,
    ) as made:
        yield made


def design(client: SwitClient) -> str:
    root = next(team for team in client.list_teams() if team.depth == 0)
    return client.create_team(name="Design", parent_id=root.team_id).team_id


def inactive_users(client: SwitClient) -> list[User]:
    return [user for user in client.list_users().users if not user.active]


def teams_with_reference(client: SwitClient, reference: str) -> list[Team]:
    return [team for team in client.list_teams() if team.reference == reference]


def members(state: OrganizationSnapshot) -> set[tuple[str, str]]:
    rows = state.memberships.to_dict("records")
    return {(row["team_id"], row["user_id"]) for row in rows}


def test_a_new_organisation_is_read_completely(sandbox: SandboxServer, client: SwitClient) -> None:
    records = sandbox.organisation.records
    state = read_organization(client, expected=records.organization_id)
    assert state.facts.organization_id == records.organization_id
    assert state.facts.organization_name == records.name
    assert state.facts.authorised_user_id == sandbox.organisation.authorised_user_id
    assert list(state.teams["team_id"]) == [records.root_id, records.unassigned_id]
    assert list(state.teams["parent_id"].fillna("")) == ["", records.root_id]
    assert client.calls == 4


def test_another_organisation_is_refused(client: SwitClient) -> None:
    with pytest.raises(SwitOtherOrganizationError, match="but acme is expected"):
        read_organization(client, expected="acme")


def test_all_user_calls(sandbox: SandboxServer, client: SwitClient) -> None:
    made = client.create_user(
        email="jane@x.example",
        name="Jane Kim",
        phone_number="+82-10-1234-5678",
        language="ko",
        timezone="Asia/Seoul",
    )
    assert (made.email, made.name, made.language) == ("jane@x.example", "Jane Kim", "ko")
    assert client.organization_user_info(made.user_id) == made
    assert client.list_users(keyword="jane").users == (made,)

    kept = client.update_user(made.user_id, name="Jane  Lee ", phone_number="+82-10-9")
    assert kept is not None
    assert (kept.name, kept.phone_number) == ("Jane Lee", "+82-10-9")

    client.deactivate_user(made.user_id)
    assert [user.user_id for user in inactive_users(client)] == [made.user_id]
    client.activate_user(made.user_id)
    assert inactive_users(client) == []
    found = client.organization_user_info(made.user_id)
    assert (found.name, found.phone_number, found.active) == ("Jane Lee", "+82-10-9", True)

    client.remove_user(made.user_id)
    with pytest.raises(SwitNotFoundError):
        client.remove_user(made.user_id)
    assert len(sandbox.organisation.records.users) == 1


def test_all_team_calls(sandbox: SandboxServer, client: SwitClient) -> None:
    root = sandbox.organisation.records.root_id
    made = client.create_team(name="Design", parent_id=root, reference="cn=design")
    sales = client.create_team(name="Sales", parent_id=root)
    assert (made.name, made.parent_id, made.reference) == ("Design", root, "cn=design")
    assert (made.depth, sales.reference) == (1, None)

    moved = client.update_team(sales.team_id, parent_id=made.team_id, reference="cn=sales")
    assert moved is not None
    assert (moved.team_id, moved.name, moved.parent_id) == (sales.team_id, "Sales", made.team_id)
    assert moved.reference == "cn=sales"
    client.update_team(sales.team_id, name="Sales 2", parent_id=root)

    (found,) = teams_with_reference(client, "cn=sales")
    assert (found.team_id, found.name, found.parent_id) == (sales.team_id, "Sales 2", root)
    unassigned = sandbox.organisation.records.unassigned_id
    client.sort_teams(root, [sales.team_id, made.team_id, unassigned])
    children = [team.team_id for team in client.list_teams() if team.parent_id == root]
    assert children[:2] == [sales.team_id, made.team_id]

    client.delete_team(sales.team_id)
    with pytest.raises(SwitNotFoundError):
        client.delete_team(sales.team_id)
    assert sales.team_id not in {team.team_id for team in client.list_teams()}


def test_all_membership_calls(sandbox: SandboxServer, client: SwitClient) -> None:
    organisation = sandbox.organisation
    people = [organisation.add_user(f"u{n}@x.example") for n in range(3)]
    first, second = organisation.add_team("First"), organisation.add_team("Second")
    client.add_team_users(first, people)
    client.add_team_users(second, people[:1])
    client.update_primary_team(people[0], team_id=second)
    client.remove_team_users(first, people[2:])

    state = read_organization(client)
    assert members(state) >= {(first, people[0]), (first, people[1]), (second, people[0])}
    assert (first, people[2]) not in members(state)
    rows = state.users.set_index("user_id")
    assert rows.loc[people[0], "primary_team"] == second
    (user,) = client.list_users(keyword="u1@").users
    assert user.teams is not None
    assert [team.team_id for team in user.teams] == [first]


def test_many_users_are_read_in_pages(sandbox: SandboxServer, client: SwitClient) -> None:
    ids = {sandbox.organisation.add_user(f"u{n}@x.example") for n in range(24)}
    state = read_organization(client, page_size=10)
    assert set(state.users["user_id"]) > ids
    assert len(state.users) == 25
    assert client.calls == 3 + 3


def test_a_user_who_joins_during_paging_is_read(sandbox: SandboxServer, client: SwitClient) -> None:
    for n in range(12):
        sandbox.organisation.add_user(f"u{n}@x.example")

    def joins() -> None:
        sandbox.organisation.add_user("late@x.example")

    sandbox.faults.add(Fault(kind="meanwhile", call="organization.user.list", skip=1, act=joins))
    state = read_organization(client, page_size=10)
    assert "late@x.example" in set(state.users["email"])
    assert client.calls == 3 + 4


def test_a_total_that_is_not_reached_is_an_incomplete_read(
    sandbox: SandboxServer, client: SwitClient
) -> None:
    def one_more(body: Any) -> Any:  # noqa: ANN401 - a JSON body
        return {"data": {**body["data"], "total_rows": body["data"]["total_rows"] + 1}}

    sandbox.faults.add(
        Fault(kind="change", call="organization.user.list", times=None, change=one_more)
    )
    with pytest.raises(SwitIncompleteReadError, match="page 1 is too short: 1 of 2"):
        read_organization(client)


def test_a_login_returns_a_pair(sandbox: SandboxServer, oauth: OAuthClient) -> None:
    url = oauth.authorize_url("st&te", "user:read admin:read")
    answer = requests.get(url, allow_redirects=False, timeout=10)
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert found["state"] == ["st&te"]
    pair = oauth.exchange(found["code"][0])
    assert set((pair.scope or "").split()) == {"user:read", "admin:read"}
    with pytest.raises(SwitUnauthorizedError, match="HTTP 400"):
        oauth.exchange(found["code"][0])
    assert oauth.refresh(pair.refresh_token or "").access_token != pair.access_token
    assert sandbox.log.counts["oauth.token"] == 3


def test_an_expired_token_is_refreshed_once_for_all_threads(
    sandbox: SandboxServer, client: SwitClient, store: FakeStore
) -> None:
    """A second refresh would send a refresh token that is no longer valid."""
    client.user_info()
    sandbox.tokens.expire_access_tokens()
    with ThreadPoolExecutor(8) as pool:
        found = {me.user_id for me in pool.map(lambda _: client.user_info(), range(16))}
    assert found == {sandbox.organisation.authorised_user_id}
    assert sandbox.log.counts["oauth.token"] == 1
    assert len({pair.access_token for pair in store.saved}) == 2


def test_a_refused_refresh_token_requires_a_new_login(
    sandbox: SandboxServer, client: SwitClient
) -> None:
    client.user_info()
    sandbox.tokens.revoke_all()
    with pytest.raises(SwitUnauthorizedError, match="Log in again"):
        client.user_info()


@pytest.mark.parametrize("kind", ["status", "code", "html", "garbage", "truncated", "cut", "drop"])
@pytest.mark.parametrize(
    ("call", "do"),
    [
        ("user.team.list", lambda c: c.list_teams()),
        ("organization.user.list", lambda c: c.list_users()),
        ("scim.user.update", lambda c: c.update_user(c.user_info().user_id, name="Ann")),
        ("team.update", lambda c: c.update_team(design(c), name="Design 2")),
    ],
)
def test_a_call_that_fails_once_is_sent_again(
    kind: FaultKind,
    call: str,
    do: Do,
    sandbox: SandboxServer,
    client: SwitClient,
    naps: list[float],
) -> None:
    status = 200 if kind == "html" else 503
    sandbox.faults.add(Fault(kind=kind, call=call, status=status, after_work=True))
    do(client)
    assert sandbox.log.counts[call] == 2
    assert len(naps) == 1


@pytest.mark.parametrize("kind", ["status", "code", "html", "garbage", "truncated", "cut", "drop"])
def test_a_creation_whose_answer_is_lost_is_carried_out_once(
    kind: FaultKind, sandbox: SandboxServer, client: SwitClient, naps: list[float]
) -> None:
    root = sandbox.organisation.records.root_id
    sandbox.faults.add(Fault(kind=kind, call="*.create", status=500, times=2, after_work=True))
    with pytest.raises(SwitUnavailableError):
        client.create_team(name="Design", parent_id=root, reference="cn=design")
    with pytest.raises(SwitUnavailableError):
        client.create_user(email="jane@x.example", name="Jane")
    assert naps == []
    assert len(teams_with_reference(client, "cn=design")) == 1
    assert len(client.list_users(keyword="jane@x.example").users) == 1


def test_the_client_waits_after_a_429(
    sandbox: SandboxServer, client: SwitClient, naps: list[float]
) -> None:
    root = sandbox.organisation.records.root_id
    sandbox.faults.add(Fault(kind="status", call="team.create", status=429, retry_after="7"))
    client.create_team(name="Design", parent_id=root)
    assert naps == [7.0]


def test_a_refusal_contains_the_message_of_swit(
    sandbox: SandboxServer, client: SwitClient, naps: list[float]
) -> None:
    sandbox.organisation.add_team("Design")
    with pytest.raises(SwitRejectedError) as caught:
        client.create_team(name="DESIGN", parent_id=sandbox.organisation.records.root_id)
    assert caught.value.status in {400, 409}
    assert caught.value.call == "team.create"
    assert caught.value.message != "no reason given"
    assert naps == []
