"""The shapes of three editions of the API are parsed to the same values."""

from typing import Any

import pytest
import responses

from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitUnavailableError
from swit_provisioning.swit.models import Team, User, UserTeam
from swit_provisioning_tests.swit.fakes import API

FLAT_USER: dict[str, Any] = {
    "user_id": "u1",
    "user_name": "Jane Kim",
    "email": "jane@x.example",
    "tel": "+82-10-1234-5678",
    "role": 20,
    "status": "off",
    "is_active": True,
    "language": "ja",
    "timezone": "Asia/Seoul",
    "msg": "on holiday",
    "mode": "away",
    "photo": "/profile/a.jpg",
    "last_activity": "2023-03-10T06:16:40Z",
    "team": [
        {"team_id": "t1", "team_name": "Design", "main_dept_yn": "Y"},
        {"team_id": "t2", "team_name": "Sales", "main_dept_yn": "N"},
        {"team_id": "t3", "main_dept_yn": "Sales & Marketing"},
    ],
}
JANE = User(
    user_id="u1",
    email="jane@x.example",
    name="Jane Kim",
    phone_number="+82-10-1234-5678",
    role=20,
    active=True,
    language="ja",
    teams=(
        UserTeam(team_id="t1", primary=True),
        UserTeam(team_id="t2"),
        UserTeam(team_id="t3"),
    ),
)
LISTED_TEAM: dict[str, Any] = {
    "parent_id": "t0",
    "reference": "cn=design",
    "depth": 1,
    "member_cnt": 2,
    "users": ["u1", "u2"],
}
DESIGN = Team(
    team_id="t1",
    name="Design",
    parent_id="t0",
    reference="cn=design",
    depth=1,
    member_count=2,
    user_ids=("u1", "u2"),
)


@pytest.mark.parametrize("listed", [FLAT_USER, {"user": FLAT_USER}])
def test_listed_users_are_flat_or_wrapped(
    listed: dict[str, Any], client: SwitClient, web: responses.RequestsMock
) -> None:
    data = {"total_rows": 7, "users": [listed]}
    web.get(f"{API}/organization.user.list", json={"data": data})
    page = client.list_users()
    assert page.total_rows == 7
    assert page.users == (JANE,)


