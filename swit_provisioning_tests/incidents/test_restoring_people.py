"""Users get back what they lost; users who were deactivated by hand stay so where it is set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, stage


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """Swit follows the directory, and takes inactive users out of their teams."""
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        made.organisation.behaviour = Behaviour(inactive_members="leave")
        assert made.json("sync")["status"] == "applied"
        yield made


def _users_with_teams(on_stage: Stage) -> dict[str, tuple[bool, str | None, frozenset[str]]]:
    """Address -> whether the user is active, the primary team, and all teams."""
    records = on_stage.organisation.records
    return {
        user.email: (user.active, user.primary, frozenset(user.teams))
        for user in records.users.values()
    }


def _failed(document: dict[str, Any]) -> list[str]:
    return [guard["name"] for guard in document["guards"] if not guard["passed"]]


@pytest.mark.incident(24)
def test_24_users_who_were_deactivated_wrongly_get_back_what_the_directory_knows(
    settled: Stage,
) -> None:
    """Slack: wrong deactivations took more away than reactivating them brought back."""
    before, people = _users_with_teams(settled), settled.directory["users"]
    settled.directory["users"] = people[4:]
    plan = settled.json("plan", code=3)["plan_id"]
    settled.json("apply", plan, "--approve", "a mistake")
    gone = _users_with_teams(settled)
    assert [gone[address(name)] for name in PEOPLE[:4]] == [(False, None, frozenset())] * 4
    settled.directory["users"] = people
    assert settled.json("sync")["counts"]["user.activate"] == 4
    assert _users_with_teams(settled) == before


@pytest.mark.incident(24)
def test_24_many_users_are_not_restored_at_once_without_an_approval(settled: Stage) -> None:
    """Slack: restoring everybody at once overloaded the servers."""
    people = settled.directory["users"]
    settled.directory["users"] = people[8:]
    plan = settled.json("plan", code=3)["plan_id"]
    settled.json("apply", plan, "--approve", "a mistake")
    settled.directory["users"] = people
    blocked = settled.json("sync", code=3)
    assert _failed(blocked) == ["activations_within_limit"]
    few = settled.json("apply", blocked["plan_id"], "--only", "user.activate", "--limit", "3")
    assert few["outcomes"] == {"applied": 3}


def _deactivate_by_hand(on_stage: Stage, *people: str) -> None:
    users = on_stage.users()
    for name in people:
        on_stage.organisation.deactivate_user(users[address(name)]["id"])


@pytest.mark.incident(26)
def test_26_a_sync_does_not_revive_everybody_who_was_deactivated_by_hand(settled: Stage) -> None:
    """Rocket.Chat #17561: the sync revived everyone whom an administrator had deactivated."""
    _deactivate_by_hand(settled, *PEOPLE[:6])
    settled.server.log.clear()
    blocked = settled.json("sync", code=3)
    assert blocked["counts"]["user.activate"] == 6
    assert _failed(blocked) == ["activations_within_limit"]
    assert settled.writes == []


@pytest.mark.incident(26)
@pytest.mark.parametrize(
    ("variable", "value"),
    [("USERS_TO_EXCLUDE", address(PEOPLE[0])), ("DISABLED_ACTIONS", "user.activate")],
)
def test_26_a_setting_keeps_a_user_deactivated(
    settled: Stage, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    settled.organisation.behaviour = Behaviour()
    _deactivate_by_hand(settled, PEOPLE[0])
    settled.json("sync")
    assert not settled.users()[address(PEOPLE[0])]["active"]


@pytest.mark.incident(26)
def test_26_a_user_who_is_deactivated_by_hand_again_and_again_stays_so(settled: Stage) -> None:
    """Whoever deactivates the user each day wins after two days, and it is reported."""
    for _ in range(2):
        _deactivate_by_hand(settled, PEOPLE[0])
        assert settled.json("sync")["counts"]["user.activate"] == 1
    _deactivate_by_hand(settled, PEOPLE[0])
    document = settled.json("sync")
    assert document["counts"].get("user.activate", 0) == 0
    stuck = [f["subject"] for f in document["findings"] if f["kind"] == "does not stick"]
    assert address(PEOPLE[0]) in stuck
    assert not settled.users()[address(PEOPLE[0])]["active"]
