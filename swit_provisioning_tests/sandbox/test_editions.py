"""The answers of each edition have the known shapes of Swit's answers."""

from typing import Any

import pytest

from swit_provisioning.sandbox.calls import CALLS
from swit_provisioning.sandbox.editions import EDITIONS, Edition
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.sandbox.caller import Caller

USER = {
    "user_id", "user_name", "email", "role", "status", "is_active", "language", "timezone",
    "timezone_auto_flag", "msg", "mode", "photo", "bg_color", "created", "last_activity", "team",
}  # fmt: skip
TEAM_OF_USER = {"team_id", "team_name", "created", "main_dept_yn"}
AUTHORISED = {"id", "name", "user_email", "cmp_id"}
OLD_TEAM = {"id", "name", "parent_id", "depth", "reference", "member_cnt", "users"}
LISTED_TEAM = {
    "team_id", "team_name", "parent_id", "depth", "reference", "member_cnt", "users",
}  # fmt: skip
WRITTEN_TEAM = {"id", "name", "parent_id", "depth", "reference"}


@pytest.fixture(params=EDITIONS)
def edition(request: pytest.FixtureRequest, server: SandboxServer) -> Edition:
    server.edition = request.param
    return server.edition


@pytest.fixture
def team(organisation: Organisation) -> str:
    return organisation.add_team("Sales", reference="CN=Sales")


@pytest.fixture
def user(organisation: Organisation, team: str) -> str:
    return organisation.add_user("ann@example.com", phone_number="+1", teams=[team])


