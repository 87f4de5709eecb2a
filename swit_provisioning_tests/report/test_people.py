"""Plans, frames and texts without people."""

import json
from collections.abc import Mapping

import pytest

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.model import Change, Finding, Plan
from swit_provisioning.planning.schemas import IDP_USERS, SWIT_USERS, changes_frame, in_words
from swit_provisioning.report.redaction import (
    HIDDEN,
    change_without_people,
    code_of,
    finding_without_people,
    frame_without_people,
    without_people,
    without_people_in,
)
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import STEP_OF

ANN = "Ann.Lee@example.com"
CODE = code_of(ANN)


def change(action: Action, target: str, **values: Mapping[str, object]) -> Change:
    return Change(
        change_id=f"{action}:new:user:{ANN.lower()}",
        step=STEP_OF[action],
        action=action,
        target=target,
        object_id=f"new:user:{ANN.lower()}",
        before=values.get("before", {}),
        after=values.get("after", {}),
        reason="as the directory says",
    )


def test_the_plan_for_one_person_has_a_code_for_the_person() -> None:
    assert without_people(Plan(changes=(), person=ANN)).person == CODE
    assert without_people(Plan(changes=())).person == ""


def test_one_person_has_one_code_however_the_address_is_written() -> None:
    assert code_of(" ann.lee@EXAMPLE.com ") == CODE
    assert code_of("ann.lee@example.org") != CODE
    assert CODE.startswith("person ")
    assert len(CODE) == len("person 3f2a1c")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"Swit refused {ANN}.", f"Swit refused {CODE}."),
        (f"user.create:new:user:{ANN}", f"user.create:new:user:{CODE}"),
        (f"<{ANN}>, '{ANN}'", f"<{CODE}>, '{CODE}'"),
        (
            "The member CN=Ann Lee,OU=People,DC=example,DC=com is no user.",
            f"The member {code_of('CN=Ann Lee,OU=People,DC=example,DC=com')} is no user.",
        ),
        (
            r"uid=lee\, ann,ou=people,dc=x; the next",
            code_of(r"uid=lee\, ann,ou=people,dc=x") + "; the next",
        ),
        ("call +49 (0)170 555-12345 now", f"call {HIDDEN} now"),
        ("0170 5551234", HIDDEN),
    ],
)
def test_addresses_dns_and_numbers_are_replaced_in_any_text(text: str, says: str) -> None:
    assert without_people_in(text) == says


@pytest.mark.parametrize(
    "text",
    [
        "8 of 20 active users would be deactivated, MAX_DEACTIVATIONS=10% allows fewer",
        "12 users of ou=staff,dc=example,dc=com are gone since the last accepted read",
        "swit-provisioning apply 8e788415fdc6",
        "The run 6a5f0c7e-2f4b-4c1d-9a57-0b6f1c2d3e4f holds the lease until 2026-03-01 02:30:00",
        "members of the team Sales would be removed",
        "1,234 of 5,678 changes",
    ],
)
def test_nothing_else_is_replaced(text: str) -> None:
    assert without_people_in(text) == text


def test_no_change_of_any_kind_names_a_person() -> None:
    values = {"name": "Ann Lee", "phone_number": "+49 170 5551234", "email": ANN, "language": "en"}
    emails = {"user_ids": [f"new:user:{ANN}"], "emails": [ANN, "bob@x"]}
    for it in (
        change("user.create", ANN, after=values),
        change("user.update", ANN, before={"name": "Ann"}, after={"name": "Ann Lee"}),
        change("user.deactivate", ANN, before={"active": True}, after={"active": False}),
        change("membership.add", "Sales", after=emails),
        change("membership.remove", "Sales", before=emails),
        change("primary.update", ANN, after={"team_id": "T1", "team": "Sales"}),
        change("team.delete", "Sales", before={"name": "Sales", "members": [f"new:user:{ANN}"]}),
    ):
        hidden = json.dumps(change_without_people(it).document()).casefold()
        for part in ("ann", "lee", "5551234", "bob@x"):
            assert part not in hidden, it.action
        assert ("sales" in hidden) == ("Sales" in json.dumps(it.document()))


def test_a_team_keeps_its_name() -> None:
    rename = change("team.update", "Sales", before={"name": "Sales"}, after={"name": "Sales EMEA"})
    assert change_without_people(rename).after == {"name": "Sales EMEA"}


def test_a_finding_about_a_person_keeps_what_is_to_be_done() -> None:
    finding = Finding(
        kind="invalid characters in name",
        subject="CN=Ann Lee,OU=People,DC=x",
        attribute="displayName",
        message="The name 'Ann #Lee' doesn't fit; it becomes \"Ann _L'ee\". Write it anew.",
    )
    hidden = finding_without_people(finding)
    assert hidden.subject == code_of(finding.subject)
    assert hidden.message == f"The name {HIDDEN} doesn't fit; it becomes {HIDDEN}. Write it anew."
    assert (hidden.kind, hidden.attribute) == ("invalid characters in name", "displayName")


def test_a_finding_about_a_group_stays_but_for_its_members() -> None:
    group = Finding(
        kind="circular membership", subject="CN=Sales,DC=x", message="is a member of CN=Law,DC=x"
    )
    assert finding_without_people(group) == group
    stranger = Finding(
        kind="unknown member",
        subject="CN=Sales,DC=x",
        message="The member CN=Ann Lee,OU=Away,DC=x is no user",
    )
    hidden = finding_without_people(stranger)
    assert hidden.subject == "CN=Sales,DC=x"
    assert "Ann" not in hidden.message


def test_what_is_planned_but_not_sent_names_nobody_either() -> None:
    it = change("user.update", ANN, before={"name": "Ann Lee"}, after={"name": "Ann Roe"})
    hidden = without_people(Plan(changes=(it,), disabled=(it,), held=(it,)))
    for changes in (hidden.changes, hidden.disabled, hidden.held):
        assert "ann" not in str([change.document() for change in changes]).casefold()


def test_a_kind_of_finding_that_is_not_known_is_hidden() -> None:
    new = Finding(kind="something new", subject="CN=Ann Lee,DC=x", message="It is 'Ann Lee'.")
    hidden = finding_without_people(new)
    assert "Ann" not in hidden.subject + hidden.message


def test_what_frames_show_names_nobody() -> None:
    user = {
        "key": "cn=ann lee,dc=x",
        "dn": "CN=Ann Lee,DC=x",
        "directory_id": "1",
        "emails": [ANN],
        "names": ["Ann Lee"],
        "phone_numbers": ["+49 170 5551234"],
        "enabled": True,
        "base": "dc=x",
        "position": 0,
    }
    shown = frame_without_people("idp_users", IDP_USERS.frame([user]))
    assert shown["emails"].to_list() == [[CODE]]
    assert "Ann" not in shown.to_json()
    account = {"user_id": "U1", "email": ANN, "name": "Ann Lee", "role": 30, "active": True}
    shown = frame_without_people("swit_users", SWIT_USERS.frame([account]))
    assert (shown["email"][0], shown["name"][0]) == (CODE, HIDDEN)
    assert shown["phone_number"][0] is None
    diff = changes_frame([change("user.create", ANN, after={"email": ANN, "name": "Ann Lee"})])
    shown = in_words(frame_without_people("user_diff", diff))
    assert shown["target"].to_list() == [CODE]
    assert "Ann" not in shown.to_json()


def test_a_plan_without_people_does_as_much() -> None:
    plan = plan_of_the_day()
    hidden = without_people(plan)
    assert hidden.counts() == plan.counts()
    assert "@" not in json.dumps(hidden.document()["changes"])
