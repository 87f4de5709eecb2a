"""The request of each call: method, address, query, body and headers."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses

from swit_provisioning import __version__
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitRejectedError
from swit_provisioning_tests.swit.fakes import API, SCIM, Rig

Do = Callable[[SwitClient], Any]

READS: list[tuple[str, Do, dict[str, str], dict[str, Any]]] = [
    ("user.info", lambda c: c.user_info(), {}, {"user": {"id": "u1"}}),
    ("organization.info", lambda c: c.organization_info(), {}, {"id": "o1"}),
    (
        "organization.user.info",
        lambda c: c.organization_user_info("u1"),
        {"user_id": "u1"},
        {"user": {"user_id": "u1"}},
    ),
    (
        "organization.user.list",
        lambda c: c.list_users(),
        {"cnt": "1000", "page": "1"},
        {"total_rows": 0, "users": []},
    ),
    (
        "organization.user.list",
        lambda c: c.list_users(page=3, count=20, keyword="jane+a@x"),
        {"cnt": "20", "page": "3", "keyword": "jane+a@x"},
        {"total_rows": 0, "users": None},
    ),
    ("user.team.list", lambda c: c.list_teams(), {}, {"team": []}),
]

TEAM = {"id": "t9", "name": "Design"}
WRITES: list[tuple[str, Do, dict[str, Any], dict[str, Any] | None]] = [
    (
        "organization.user.create",
        lambda c: c.create_user(
            email="jane@x.example",
            name="Jane",
            phone_number="+82-10",
            language="ko",
            timezone="Asia/Seoul",
        ),
        {
            "user_name": "Jane",
            "user_email": "jane@x.example",
            "language": "ko",
            "timezone": "Asia/Seoul",
            "tel": "+82-10",
        },
        {"user": {"user_id": "u9"}},
    ),
    (
        "organization.user.create",
        lambda c: c.create_user(email="jane@x.example", name="Jane"),
        {"user_name": "Jane", "user_email": "jane@x.example"},
        {"user": {"user_id": "u9"}},
    ),
    (
        "organization.user.deactivate",
        lambda c: c.deactivate_user("u1"),
        {"user_id": "u1"},
        None,
    ),
    ("organization.user.activate", lambda c: c.activate_user("u1"), {"user_id": "u1"}, None),
    ("organization.user.remove", lambda c: c.remove_user("u1"), {"user_id": "u1"}, None),
    (
        "team.create",
        lambda c: c.create_team(name="Design", parent_id="t0", reference="cn=design"),
        {"name": "Design", "parent_id": "t0", "reference": "cn=design"},
        TEAM,
    ),
    (
        "team.create",
        lambda c: c.create_team(name="Design", parent_id="t0"),
        {"name": "Design", "parent_id": "t0"},
        TEAM,
    ),
    (
        "team.update",
        lambda c: c.update_team("t9", name="Design"),
        {"id": "t9", "name": "Design"},
        TEAM,
    ),
    (
        "team.update",
        lambda c: c.update_team("t9", parent_id="t1", reference="cn=new"),
        {"id": "t9", "parent_id": "t1", "reference": "cn=new"},
        TEAM,
    ),
    ("team.delete", lambda c: c.delete_team("t9"), {"id": "t9"}, None),
    (
        "team.sort",
        lambda c: c.sort_teams("t0", ["t2", "t1"]),
        {"parent_id": "t0", "team_ids": ["t2", "t1"]},
        None,
    ),
    (
        "team.user.add",
        lambda c: c.add_team_users("t9", ["u1", "u2"]),
        {"id": "t9", "user_ids": ["u1", "u2"]},
        None,
    ),
    (
        "team.user.remove",
        lambda c: c.remove_team_users("t9", ("u1",)),
        {"id": "t9", "user_ids": ["u1"]},
        None,
    ),
    (
        "team.user.primary.update",
        lambda c: c.update_primary_team("u1", team_id="t9"),
        {"id": "t9", "user_id": "u1"},
        None,
    ),
]


def sent(web: responses.RequestsMock) -> Any:  # noqa: ANN401 - a JSON body
    assert len(web.calls) == 1
    return json.loads(web.calls[0].request.body or "null")


@pytest.mark.parametrize(("name", "do", "query", "data"), READS)
def test_a_read_sends_its_query_and_no_body(
    name: str,
    do: Do,
    query: dict[str, str],
    data: dict[str, Any],
    client: SwitClient,
    web: responses.RequestsMock,
) -> None:
    web.get(f"{API}/{name}", json={"data": data})
    do(client)
    url = urlsplit(web.calls[0].request.url or "")
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{API}/{name}"
    assert dict(parse_qsl(url.query)) == query
    assert sent(web) is None


@pytest.mark.parametrize(("name", "do", "body", "data"), WRITES)
def test_a_write_sends_exactly_what_is_documented(
    name: str,
    do: Do,
    body: dict[str, Any],
    data: dict[str, Any] | None,
    client: SwitClient,
    web: responses.RequestsMock,
) -> None:
    web.post(f"{API}/{name}", json={"data": data})
    do(client)
    assert sent(web) == body
    assert web.calls[0].request.headers["Content-Type"] == "application/json"
    assert not urlsplit(web.calls[0].request.url or "").query


@pytest.mark.parametrize(("name", "do"), [(w[0], w[1]) for w in WRITES if w[3] is None])
def test_an_empty_answer_to_a_write_is_a_success(
    name: str, do: Do, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(f"{API}/{name}", status=204)
    assert do(client) is None


@pytest.mark.parametrize(("name", "do"), [(w[0], w[1]) for w in WRITES if w[3] is None])
def test_an_answer_with_a_team_to_a_write_is_a_success(
    name: str, do: Do, client: SwitClient, web: responses.RequestsMock
) -> None:
    """The old edition returns it after deletions and membership changes."""
    web.post(f"{API}/{name}", json={"data": {"data": TEAM}})
    assert do(client) is None


def test_a_user_is_updated_over_scim(client: SwitClient, web: responses.RequestsMock) -> None:
    """Swit requires the User schema and `Replace`, unlike RFC 7644."""
    web.patch(f"{SCIM}/Users/u%2F1", json={"displayName": "Jane"})
    client.update_user("u/1", name="Jane", phone_number="+82-10")
    assert sent(web) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "Operations": [
            {"op": "Replace", "path": "displayName", "value": "Jane"},
            {"op": "Replace", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+82-10"},
        ],
    }
    assert web.calls[0].request.headers["Authorization"] == "Bearer first-token"


def test_an_update_sends_only_changed_values_and_clears_an_empty_number(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    web.patch(f"{SCIM}/Users/u1", status=204)
    assert client.update_user("u1", phone_number="") is None
    operations = sent(web)["Operations"]
    assert [(o["path"], o["value"]) for o in operations] == [
        ('phoneNumbers[type eq "mobile"].value', "")
    ]


def test_the_scim_answer_returns_the_stored_values(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    numbers = [{"type": "work", "value": "1"}, {"type": "mobile", "value": "+82-10"}]
    web.patch(f"{SCIM}/Users/u1", json={"displayName": "Jane K", "phoneNumbers": numbers})
    kept = client.update_user("u1", name="Jane  K")
    assert kept is not None
    assert (kept.name, kept.phone_number) == ("Jane K", "+82-10")


@pytest.mark.parametrize(
    "do",
    [
        lambda c: c.update_user("u1"),
        lambda c: c.update_team("t1"),
        lambda c: c.add_team_users("t1", []),
        lambda c: c.remove_team_users("t1", ()),
    ],
)
def test_a_write_without_values_is_not_sent(
    do: Do, client: SwitClient, web: responses.RequestsMock
) -> None:
    """Swit does not document an empty list; it could mean all users."""
    with pytest.raises(ValueError, match=r"give a|name at least one"):
        do(client)
    assert not web.calls


def test_every_call_sends_token_user_agent_and_accept_headers(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/user.info", json={"data": {"user": {"id": "u1"}}})
    client.user_info()
    headers = web.calls[0].request.headers
    assert headers["Authorization"] == "Bearer first-token"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"] == f"swit_provisioning/{__version__}"


def test_base_addresses_may_end_with_a_slash(rig: Rig, web: responses.RequestsMock) -> None:
    web.get(f"{API}/user.info", json={"data": {"user": {"id": "u1"}}})
    web.patch(f"{SCIM}/Users/u1", status=204)
    with rig.client(base_url="https://openapi.swit.example/", scim_base_url=f"{SCIM}/") as client:
        client.user_info()
        client.update_user("u1", name="Jane")
        assert client.calls == 2


@pytest.mark.parametrize("user_id", ["..", ".", ""])
def test_an_id_that_would_change_the_path_is_not_sent(
    client: SwitClient, web: responses.RequestsMock, user_id: str
) -> None:
    with pytest.raises(SwitRejectedError, match=r"SCIM Users: the id '\.{0,2}' cannot be part"):
        client.update_user(user_id, name="Jane")
    assert len(web.calls) == 0


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("../u", "..%2Fu"),
        ("%2e%2e", "%252e%252e"),
    ],
)
def test_an_id_is_quoted_in_the_path(
    client: SwitClient, web: responses.RequestsMock, user_id: str, path: str
) -> None:
    web.patch(re.compile(".*"), status=204)
    client.update_user(user_id, name="Jane")
    assert web.calls[0].request.url == f"{SCIM}/Users/{path}"