def data(caller: Caller, call: str, **arguments: object) -> Any:  # noqa: ANN401 - as JSON has it
    send = caller.get if CALLS[call].method == "GET" else caller.post
    answer = send(call, **arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_all_documented_calls_are_in_the_table() -> None:
    assert set(CALLS) == {
        "oauth.authorize", "oauth.token", "scim.user.list", "scim.user.update",
        "user.info", "organization.info", "organization.user.info", "organization.user.list",
        "organization.user.create", "organization.user.deactivate", "organization.user.activate",
        "organization.user.remove", "user.team.list", "team.create", "team.update", "team.delete",
        "team.sort", "team.user.add", "team.user.remove", "team.user.primary.update",
    }  # fmt: skip


def test_user_info_has_other_field_names_and_no_role(caller: Caller, edition: Edition) -> None:
    found = data(caller, "user.info")["user"]
    assert found.keys() >= AUTHORISED, edition
    assert not found.keys() & {"role", "user_id", "email"}


def test_the_old_edition_has_no_organization_info(caller: Caller, edition: Edition) -> None:
    if edition == "old":
        assert caller.get("organization.info").status_code == 404
    else:
        assert data(caller, "organization.info").keys() == {"id", "name", "subdomain"}


def test_listed_users_are_wrapped_only_in_the_old_edition(
    caller: Caller, edition: Edition, user: str
) -> None:
    listed = data(caller, "organization.user.list", cnt=1000)
    assert listed.keys() == {"total_rows", "users"}
    found = listed["users"][-1]
    inner = found["user"] if edition == "old" else found
    assert inner["user_id"] == user
    assert inner.keys() == USER | {"tel"}
    assert all(each.keys() == TEAM_OF_USER for each in inner["team"])
    assert {each["main_dept_yn"] for each in inner["team"]} == {"Y"}


def test_a_single_user_is_a_list_of_one_in_the_production_edition(
    caller: Caller, edition: Edition, user: str
) -> None:
    found = data(caller, "organization.user.info", user_id=user)["user"]
    assert (found[0] if edition == "production" else found).keys() == USER | {"tel"}


def test_a_created_user_is_wrapped_in_user(caller: Caller, edition: Edition) -> None:
    sent = {"user_name": "Bob", "user_email": "bob@example.com"}
    made = data(caller, "organization.user.create", **sent)["user"]
    assert made.keys() == USER | {"tel"}
    assert made["tel"] == (None if edition == "old" else "")


def test_activate_and_deactivate_return_204(caller: Caller, edition: Edition, user: str) -> None:
    for call in ("organization.user.deactivate", "organization.user.activate"):
        answer = caller.post(call, user_id=user)
        assert (answer.status_code, answer.content) == (204, b""), edition


def test_removing_a_user_returns_empty_data(caller: Caller, edition: Edition, user: str) -> None:
    assert data(caller, "organization.user.remove", user_id=user) == {}, edition


def test_listed_teams_have_the_field_names_of_their_edition(
    caller: Caller, edition: Edition, team: str, user: str
) -> None:
    root, _, sales = data(caller, "user.team.list")["team"]
    empty = None if edition == "old" else ""
    assert (root["depth"], root["parent_id"], root["reference"]) == (0, empty, empty)
    assert sales.keys() == root.keys() == (OLD_TEAM if edition == "old" else LISTED_TEAM)
    assert sales["id" if edition == "old" else "team_id"] == team
    assert (sales["users"], sales["member_cnt"], sales["reference"]) == ([user], 1, "CN=Sales")


def test_created_and_updated_teams_have_the_shape_of_their_edition(
    caller: Caller, edition: Edition
) -> None:
    root = caller.get("user.team.list").json()["data"]["team"][0]
    root_id = root.get("team_id") or root["id"]
    made = data(caller, "team.create", name="A", parent_id=root_id, reference="CN=A")
    inner = made["data"] if edition == "old" else made
    team_id = inner.get("team_id") or inner["id"]
    updated = data(caller, "team.update", id=team_id, name="B")
    shapes: dict[Edition, tuple[set[str], set[str]]] = {
        "old": ({"data"}, {"data"}),
        "new": (WRITTEN_TEAM, WRITTEN_TEAM),
        "production": (
            {"team_id", "team_name", "parent_id", "depth", "reference"},
            WRITTEN_TEAM,
        ),
    }
    assert (made.keys(), updated.keys()) == shapes[edition]
    if edition == "old":
        assert made["data"].keys() == updated["data"].keys() == OLD_TEAM


@pytest.mark.parametrize("call", ["team.user.add", "team.user.remove", "team.delete"])
def test_other_team_calls_return_null_or_a_team_in_the_old_edition(
    caller: Caller, edition: Edition, team: str, user: str, call: str
) -> None:
    members = {} if call == "team.delete" else {"user_ids": [user]}
    found = data(caller, call, id=team, **members)
    if edition == "old":
        assert found["data"].keys() == OLD_TEAM
        assert found["data"]["id"] == team
    else:
        assert found is None


def test_sorting_returns_200_without_data(
    caller: Caller, edition: Edition, organisation: Organisation, team: str
) -> None:
    root, unassigned = organisation.records.root_id, organisation.records.unassigned_id
    answer = caller.post("team.sort", parent_id=root, team_ids=[team, unassigned])
    assert answer.status_code == 200
    assert (answer.content == b"") == (edition == "old")


def test_updating_the_primary_team_returns_an_empty_body(
    caller: Caller, edition: Edition, team: str, user: str
) -> None:
    answer = caller.post("team.user.primary.update", id=team, user_id=user)
    assert (answer.status_code, answer.content) == (200 if edition == "old" else 204, b"")


def test_only_the_old_edition_filters_teams_by_reference(
    caller: Caller, edition: Edition, team: str, organisation: Organisation
) -> None:
    organisation.add_team("Other", reference="CN=Other")
    found = data(caller, "user.team.list", reference="CN=Sales")["team"]
    assert len(found) == (1 if edition == "old" else 4)
    assert team in {each.get("team_id") or each["id"] for each in found}


def test_only_the_old_edition_accepts_the_organisation_id_as_parent(
    caller: Caller, edition: Edition, organisation: Organisation
) -> None:
    records = organisation.records
    answer = caller.post("team.create", name="A", parent_id=records.organization_id)
    assert answer.status_code == (200 if edition == "old" else 404)
    if edition == "old":
        assert organisation.list_teams()[-1].parent_id == records.root_id
