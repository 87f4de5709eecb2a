from dataclasses import replace as with_values

import pytest

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.sandbox.caller import Caller, message


def emails(caller: Caller, **query: object) -> list[str]:
    answer = caller.get("organization.user.list", **{"cnt": 1000, **query})
    assert answer.status_code == 200
    return [user["email"] for user in answer.json()["data"]["users"]]


def test_a_new_organisation_has_one_administrator(caller: Caller) -> None:
    listed = caller.get("organization.user.list", cnt=10).json()["data"]
    assert listed["total_rows"] == 1
    assert listed["users"][0]["role"] == 20
    info = caller.get("user.info").json()["data"]["user"]
    assert info["id"] == listed["users"][0]["user_id"]
    assert info["cmp_id"] == caller.get("organization.info").json()["data"]["id"]


def test_a_created_user_is_listed_as_an_active_member(caller: Caller) -> None:
    made = caller.post(
        "organization.user.create",
        user_name="  Ann   Lee ",
        user_email="ann@example.com",
        tel="+82-10-1234-5678",
        language="ko",
        timezone="Asia/Seoul",
    ).json()["data"]["user"]
    listed = caller.get("organization.user.list", cnt=10, page=1).json()["data"]["users"][-1]
    assert listed == made
    assert listed["user_name"] == "Ann Lee"
    assert (listed["role"], listed["is_active"]) == (30, True)
    assert (listed["tel"], listed["language"]) == ("+82-10-1234-5678", "ko")


@pytest.mark.parametrize(
    "name", ["", "   ", "a@b", "a#b", "a<b", "a>b", "a§b", "a▒b", "a{b", "a;b"]
)
def test_an_empty_or_invalid_user_name_is_refused(caller: Caller, name: str) -> None:
    answer = caller.post("organization.user.create", user_name=name, user_email="ann@example.com")
    assert answer.status_code == 400
    assert message(answer)
    assert len(emails(caller)) == 1


@pytest.mark.parametrize("email", ["ann", "@example.com", "ann@", "a@b@c", f"{'a' * 250}@b.com"])
def test_an_invalid_address_is_refused(caller: Caller, email: str) -> None:
    answer = caller.post("organization.user.create", user_name="Ann", user_email=email)
    assert answer.status_code == 400


def test_addresses_are_unique_regardless_of_case(
    caller: Caller, organisation: Organisation
) -> None:
    organisation.add_user("Ann@Example.com", active=False)
    answer = caller.post("organization.user.create", user_name="Ann", user_email="aNN@example.COM")
    assert answer.status_code == 409


def test_a_user_cannot_be_created_with_an_unknown_language(caller: Caller) -> None:
    answer = caller.post(
        "organization.user.create", user_name="Ann", user_email="a@example.com", language="ja"
    )
    assert answer.status_code == 400


def test_deactivated_users_stay_listed_and_can_be_activated(
    caller: Caller, organisation: Organisation
) -> None:
    ann = organisation.add_user("ann@example.com")
    assert caller.post("organization.user.deactivate", user_id=ann).status_code == 204
    assert caller.post("organization.user.deactivate", user_id=ann).status_code == 204
    assert "ann@example.com" in emails(caller)
    assert emails(caller, **{"filters.membership_status": "inactive"}) == ["ann@example.com"]
    activated = caller.post("organization.user.activate", user_id=ann)
    assert (activated.status_code, activated.content) == (204, b"")
    assert "ann@example.com" in emails(caller, **{"filters.membership_status": "active"})


def test_activate_requires_user_id(caller: Caller, organisation: Organisation) -> None:
    """The reference program sends `id` when it activates a user, and fails."""
    ann = organisation.add_user("ann@example.com", active=False)
    answer = caller.post("organization.user.activate", id=ann)
    assert answer.status_code == 400
    assert "user_id" in message(answer)


