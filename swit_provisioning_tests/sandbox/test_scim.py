import pytest

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning_tests.sandbox.caller import Caller, message, replace

MOBILE = 'phoneNumbers[type eq "mobile"].value'


@pytest.fixture
def ann(organisation: Organisation) -> str:
    return organisation.add_user("ann@example.com", "Ann")


def test_a_user_is_found_by_address_regardless_of_case(caller: Caller, ann: str) -> None:
    found = caller.find('userName eq "ANN@example.com"').json()
    assert found["totalResults"] == 1
    assert found["Resources"][0]["id"] == ann
    assert caller.find('userName eq "none@example.com"').json()["totalResults"] == 0


def test_any_other_filter_is_refused(caller: Caller) -> None:
    assert caller.find('displayName eq "Ann"').status_code == 400
    assert caller.find("").status_code == 400


def test_a_patch_changes_name_and_mobile_number(
    caller: Caller, organisation: Organisation, ann: str
) -> None:
    answer = caller.patch(
        ann, replace("displayName", "  Ann   Lee "), replace(MOBILE, "+82-10-1234-5678")
    )
    assert answer.status_code == 200
    assert answer.json()["displayName"] == "Ann Lee"
    assert answer.json()["phoneNumbers"] == [{"type": "mobile", "value": "+82-10-1234-5678"}]
    user = organisation.user(ann)
    assert (user.name, user.phone_number) == ("Ann Lee", "+82-10-1234-5678")


def test_an_empty_number_clears_it(caller: Caller, organisation: Organisation, ann: str) -> None:
    organisation.update_user(ann, phone_number="+1")
    caller.patch(ann, replace(MOBILE, ""))
    assert organisation.user(ann).phone_number is None


def test_language_and_state_can_be_replaced(
    caller: Caller, organisation: Organisation, ann: str
) -> None:
    caller.patch(ann, replace("preferredLanguage", "ja"), replace("active", value=False))
    user = organisation.user(ann)
    assert (user.language, user.active) == ("ja", False)
    caller.patch(ann, replace("active", "True"))
    assert organisation.user(ann).active


def test_scim_errors_have_the_form_of_swit_and_of_scim(caller: Caller, ann: str) -> None:
    answer = caller.patch(ann, replace("displayName", "Ann @ home"))
    assert answer.status_code == 400
    assert message(answer) == answer.json()["detail"]
    assert answer.json()["status"] == "400"


def test_wrong_operations_are_refused_and_change_nothing(
    caller: Caller, organisation: Organisation, ann: str
) -> None:
    before = organisation.snapshot()
    good = replace("displayName", "New")
    wrong: list[list[dict[str, object]]] = [
        [],
        [good, {"op": "add", "path": "displayName", "value": "New"}],
        [good, replace("userName", "new@example.com")],
        [good, replace(MOBILE, 5)],
        [good, replace("active", "maybe")],
    ]
    assert {caller.patch(ann, *operations).status_code for operations in wrong} == {400}
    assert caller.patch("none", good).status_code == 404
    assert organisation.snapshot() == before


def test_all_scim_calls_are_refused_if_scim_is_disabled(
    caller: Caller, organisation: Organisation, ann: str
) -> None:
    organisation.behaviour = Behaviour(scim=False)
    assert caller.patch(ann, replace("displayName", "New")).status_code == 403
    assert caller.find('userName eq "ann@example.com"').status_code == 403
