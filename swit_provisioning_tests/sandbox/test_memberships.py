import pytest

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.sandbox.caller import Caller


@pytest.fixture
def sales(organisation: Organisation) -> str:
    return organisation.add_team("Sales")


@pytest.fixture
def ann(organisation: Organisation) -> str:
    return organisation.add_user("ann@example.com")


def teams_shown(caller: Caller, user_id: str) -> dict[str, str]:
    user = caller.get("organization.user.info", user_id=user_id).json()["data"]["user"]
    return {team["team_name"]: team["main_dept_yn"] for team in user["team"]}


def members_shown(caller: Caller, name: str) -> list[str]:
    teams = caller.get("user.team.list").json()["data"]["team"]
    found = next(team for team in teams if team["team_name"] == name)
    assert found["member_cnt"] == len(found["users"])
    return [str(each) for each in found["users"]]


def test_the_first_team_becomes_the_primary_team(
    caller: Caller, organisation: Organisation, ann: str, sales: str
) -> None:
    other = organisation.add_team("Other")
    assert caller.post("team.user.add", id=sales, user_ids=[ann]).json() == {"data": None}
    caller.post("team.user.add", id=other, user_ids=[ann])
    assert teams_shown(caller, ann) == {"Sales": "Y", "Other": "N"}
    assert members_shown(caller, "Sales") == [ann]


def test_users_without_a_team_are_listed_in_unassigned(
    caller: Caller, organisation: Organisation, ann: str, sales: str
) -> None:
    assert teams_shown(caller, ann) == {"Unassigned": "Y"}
    assert ann in members_shown(caller, "Unassigned")
    caller.post("team.user.add", id=sales, user_ids=[ann])
    assert ann not in members_shown(caller, "Unassigned")
    caller.post("team.user.remove", id=sales, user_ids=[ann])
    assert ann in members_shown(caller, "Unassigned")
    organisation.behaviour = Behaviour(teamless="nowhere")
    assert teams_shown(caller, ann) == {}
    assert members_shown(caller, "Unassigned") == []


@pytest.mark.parametrize("call", ["team.user.add", "team.user.remove"])
def test_a_partial_success_is_reported_as_a_success(
    caller: Caller, organisation: Organisation, ann: str, sales: str, call: str
) -> None:
    bob = organisation.add_user("bob@example.com", teams=[sales])
    answer = caller.post(call, id=sales, user_ids=["none", ann, bob])
    assert (answer.status_code, answer.json()) == (200, {"data": None})
    assert members_shown(caller, "Sales") == ([bob, ann] if call == "team.user.add" else [])


@pytest.mark.parametrize("call", ["team.user.add", "team.user.remove"])
def test_a_membership_call_that_changes_no_user_is_refused(
    caller: Caller, sales: str, call: str
) -> None:
    assert caller.post(call, id=sales, user_ids=["none", "nor this"]).status_code == 404
    assert caller.post(call, id=sales, user_ids=[]).status_code == 400


@pytest.mark.parametrize("call", ["team.user.add", "team.user.remove"])
def test_a_repeated_membership_call_is_accepted_or_refused(
    caller: Caller, organisation: Organisation, ann: str, sales: str, call: str
) -> None:
    """Swit does not document which."""
    organisation.add_user("bob@example.com", teams=[sales])
    if call == "team.user.remove":
        organisation.add_members(sales, [ann])
    assert caller.post(call, id=sales, user_ids=[ann]).status_code == 200
    assert caller.post(call, id=sales, user_ids=[ann]).status_code == 200
    organisation.behaviour = Behaviour(repeated_membership="refused")
    assert caller.post(call, id=sales, user_ids=[ann]).status_code == 404


def test_a_membership_call_with_too_many_users_is_refused(
    caller: Caller, organisation: Organisation, ann: str, sales: str
) -> None:
    organisation.behaviour = Behaviour(most_user_ids=1)
    assert caller.post("team.user.add", id=sales, user_ids=[ann, ann]).status_code == 400
    assert caller.post("team.user.add", id=sales, user_ids=[ann]).status_code == 200


def test_the_primary_team_must_be_a_team_of_the_user(
    caller: Caller, organisation: Organisation, ann: str, sales: str
) -> None:
    other = organisation.add_team("Other")
    refused = caller.post("team.user.primary.update", id=other, user_id=ann)
    assert refused.status_code == 400
    organisation.add_members(sales, [ann])
    organisation.add_members(other, [ann])
    answer = caller.post("team.user.primary.update", id=other, user_id=ann)
    assert (answer.status_code, answer.content) == (204, b"")
    assert teams_shown(caller, ann) == {"Sales": "N", "Other": "Y"}
    nobody = caller.post("team.user.primary.update", id=other, user_id="none")
    assert nobody.status_code == 404


def test_unassigned_cannot_be_a_primary_team(
    caller: Caller, organisation: Organisation, ann: str
) -> None:
    unassigned = organisation.records.unassigned_id
    answer = caller.post("team.user.primary.update", id=unassigned, user_id=ann)
    assert answer.status_code == 400


def test_leaving_the_primary_team_selects_the_next_team_or_none(
    caller: Caller, organisation: Organisation, sales: str
) -> None:
    other, third = organisation.add_team("Other"), organisation.add_team("Third")
    ann = organisation.add_user("ann@example.com", teams=[sales, other, third])
    caller.post("team.user.remove", id=sales, user_ids=[ann])
    assert teams_shown(caller, ann) == {"Other": "Y", "Third": "N"}
    organisation.behaviour = Behaviour(lost_primary="none")
    caller.post("team.delete", id=other)
    assert teams_shown(caller, ann) == {"Third": "N"}


def test_deactivated_users_stay_in_their_teams_or_leave_them(
    caller: Caller, organisation: Organisation, sales: str
) -> None:
    ann = organisation.add_user("ann@example.com", teams=[sales])
    caller.post("organization.user.deactivate", user_id=ann)
    assert members_shown(caller, "Sales") == [ann]
    organisation.behaviour = Behaviour(inactive_members="leave")
    caller.post("organization.user.deactivate", user_id=ann)
    assert members_shown(caller, "Sales") == []
    assert caller.post("team.user.add", id=sales, user_ids=[ann]).status_code == 404
