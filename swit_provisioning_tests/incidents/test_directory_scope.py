"""The scope of a read changes, by a setting or by an access rule of a real OpenLDAP server.

The limits of the actions are lifted where another guard has to stop the plan.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import replicas
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import ALUMNI, GROUPS, STAFF, person, units
from swit_provisioning_tests.integration.slapd import SUFFIX, Slapd
from swit_provisioning_tests.integration.stage import Stage, stage

pytestmark = pytest.mark.needs("slapd")

PEOPLE = [f"p{number:02}" for number in range(20)]
OTHERS = [f"other{number:02}" for number in range(20)]
BRANCH = [f"branch{number}" for number in range(4)]
Site = tuple[Stage, Slapd]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """20 people in Staff and 4 in another base; Swit has the 20 already, from another program."""
    branch = f"ou=Branch,{SUFFIX}"
    entries = [units(), f"dn: {branch}\nobjectClass: organizationalUnit\n\n"]
    entries += [person(name) for name in PEOPLE]
    entries += [person(name, base=branch) for name in BRANCH]
    entries += [person(name, base=ALUMNI) for name in OTHERS]
    folder = tmp_path / "slapd"
    folder.mkdir()
    with (
        Slapd(folder, certificate(tmp_path), ldif="".join(entries)) as ldap,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        for name, members in (("all", PEOPLE), ("few", PEOPLE[:4])):
            ldap.add_groups({f"cn={name},{GROUPS}": [f"uid={uid},{STAFF}" for uid in members]})
        for name in PEOPLE:
            on_stage.organisation.add_user(f"{name}@example.test", name)
        monkeypatch.delenv("IDP_FILE")
        for name, value in replicas.settings(ldap).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LDAP_USER_OUS", "Staff,Branch")
        yield on_stage, ldap


def _settle(on_stage: Stage) -> None:
    assert on_stage.json("sync")["status"] == "applied"
    assert on_stage.json("sync")["status"] == "nothing to do"


def _without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEACTIVATIONS", "MEMBERSHIP_REMOVALS", "MEMBERSHIP_REMOVALS_PER_TEAM"):
        monkeypatch.setenv(f"MAX_{name}", "none")


def _stopped(on_stage: Stage) -> dict[str, str]:
    """Names and messages of the guards that stop a sync; nothing is written."""
    before = on_stage.organisation.snapshot()
    document = on_stage.json("sync", code=3)
    assert on_stage.organisation.snapshot() == before
    return {g["name"]: g["message"] for g in document["guards"] if not g["passed"]}


@pytest.mark.incident(21)
def test_21_another_source_group_suspends_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password manager's SCIM bridge: with another source group every user was suspended."""
    on_stage, _ = site
    monkeypatch.setenv("LDAP_USER_OUS", "Staff")
    monkeypatch.setenv("LDAP_USER_FILTER", f"(memberOf=cn=all,{GROUPS})")
    _settle(on_stage)
    _without_limits(monkeypatch)
    monkeypatch.setenv("LDAP_USER_FILTER", f"(memberOf=cn=few,{GROUPS})")
    stopped = _stopped(on_stage)
    assert stopped.keys() == {"directory_has_not_shrunk"}
    assert stopped["directory_has_not_shrunk"].startswith(f"16 of 20 users of {STAFF.lower()} are")


@pytest.mark.incident(21)
def test_21_another_search_base_of_the_same_size_suspends_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_stage, _ = site
    monkeypatch.setenv("LDAP_USER_OUS", "Staff")
    _settle(on_stage)
    monkeypatch.setenv("LDAP_USER_OUS", "Alumni")
    message = _stopped(on_stage)["deactivations_within_limit"]
    assert message.startswith("20 of 20 active users in scope would be deactivated")


@pytest.mark.incident(23)
def test_23_a_base_that_is_suddenly_empty_is_no_base_without_people(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Teem: an empty list among full ones made users inactive for 83 days.

    Nobody finds the four people, who are a sixth of all, and no approval lifts the guard.
    """
    on_stage, ldap = site
    _settle(on_stage)
    _without_limits(monkeypatch)
    ldap.hide_from_all(f'dn.children="ou=Branch,{SUFFIX}"')
    stopped = _stopped(on_stage)
    assert (
        "gave 4 users in the last accepted read and none" in (stopped["directory_read_is_complete"])
    )
    plan = on_stage.json("plan", code=3)["plan_id"]
    assert on_stage.run("approve", plan, "--reason", "they left").exit_code == 3


@pytest.mark.incident(23)
def test_23_each_base_is_held_against_its_own_size(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of 24 people are within the limit, but five of the 20 in their base are not."""
    on_stage, ldap = site
    _settle(on_stage)
    _without_limits(monkeypatch)
    monkeypatch.setenv("MAX_DIRECTORY_SHRINK", "22%")
    ldap.hide_from_all(f'dn.regex="^uid=p0[0-4],{STAFF}$"')
    stopped = _stopped(on_stage)
    assert stopped.keys() == {"directory_has_not_shrunk"}
    assert stopped["directory_has_not_shrunk"].startswith("5 of 20 users of ")


@pytest.mark.incident(25, 29)
def test_25_a_first_sync_deactivates_nobody_whose_address_is_hidden(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine people without a readable address look like nine users whom nobody knows."""
    on_stage, ldap = site
    _without_limits(monkeypatch)
    ldap.hide_from_all(f'dn.regex="^uid=p0[1-9],{STAFF}$" attrs=mail')
    stopped = _stopped(on_stage)
    assert stopped.keys() == {"first_sync_takes_nothing_away"}
    assert "9 users would be deactivated or removed" in stopped["first_sync_takes_nothing_away"]
    ldap.hide()
    assert on_stage.json("sync")["counts"].keys() <= {
        "user.create",
        "team.create",
        "team.sort",
        "membership.add",
        "primary.update",
    }
