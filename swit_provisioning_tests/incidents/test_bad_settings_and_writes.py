"""Public incidents in which settings, limits or writes went wrong, and what they are like here.

Number 13, a limit that was raised for one day, is `test_a_plan_over_its_limits_is_applied_with_an_
approval_of_that_plan` among the tests of the main job.
"""

from pathlib import Path

import pytest

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.directories import PEOPLE as NAMES
from swit_provisioning_tests.directories import address
from swit_provisioning_tests.incidents.night import Night
from swit_provisioning_tests.quick_dagster import make_quick_home

FIRST_SYNC = ("No plan was applied completely so far", "FIRST_SYNC=additive")


@pytest.fixture
def first_night(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Night:
    """The same organisation and directory, with a new state."""
    make_quick_home(tmp_path / "new")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new"))
    return night


@pytest.mark.incident(22)
def test_22_a_first_sync_of_a_new_state_deactivates_nobody(first_night: Night) -> None:
    """Auvik: reconciliation after an upgrade took users for deleted."""
    del first_night.directory["users"][0]
    first_night.is_stopped(*FIRST_SYNC, "1 users would be deactivated or removed", code=3)
    plan = first_night.stage.json("plan", code=3)
    first_night.stage.json("apply", plan["plan_id"], "--approve", "they did leave")
    first_night.is_quiet()
    del first_night.directory["users"][0]
    assert first_night.sync()[0] == 0


@pytest.mark.incident(22)
def test_22_a_first_sync_that_finds_nothing_to_do_ends_it(first_night: Night) -> None:
    first_night.is_quiet()
    del first_night.directory["users"][0]
    assert first_night.sync()[0] == 0


@pytest.mark.incident(25)
def test_25_switching_the_sync_on_empties_no_team(first_night: Night) -> None:
    """DefGuard #2833: switching it on emptied all groups, the administrators' too."""
    first_night.groups["Planners"]["member"] = []
    first_night.is_stopped(*FIRST_SYNC, "2 memberships would be removed", code=3)


@pytest.mark.incident(25)
def test_25_a_team_of_five_is_not_emptied_on_any_other_night(night: Night) -> None:
    night.groups["Builders"]["member"] = []
    night.is_stopped("5 of 5 members of the team Builders would be removed", code=3)


@pytest.mark.incident(4)
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LDAP_PASSWORD", "not this one", ("the password is wrong", "LDAP_PASSWORD")),
        (
            "LDAP_USER_OUS",
            "Staf",
            ("OU=Staf,DC=example,DC=org", "the nearest existing entry is", "LDAP_USER_OUS"),
        ),
        ("LDAP_USER_OUS", "Units", ("there is no person", "LDAP_USER_OUS")),
        ("LDAP_SEARCH_BASE", "DC=exmaple,DC=org", ("LDAP_SEARCH_BASE",)),
        ("LDAP_USER_ATTRIBUTES", "email=otherMailbox", ("has an address", "otherMailbox")),
    ],
)
def test_04_a_wrong_setting_deactivates_nobody(
    night: Night, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: tuple[str, ...]
) -> None:
    """Zulip #13130, #11878: connection or setting was wrong, and everybody was deactivated."""
    monkeypatch.setenv(name, value)
    night.is_stopped(*words)


@pytest.mark.incident(4)
def test_04_limits_are_judged_before_the_first_write(night: Night) -> None:
    """Nothing is wrong with this read, but three of twenty are more than the limit."""
    del night.directory["users"][:3]
    night.is_stopped("3 of 20 active users", "MAX_DEACTIVATIONS=10%", "--approve", code=3)


@pytest.mark.incident(10)
@pytest.mark.parametrize(
    ("wrong", "words", "code"),
    [
        ("(department=Sales)", ("there is no person", "LDAP_USER_FILTER"), 1),
        ("(mail=a*)", ("19 of 20 users", "MAX_DIRECTORY_SHRINK"), 3),
        ("(&(mail=*)", ("LDAP_USER_FILTER", "cannot be used"), 2),
    ],
)
def test_10_a_wrong_filter_removes_nobody(
    night: Night, monkeypatch: pytest.MonkeyPatch, wrong: str, words: tuple[str, ...], code: int
) -> None:
    """Authentik #19295: a filter was edited wrongly, and all users were gone."""
    monkeypatch.setenv("LDAP_USER_FILTER", wrong)
    night.is_stopped(*words, code=code)


@pytest.mark.incident(11)
def test_11_bulk_removal_of_memberships_is_blocked(night: Night) -> None:
    """Kubernetes/org #4365: members and teams were limited, memberships weren't."""
    for name in ("Builders", "Probes"):
        night.groups[name]["member"] = []
    night.is_stopped("8 of 22 memberships", "MAX_MEMBERSHIP_REMOVALS", code=3)


@pytest.mark.incident(12)
def test_12_a_team_created_by_hand_is_kept(night: Night) -> None:
    """Ssosync #88, #105, #179: groups that people had made by hand were deleted."""
    someone = night.stage.users()[address(NAMES[0])]["id"]
    team = night.organisation.add_team("Choir", user_ids=[someone])
    night.is_quiet()
    assert night.stage.teams()["Choir"]["id"] == team
    assert night.stage.teams()["Choir"]["user_ids"] == [someone]


@pytest.mark.incident(16)
def test_16_addresses_are_compared_without_case(night: Night) -> None:
    """The reference program: a second account is made, and the first deactivated."""
    for user in night.directory["users"]:
        user["mail"] = user["mail"].upper()
    night.is_quiet()


@pytest.mark.incident(17)
def test_17_a_telephone_number_with_spaces_is_sent_once(night: Night) -> None:
    """The reference program: it is sent again every night."""
    night.is_quiet()
    assert night.stage.users()[address(NAMES[1])]["phone_number"]


@pytest.mark.incident(18)
def test_18_one_rejected_call_does_not_stop_the_others(night: Night) -> None:
    """The reference program: the run ends there, and who is back is never activated."""
    ids = {email: user["id"] for email, user in night.stage.users().items()}
    refused, back = address(NAMES[2]), address(NAMES[3])
    for email in (refused, back):
        night.organisation.deactivate_user(ids[email])
    night.stage.server.faults.add(
        Fault(
            kind="status",
            status=400,
            message="not this one",
            call="organization.user.activate",
            where=lambda sent: ids[refused] in str(sent),
        )
    )
    ended, said = night.sync()
    assert ended == 4, said
    assert "not this one" in said
    assert night.stage.users()[back]["active"]
    assert not night.stage.users()[refused]["active"]
    ended, said = night.sync()
    assert ended == 0, said
    assert night.stage.users()[refused]["active"]