def test_removing_a_user_frees_the_address(caller: Caller, organisation: Organisation) -> None:
    team = organisation.add_team("Sales")
    ann = organisation.add_user("ann@example.com", teams=[team])
    assert caller.post("organization.user.remove", user_id=ann).status_code == 200
    assert caller.post("organization.user.remove", user_id=ann).status_code == 404
    assert caller.post("organization.user.activate", user_id=ann).status_code == 404
    assert organisation.snapshot()["teams"][-1]["user_ids"] == []
    again = organisation.add_user("ann@example.com")
    assert again != ann


@pytest.mark.parametrize("call", ["organization.user.deactivate", "organization.user.remove"])
def test_the_master_cannot_be_deactivated_or_removed(
    caller: Caller, organisation: Organisation, call: str
) -> None:
    master = organisation.add_user("master@example.com", role=10)
    assert caller.post(call, user_id=master).status_code == 403
    assert organisation.user(master).active


def test_a_second_master_is_refused(organisation: Organisation) -> None:
    organisation.add_user("master@example.com", role=10)
    with pytest.raises(ValueError, match="a master already"):
        organisation.add_user("other@example.com", role=10)


def test_each_page_has_cnt_users_and_the_total(caller: Caller, organisation: Organisation) -> None:
    for number in range(6):
        organisation.add_user(f"user{number}@example.com")
    pages = [
        caller.get("organization.user.list", cnt=3, page=page).json()["data"]
        for page in (1, 2, 3, 4)
    ]
    assert [len(page["users"]) for page in pages] == [3, 3, 1, 0]
    assert {page["total_rows"] for page in pages} == {7}
    ids = [user["user_id"] for page in pages for user in page["users"]]
    assert len(set(ids)) == 7


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"cnt": 0},
        {"cnt": 1001},
        {"cnt": "ten"},
        {"cnt": 10, "page": 0},
        {"cnt": 10, "filters.membership_status": "on"},
    ],
)
def test_listing_users_with_an_invalid_argument_is_refused(
    caller: Caller, query: dict[str, object]
) -> None:
    assert caller.get("organization.user.list", **query).status_code == 400


def test_a_keyword_matches_names_and_addresses_regardless_of_case(
    caller: Caller, organisation: Organisation
) -> None:
    organisation.add_user("ann@example.com", "Ann Lee")
    organisation.add_user("bob@lee.example", "Bob")
    assert emails(caller, keyword="LEE") == ["ann@example.com", "bob@lee.example"]


def test_users_of_one_team(caller: Caller, organisation: Organisation) -> None:
    sales = organisation.add_team("Sales")
    organisation.add_user("ann@example.com", teams=[sales])
    organisation.add_user("bob@example.com")
    assert emails(caller, team_id=sales) == ["ann@example.com"]
    assert caller.get("organization.user.list", cnt=1, team_id="none").status_code == 404


def test_one_user_by_id(caller: Caller, organisation: Organisation) -> None:
    ann = organisation.add_user("ann@example.com")
    found = caller.get("organization.user.info", user_id=ann).json()["data"]["user"]
    assert found["email"] == "ann@example.com"
    assert caller.get("organization.user.info", user_id="none").status_code == 404


def test_no_user_is_created_or_activated_without_a_free_seat(
    caller: Caller, organisation: Organisation
) -> None:
    gone = organisation.add_user("gone@example.com", active=False)
    organisation.behaviour = with_values(Behaviour(), seats=1)
    made = caller.post("organization.user.create", user_name="A", user_email="a@example.com")
    assert made.status_code == 403
    assert caller.post("organization.user.activate", user_id=gone).status_code == 403


def test_a_name_above_the_limit_is_refused_or_shortened(
    caller: Caller, organisation: Organisation
) -> None:
    organisation.behaviour = Behaviour(longest_name=5)
    sent = {"user_name": "Annabelle", "user_email": "ann@example.com"}
    assert caller.post("organization.user.create", **sent).status_code == 400
    organisation.behaviour = Behaviour(longest_name=5, too_long="cut")
    made = caller.post("organization.user.create", **sent).json()["data"]["user"]
    assert made["user_name"] == "Annab"
