"""Held-out attacks: an access rule hides an attribute, and the read looks complete.

The rule of a real server is changed while it runs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import replicas
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import STAFF, group, person, units
from swit_provisioning_tests.integration.slapd import SUFFIX, Slapd
from swit_provisioning_tests.integration.stage import Stage, stage

GUARD = "directory_attributes_still_there"
PEOPLE = [f"p{number:02}" for number in range(36)]
LEAVERS = PEOPLE[:6]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    """36 people, each with a name to show that is not their `cn`, in six groups of six."""
    entries = units() + "".join(
        person(name, displayName=f"Display {name}", mobile=f"+4917600000{number:02}")
        for number, name in enumerate(PEOPLE)
    )
    entries += "".join(group(f"g{n}", *PEOPLE[6 * n : 6 * n + 6]) for n in range(6))
    folder = tmp_path / "slapd"
    folder.mkdir()
    with Slapd(folder, certificate(tmp_path), ldif=entries) as running:
        yield running


@pytest.fixture
def company(server: Slapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """The organisation follows the server; no limit but the one that is tested would stop it."""
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        monkeypatch.delenv("IDP_FILE")
        actions = ("DEACTIVATIONS", "ACTIVATIONS", "UPDATES")
        limits = {f"MAX_{name}": "none" for name in actions}
        for variable, value in {**replicas.settings(server), **limits}.items():
            monkeypatch.setenv(variable, value)
        on_stage.json("sync")
        assert on_stage.json("sync")["status"] == "nothing to do"
        yield on_stage


def _is_stopped(company: Stage, *phrases: str) -> dict[str, Any]:
    """The plan is stopped by the guard alone, and nothing is written."""
    before = company.organisation.snapshot()
    plan = company.json("plan", code=3)
    assert [guard["name"] for guard in plan["guards"] if not guard["passed"]] == [GUARD]
    message = next(guard["message"] for guard in plan["guards"] if guard["name"] == GUARD)
    for phrase in phrases:
        assert phrase in message
    assert company.run("sync").exit_code == 3
    assert company.organisation.snapshot() == before
    return plan


def _names(company: Stage) -> set[str]:
    return {user["name"] for user in company.users().values()}


def _inactive(company: Stage) -> set[str]:
    return {a.partition("@")[0] for a, user in company.users().items() if not user["active"]}


@pytest.mark.incident(29)
def test_29_a_rule_that_hides_display_names_renames_nobody(company: Stage, server: Slapd) -> None:
    """`cn` takes the place of `displayName`, so the plan would rename everybody."""
    server.hide("displayName")
    plan = _is_stopped(company, "36 of 36 people that had name (displayName)", "20%")
    assert plan["counts"] == {"user.update": 36}
    assert _names(company) == {f"Display {name}" for name in PEOPLE}
    server.hide()
    assert company.json("sync")["status"] == "nothing to do"


@pytest.mark.incident(29)
def test_29_a_rule_that_hides_the_lock_activates_no_leaver(company: Stage, server: Slapd) -> None:
    """OpenLDAP says only of locked accounts that they are locked: the others have nothing."""
    with server.changes() as changes:
        for name in LEAVERS:
            changes.set(f"uid={name},{STAFF}", pwdAccountLockedTime=replicas.LOCKED)
    company.json("sync")
    assert _inactive(company) == set(LEAVERS)
    server.hide("pwdAccountLockedTime")
    plan = _is_stopped(company, "6 of 6 people that were disabled")
    assert plan["counts"]["user.activate"] == 6
    assert _inactive(company) == set(LEAVERS)


def test_a_rule_that_hides_members_stops_the_plan(
    company: Stage, server: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MEMBERSHIP_REMOVALS", "none")
    monkeypatch.setenv("MAX_MEMBERSHIP_REMOVALS_PER_TEAM", "none")
    server.hide("member")
    before = company.organisation.snapshot()
    plan = company.json("sync", code=3)
    message = next(guard["message"] for guard in plan["guards"] if guard["name"] == GUARD)
    assert "6 of 6 groups that had members" in message
    assert company.organisation.snapshot() == before


def test_an_attribute_that_is_meant_to_go_is_approved_once(company: Stage, server: Slapd) -> None:
    server.hide("displayName")
    plan = _is_stopped(company)["plan_id"]
    company.json("apply", plan, "--approve", "displayName was a draft")
    assert _names(company) == set(PEOPLE)
    assert company.json("sync")["status"] == "nothing to do"


def test_an_attribute_that_changes_nothing_in_swit_can_be_approved_too(
    company: Stage, server: Slapd
) -> None:
    """Without its telephone numbers the directory leaves those in Swit alone."""
    server.hide("mobile")
    plan = _is_stopped(company)
    assert plan["changes"] == []
    company.json("apply", plan["plan_id"], "--approve", "numbers are private now")
    assert company.json("sync")["status"] == "nothing to do"
    assert all(user["phone_number"] for user in company.users().values())


def test_leavers_whose_entries_are_deleted_stop_nothing(company: Stage, server: Slapd) -> None:
    """The share of disabled people falls, but nobody came back."""
    with server.changes() as changes:
        for name in LEAVERS:
            changes.set(f"uid={name},{STAFF}", pwdAccountLockedTime=replicas.LOCKED)
    company.json("sync")
    with server.changes() as changes:
        for name in LEAVERS:
            changes.delete(f"uid={name},{STAFF}")
    assert company.json("sync")["status"] in {"applied", "nothing to do"}
    assert _inactive(company) == set(LEAVERS)


def test_the_shares_are_numbers_in_the_metadata_and_in_the_status(company: Stage) -> None:
    read = company.json("status")["last_read"]
    assert read["directory"] == {
        f"ou=staff,{SUFFIX}": {"users": 36, "groups": 0},
        f"ou=groups,{SUFFIX}": {"users": 0, "groups": 6},
    }
    people, groups = read["presence"]["people"], read["presence"]["groups"]
    assert (people["total"], people["name (displayName)"], people["phone_number (mobile)"]) == (
        (36, 36, 36)
    )
    assert (people["language (preferredLanguage)"], people["disabled"]) == (0, 0)
    assert (groups["total"], groups["name (cn)"], groups["members"]) == (6, 6, 6)
    said = company.run("status").output
    assert "of 36 people: " in said
    assert "name (cn) 36, name (displayName) 36" in said
    with dg.DagsterInstance.get() as instance:
        shown = {}
        for name in ("idp_users", "idp_groups"):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None
            assert event.asset_materialization is not None
            shown[name] = event.asset_materialization.metadata
    assert shown["idp_users"]["% with name (displayName)"].value == 100.0
    assert shown["idp_users"]["% disabled"].value == 0.0
    assert shown["idp_groups"]["% with members"].value == 100.0


def test_a_column_that_is_lost_from_a_file_stops_the_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        monkeypatch.setenv("MAX_UPDATES", "none")
        for user in on_stage.directory["users"]:
            user["cn"] = user["displayName"].partition(" ")[0]
            user["userAccountControl"] = 512
        on_stage.json("sync")
        for user in on_stage.directory["users"]:
            del user["displayName"]
        _is_stopped(on_stage, "20 of 20 people that had name (displayName)")
        for user in on_stage.directory["users"]:
            user["displayName"] = user["cn"]
            del user["userAccountControl"]
        _is_stopped(on_stage, "20 of 20 people that had account state")
