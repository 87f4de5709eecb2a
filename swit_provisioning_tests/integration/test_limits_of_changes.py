"""An access rule of an OpenLDAP server hides an attribute: what looks like a change is blocked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration import replicas
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.replicas import LOCKED, group, person, units
from swit_provisioning_tests.integration.slapd import Slapd
from swit_provisioning_tests.integration.stage import Stage, stage

pytestmark = pytest.mark.needs("slapd")

STAFF = [f"staff{number:02}" for number in range(30)]
LEAVERS = [f"leaver{number:02}" for number in range(40)]
Site = tuple[Stage, Slapd]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """An organisation in step with its directory: 30 people, and 40 who are locked there."""
    entries = [units()]
    entries += [person(name, displayName=name.title()) for name in STAFF]
    entries += [person(name, displayName=name.title()) for name in LEAVERS]
    folder = tmp_path / "slapd"
    folder.mkdir()
    with (
        Slapd(
            folder, certificate(tmp_path), ldif="".join([*entries, group("all", *STAFF)])
        ) as ldap,
        stage(monkeypatch, tmp_path, SandboxServer()) as on_stage,
    ):
        with ldap.changes() as changes:
            for name in LEAVERS:
                changes.set(f"uid={name},{replicas.STAFF}", pwdAccountLockedTime=LOCKED)
        for name in LEAVERS:
            on_stage.organisation.add_user(f"{name}@example.test", name.title(), active=False)
        monkeypatch.delenv("IDP_FILE")
        for name, value in replicas.settings(ldap).items():
            monkeypatch.setenv(name, value)
        assert on_stage.json("sync")["counts"]["user.create"] == len(STAFF)
        assert on_stage.json("sync")["status"] == "nothing to do"
        yield on_stage, ldap


def _stopped(on_stage: Stage, **counts: int) -> dict[str, str]:
    """Names and messages of the guards that stop a sync with these changes; nothing is written."""
    on_stage.server.log.clear()
    document: dict[str, Any] = on_stage.json("sync", code=3)
    assert document["counts"] == {name.replace("_", "."): n for name, n in counts.items()}
    assert on_stage.writes == []
    return {g["name"]: g["message"] for g in document["guards"] if not g["passed"]}


@pytest.mark.incident(27, 29)
def test_27_a_hidden_lock_attribute_activates_nobody(site: Site) -> None:
    """WorkOS: a state came to mean something else. Here 40 leavers look as if they were back."""
    on_stage, ldap = site
    ldap.hide("pwdAccountLockedTime")
    stopped = _stopped(on_stage, user_activate=40)
    assert stopped["activations_within_limit"].startswith(
        "40 users would be activated, beside the 30 active users in scope, MAX_ACTIVATIONS=10%"
    )
    assert not any(on_stage.users()[f"{name}@example.test"]["active"] for name in LEAVERS)


@pytest.mark.incident(27, 29)
def test_27_a_hidden_name_renames_nobody(site: Site) -> None:
    """Without `displayName` everybody would be called by their `cn`."""
    on_stage, ldap = site
    ldap.hide("displayName")
    message = _stopped(on_stage, user_update=30)["updates_within_limit"]
    assert message.startswith("30 of ")
    assert "users and teams would be updated" in message
    assert "MAX_UPDATES=20% allows fewer" in message
    assert on_stage.users()["staff00@example.test"]["name"] == "Staff00"
