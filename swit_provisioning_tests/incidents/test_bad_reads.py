"""Public incidents in which a bad read removed people, and what the same night is like here.

Each is named by where it happened. The numbers are those of the project's list of incidents.
"""

import socket

import pytest

from swit_provisioning_tests.incidents.night import Night
from swit_provisioning_tests.integration.small_company import PEOPLE, person_dn
from swit_provisioning_tests.integration.small_server import (
    Limits,
    ending,
    silent,
    spoil,
    spoil_range,
)
from swit_provisioning_tests.sources.scripted_server import done


def strangers(count: int) -> list[str]:
    """So many members that are no users in scope."""
    return [f"CN=Stranger {place},OU=Elsewhere,DC=example,DC=org" for place in range(count)]


def test_the_night_before_was_quiet(night: Night) -> None:
    """Else the nights below would prove nothing."""
    night.is_quiet()
    assert {login[1] for login in night.server.logins} != {""}


@pytest.mark.incident(1)
def test_01_server_unreachable_at_night(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opnsense #10129: the server could not be reached, and all 43 users were deleted."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = str(nobody.getsockname()[1])
        monkeypatch.setenv("LDAP_SERVER_PORT", port)
        night.is_stopped(f"ldap://127.0.0.1:{port}", "cannot be reached", "tried 3 times")


@pytest.mark.incident(2)
def test_02_server_down_deactivates_nobody_and_returning_people_are_activated(night: Night) -> None:
    """GitLab: all were blocked while the server was down, and the next sync left them blocked."""
    back = next(iter(night.stage.users().values()))
    night.organisation.deactivate_user(back["id"])
    night.server.fault = spoil(ending(52))
    night.is_stopped("answered 52 unavailable", "tried 3 times")
    night.server.fault = None
    ended, said = night.sync()
    assert ended == 0, said
    assert "1 user to activate" in said
    assert all(user["active"] for user in night.stage.users().values())


@pytest.mark.incident(3)
def test_03_time_limit_exceeded_is_not_read_as_an_empty_directory(night: Night) -> None:
    """Gitea #4402: "Time Limit Exceeded" was taken for an answer without entries."""
    night.server.fault = spoil(lambda _: [done(3, cookie=None)], base=PEOPLE)
    night.is_stopped("answered 3 timeLimitExceeded", "after 0 entries", PEOPLE)


@pytest.mark.incident(3)
def test_03_time_limit_exceeded_after_some_entries_is_not_read_as_a_short_directory(
    night: Night,
) -> None:
    night.server.fault = spoil(lambda answer: [*answer[:7], done(3, cookie=None)], base=PEOPLE)
    night.is_stopped("answered 3 timeLimitExceeded", "after 7 entries", PEOPLE)


@pytest.mark.incident(5)
def test_05_users_are_not_lost_when_the_server_times_out(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keycloak #24669: users were lost when the server fell silent."""
    monkeypatch.setenv("LDAP_TIMEOUT_SECONDS", "1")
    night.server.fault = spoil(silent, base=PEOPLE)
    night.is_stopped("timed out", "tried 3 times")


@pytest.mark.incident(6)
def test_06_memberships_that_cannot_be_read_are_kept(night: Night) -> None:
    """Ssosync #236: an error on one group's members, and its memberships were lost."""
    builders = night.groups["Builders"]
    builders["member"] = [*strangers(1500), *builders["member"]]
    night.server.fault = spoil_range(ending(52), begin=1500)
    night.is_stopped("answered 52 unavailable", "tried 3 times")


@pytest.mark.incident(6)
def test_06_a_user_whose_address_cannot_be_read_is_kept(night: Night) -> None:
    """Ssosync #278: an error on one user, and the account was deleted."""
    night.directory["users"][0]["mail"] = b"\xff\xfe no text"
    night.is_quiet()
    (finding,) = night.stage.json("plan")["findings"]
    assert "is not text in UTF-8" in finding["message"]


@pytest.mark.incident(7)
@pytest.mark.parametrize("count", [1499, 1500, 1501])
def test_07_a_group_that_grows_past_1500_members_keeps_them(night: Night, count: int) -> None:
    """pg-ldap-sync #32, GitHub Enterprise #162, ranger #966: everyone in it lost access.

    Those who have accounts come last, where a short read would lose them.
    """
    builders = night.groups["Builders"]
    own = builders["member"]
    builders["member"] = [*strangers(count - len(own)), *own]
    night.is_quiet()


@pytest.mark.incident(8)
def test_08_a_group_of_13000_keeps_its_members(night: Night) -> None:
    """Adobe user-sync #423: a group of 13,000 was read with 0 users, and no error."""
    builders = night.groups["Builders"]
    builders["member"] = [*strangers(13_000), *builders["member"]]
    night.is_quiet()


@pytest.mark.incident(8)
def test_08_a_group_that_suddenly_has_no_members_is_blocked(
    night: Night,
) -> None:
    """What a program sees that looks only at `member`, and not at `member;range=0-1499`."""
    for group in night.groups.values():
        group["member"] = []
    night.is_stopped("22 of 22 memberships would be removed", "MAX_MEMBERSHIP_REMOVALS", code=3)


@pytest.mark.incident(9)
def test_09_a_pager_that_stops_early_is_a_failed_read(night: Night) -> None:
    """idp-scim-sync #87, bitwarden #38: the pager stopped early; the rest were removed."""
    night.server.limits = Limits(page=7)
    night.server.fault = spoil(lambda answer: [*answer[:-1], done(cookie=None)], base=PEOPLE)
    night.is_stopped("more pages", "after 7 entries")


@pytest.mark.incident(9)
def test_09_a_search_that_ends_too_early_is_a_failed_read(night: Night) -> None:
    """Nothing in the answer tells; that 13 of 20 are missing and found by their ids does."""
    night.server.limits = Limits(page=7)
    night.server.fault = spoil(lambda answer: [*answer[:-1], done(cookie=b"")], base=PEOPLE)
    night.is_stopped("two reads did not return people or groups that are present", "and 8 more")


@pytest.mark.incident(14)
def test_14_an_empty_directory_does_not_empty_the_organisation(night: Night) -> None:
    """Bitwarden server #6173: "overwrite" with an empty list emptied an organisation."""
    night.directory["users"] = []
    night.is_stopped("there is no person", "LDAP_USER_OUS")


@pytest.mark.incident(15)
def test_15_a_directory_of_more_than_1000_entries_is_read_whole(night: Night) -> None:
    """The reference program: it reads 1,000 entries; everybody else is deactivated.

    The first 1,001 here are disabled accounts, so those in use come on the second page.
    """
    disabled = {"objectClass": ["person", "user"], "objectCategory": ["CN=Person"]}
    others = {
        person_dn(place): {**disabled, "userAccountControl": ["514"]} for place in range(1001)
    }
    night.others = {dn: {**held, "sAMAccountType": ["805306368"]} for dn, held in others.items()}
    night.is_quiet()
    assert [asked.cookie != b"" for asked in night.server.searches if asked.base == PEOPLE] == [
        False,
        True,
    ]


@pytest.mark.incident(19)
def test_19_no_password_is_sent_in_clear_text_unless_allowed(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference program: it sends the password in clear text, to whoever answers."""
    monkeypatch.delenv("LDAP_TLS")
    night.is_stopped("could not be encrypted", "Nothing was sent")
    assert night.server.logins == []
