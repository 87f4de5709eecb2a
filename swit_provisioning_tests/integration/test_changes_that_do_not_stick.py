"""Night after night on the whole program: changes that do not stick, and values Swit rewrites."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.records import Behaviour
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import PEOPLE, address, user_dn
from swit_provisioning_tests.integration.stage import Stage, stage

FIRST, SECOND = (address(name) for name in PEOPLE[:2])


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        assert made.run("sync").exit_code == 0
        yield made


def stuck(document: dict[str, Any]) -> list[str]:
    return [f["subject"] for f in document["findings"] if f["kind"] == "does not stick"]


@pytest.mark.incident(28)
def test_a_change_that_another_program_reverts_is_not_sent_a_third_time(settled: Stage) -> None:
    user = settled.organisation.user_by_email(FIRST)
    assert user is not None
    settled.directory["users"][0]["displayName"] = "Amelie Blanc"
    for _ in range(2):
        done = settled.json("sync")
        assert (done["status"], done["counts"]) == ("applied", {"user.update": 1})
        assert user.name == "Amelie Blanc"
        user.name = "Amelie Roux"
    settled.server.log.clear()
    third = settled.json("sync")
    assert (third["status"], third["counts"], stuck(third)) == ("nothing to do", {}, [FIRST])
    plan = settled.json("plan")
    assert [(c["action"], c["after"]) for c in plan["held"]] == [
        ("user.update", {"name": "Amelie Blanc"})
    ]
    assert "not sent: does not stick" in settled.run("show", plan["plan_id"]).output
    assert settled.writes == []

    user.name = "Amelie Blanc"
    assert stuck(settled.json("sync")) == []
    user.name = "Amelie Roux"
    assert settled.json("sync")["counts"] == {"user.update": 1}


def test_a_member_who_is_removed_again_does_not_hold_back_others(settled: Stage) -> None:
    """The first of the two additions was by a plan that knew no id of team or account yet."""
    builders = settled.organisation.team_by_name("Builders")
    assert builders is not None
    member = settled.organisation.user_by_email(FIRST)
    assert member is not None

    def taken_out() -> None:
        settled.organisation.remove_members(builders.id, [member.id])

    taken_out()
    assert settled.json("sync")["counts"] == {"membership.add": 1}
    taken_out()
    groups = {group["displayName"]: group for group in settled.directory["groups"]}
    groups["Builders"]["member"].append(user_dn(PEOPLE[2]))
    done = settled.json("sync")
    assert (done["counts"], stuck(done)) == ({"membership.add": 1}, ["Builders"])
    told = settled.json("history", "--team", "Builders")["entries"][-1]
    assert told["after"]["emails"] == [address(PEOPLE[2])]


def test_a_person_who_leaves_and_returns_repeatedly_is_never_held_back(
    settled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_DEACTIVATIONS", "none")
    back = settled.directory["users"][-1]
    for _ in range(2):
        settled.directory["users"] = [u for u in settled.directory["users"] if u is not back]
        assert settled.json("sync")["counts"]["user.deactivate"] == 1
        settled.directory["users"].append(back)
        assert settled.json("sync")["counts"]["user.activate"] == 1


def test_names_that_swit_shortens_count_as_equal_and_are_reported_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        on_stage.organisation.behaviour = Behaviour(longest_name=7, too_long="cut")
        first = on_stage.json("sync")
        assert first["status"] == "applied"
        entries = on_stage.json("history", "--user", FIRST)["entries"]
        assert entries[0]["message"] == 'Swit keeps name "Amelie"'
        on_stage.server.log.clear()
        again = on_stage.json("sync")
        assert (again["status"], stuck(again)) == ("nothing to do", [])
        assert on_stage.writes == []
        on_stage.directory["users"][1]["displayName"] = "Bence Vargas"
        assert on_stage.json("sync")["counts"] == {"user.update": 1}
        assert on_stage.json("sync")["status"] == "nothing to do"
