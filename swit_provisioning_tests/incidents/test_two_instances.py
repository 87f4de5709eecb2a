"""Two installations sync two directories into one organisation, and undo each other's work."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.quick_dagster import make_quick_home

Sync = Callable[..., dict[str, Any]]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Stage, Sync, Sync]]:
    """The second one knows another name of a person, and another member of a group."""
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        other = json.loads(json.dumps(on_stage.directory))
        other["users"][0]["displayName"] = "Amelie Blanc"
        builders = next(g for g in other["groups"] if g["displayName"] == "Builders")
        builders["member"] = builders["member"][1:]
        directories = {"first": on_stage.directory, "second": other}
        make_quick_home(tmp_path / "second")

        def sync(which: str, code: int = 0) -> dict[str, Any]:
            home = "home" if which == "first" else which
            monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / home))
            on_stage.directory = directories[which]
            return on_stage.json("sync", code=code)

        sync("first")
        yield on_stage, partial(sync, "first"), partial(sync, "second")


def _stuck(document: dict[str, Any]) -> set[str]:
    return {f["subject"] for f in document["findings"] if f["kind"] == "does not stick"}


@pytest.mark.incident(28)
def test_28_two_instances_that_reset_each_other_are_recognised_and_reported(
    both: tuple[Stage, Sync, Sync], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adobe user-sync #804: two instances reset each other for ever."""
    on_stage, first, second = both
    monkeypatch.setenv("FIRST_SYNC", "full")
    for _ in range(3):
        stuck = _stuck(second()) | _stuck(first())
    assert stuck == {address(PEOPLE[0]), "Builders"}
    on_stage.server.log.clear()
    for sync in (second, first):
        assert sync()["status"] == "nothing to do"
    assert on_stage.writes == []


@pytest.mark.incident(28)
def test_28_a_second_instance_needs_an_approval_to_take_something_away(
    both: tuple[Stage, Sync, Sync],
) -> None:
    on_stage, _, second = both
    on_stage.server.log.clear()
    document = second(code=3)
    (failed,) = (guard for guard in document["guards"] if not guard["passed"])
    assert failed["name"] == "first_sync_takes_nothing_away"
    assert "1 memberships would be removed" in failed["message"]
    assert on_stage.writes == []