@pytest.mark.parametrize(
    "data",
    [{"user": FLAT_USER}, {"user": [FLAT_USER]}, FLAT_USER, [{"user": FLAT_USER}]],
)
def test_a_single_user_has_four_forms(
    data: object, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/organization.user.info", json={"data": data})
    web.post(f"{API}/organization.user.create", json={"data": data})
    assert client.organization_user_info("u1") == JANE
    assert client.create_user(email="jane@x.example", name="Jane Kim") == JANE


def test_a_new_field_called_user_does_not_hide_the_user() -> None:
    """New fields may appear, such as another user."""
    assert User.model_validate(FLAT_USER | {"user": {"user_id": "u2"}}) == JANE


def test_activity_fields_are_not_kept() -> None:
    kept = User.model_validate(FLAT_USER).model_dump_json()
    assert not any(word in kept for word in ("holiday", "away", "/profile", "2023-03"))


@pytest.mark.parametrize(
    "names", [{"id": "t1", "name": "Design"}, {"team_id": "t1", "team_name": "Design"}]
)
def test_listed_teams_have_either_field_names(
    names: dict[str, str], client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/user.team.list", json={"data": {"team": [names | LISTED_TEAM]}})
    assert client.list_teams() == (DESIGN,)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "names", [{"id": "t1", "name": "Design"}, {"team_id": "t1", "team_name": "Design"}]
)
def test_a_created_team_may_be_wrapped_twice(
    names: dict[str, str], *, wrapped: bool, client: SwitClient, web: responses.RequestsMock
) -> None:
    made = names | {"parent_id": "t0", "depth": 1, "reference": None}
    data = {"data": made} if wrapped else made
    web.post(f"{API}/team.create", json={"data": data})
    web.post(f"{API}/team.update", json={"data": data})
    expected = Team(team_id="t1", name="Design", parent_id="t0", depth=1)
    assert client.create_team(name="Design", parent_id="t0") == expected
    assert client.update_team("t1", name="Design") == expected


@pytest.mark.parametrize("answer", [{"data": None}, {}, {"data": {}}, None])
def test_a_team_update_may_return_nothing(
    answer: dict[str, Any] | None, client: SwitClient, web: responses.RequestsMock
) -> None:
    if answer is None:
        web.post(f"{API}/team.update", status=204)
    else:
        web.post(f"{API}/team.update", json=answer)
    assert client.update_team("t1", name="Design") is None


@pytest.mark.parametrize("absent", [{}, {"parent_id": None}, {"parent_id": ""}, {"parent_id": "0"}])
def test_a_missing_parent_has_four_forms(absent: dict[str, Any]) -> None:
    team = Team.model_validate({"id": "t0", "name": "Acme", "reference": "", **absent})
    assert (team.parent_id, team.reference) == (None, None)


def test_null_fields_count_as_absent() -> None:
    """A null field never makes an account inactive or less protected."""
    nulls = dict.fromkeys(FLAT_USER) | {"user_id": "u1"}
    assert User.model_validate(nulls) == User.model_validate({"user_id": "u1"})
    bare = User.model_validate(nulls)
    assert (bare.email, bare.name, bare.phone_number, bare.role) == ("", "", None, 0)
    assert bare.active
    assert bare.teams is None


def test_a_null_id_does_not_hide_the_other_name() -> None:
    team = Team.model_validate({"team_id": None, "id": "t1", "team_name": None, "name": "Design"})
    assert (team.team_id, team.name) == ("t1", "Design")


def test_numbers_and_strings_are_converted() -> None:
    user = User.model_validate({"user_id": 17, "tel": 8210, "role": "40", "is_active": "false"})
    assert (user.user_id, user.phone_number, user.role, user.active) == ("17", "8210", 40, False)


@pytest.mark.parametrize("user", [{"id": "u1", "cmp_id": "o1"}, {"user_id": "u1", "cmp_id": "o1"}])
def test_the_authorised_user_has_other_field_names(
    user: dict[str, Any], client: SwitClient, web: responses.RequestsMock
) -> None:
    user = user | {"name": "Ann", "user_email": "ann@x.example", "status": 1}
    web.get(f"{API}/user.info", json={"data": {"user": user}})
    me = client.user_info()
    assert (me.user_id, me.email, me.name) == ("u1", "ann@x.example", "Ann")
    assert me.organization_id == "o1"


def test_an_organisation_is_read(client: SwitClient, web: responses.RequestsMock) -> None:
    data = {"id": "o1", "name": "Acme", "subdomain": "acme", "plan": "x"}
    web.get(f"{API}/organization.info", json={"data": data})
    found = client.organization_info()
    assert (found.id, found.name, found.subdomain) == ("o1", "Acme", "acme")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"total_rows": 1, "users": [FLAT_USER, {"email": "secret@x.example"}]}, "users.1.user_id"),
        ({"users": [FLAT_USER]}, "data.total_rows"),
        ({"total_rows": -1, "users": []}, "data.total_rows"),
        ({"total_rows": 1, "users": {"u1": FLAT_USER}}, "data.users"),
        ({"total_rows": 1, "users": [FLAT_USER | {"role": "secret@x.example"}]}, "users.0.role"),
        ({"total_rows": 1, "users": [{"user_id": ""}]}, "users.0.user_id"),
        ("everything", "data"),
        (["a", "b"], "data"),
    ],
)
def test_an_invalid_answer_is_an_error_with_the_field_and_without_personal_data(
    data: object, field: str, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/organization.user.list", json={"data": data})
    with pytest.raises(SwitUnavailableError, match=r"organization\.user\.list: HTTP 200") as caught:
        client.list_users()
    assert field in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    assert len(web.calls) == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": None, "message": "try the new one"}])
def test_an_answer_without_data_is_an_error_with_the_message_of_swit(
    body: dict[str, Any], client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/user.info", json=body)
    with pytest.raises(SwitUnavailableError, match="contains no data") as caught:
        client.user_info()
    assert body.get("message", "no reason given") in str(caught.value)


def test_an_empty_answer_to_a_read_is_an_error(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    web.get(f"{API}/user.info", status=204)
    with pytest.raises(SwitUnavailableError, match="HTTP 204"):
        client.user_info()
