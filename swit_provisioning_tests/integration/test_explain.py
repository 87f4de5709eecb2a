"""`explain` on real reads of both sides, before and after plans were applied."""

from collections.abc import Iterator
from typing import Any

import pytest

from swit_provisioning.report.redaction import code_of
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.directories import PEOPLE, address, group_dn, user_dn
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.report.hostile import NAMES

FIRST = PEOPLE[0]


@pytest.fixture(scope="module")
def on_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One organisation that was synced once; tests here change the directory alone."""
    with (
        pytest.MonkeyPatch.context() as patched,
        stage(patched, tmp_path_factory.mktemp("stage"), SandboxServer()) as made,
    ):
        made.json("sync")
        yield made


@pytest.fixture(autouse=True)
def _settings_of_the_stage(
    _a_machine_without_settings: None, on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in on_stage.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def directory(on_stage: Stage) -> Iterator[dict[str, list[dict[str, Any]]]]:
    before = on_stage.directory
    on_stage.directory = {side: [dict(entry) for entry in before[side]] for side in before}
    yield on_stage.directory
    on_stage.directory = before


def explained(on_stage: Stage, who: str) -> dict[str, Any]:
    (found,) = on_stage.json("explain", who)["explained"]
    return dict(found)


def test_a_person_is_explained_in_one_screen(on_stage: Stage) -> None:
    told = on_stage.run("explain", address(FIRST).upper()).stdout
    lines = told.splitlines()
    assert lines[0].startswith("Organisation: ")
    assert "as read now" in lines[1]
    assert FIRST in lines
    for part in (
        user_dn(FIRST),
        f"{address(FIRST)} (mail: identifies the person)",
        'Builders: member of its team "Builders"',
        "Works through Builders: not a member of its team",
        "follows it.",
        "user.create",
        "membership.add",
    ):
        assert part in told, part


def test_json_has_the_same_and_the_history(on_stage: Stage) -> None:
    found = explained(on_stage, FIRST)
    assert found["kind"] == "person"
    assert found["entry"]["dn"] == user_dn(FIRST)
    assert [account["email"] for account in found["accounts"]] == [address(FIRST)]
    assert found["changes"] == []
    done = [(deed["action"], deed["outcome"]) for deed in found["history"]]
    assert ("user.create", "applied") in done
    assert ("membership.add", "applied") in done
    for deed in found["history"]:
        assert deed["after"].get("emails", [address(FIRST)]) == [address(FIRST)]


def test_a_departure_is_explained_with_the_guard_that_would_block_it(
    on_stage: Stage, directory: dict[str, list[dict[str, Any]]]
) -> None:
    del directory["users"][:9]
    document = on_stage.json("explain", address(FIRST))
    (found,) = document["explained"]
    assert found["entry"] is None
    assert [change["action"] for change in found["changes"]] == [
        "user.deactivate",
        "membership.remove",
    ]
    assert "has left the directory" in found["rule"]
    assert "deactivations_within_limit" in document["stopped_by"]
    told = on_stage.run("explain", address(FIRST)).stdout
    assert "stopped by directory_has_not_shrunk, deactivations_within_limit" in told


def test_a_new_person_and_a_new_group_are_explained_before_they_are_in_swit(
    on_stage: Stage, directory: dict[str, list[dict[str, Any]]]
) -> None:
    dn = user_dn("New Comer")
    directory["users"].append(
        {**directory["users"][0], "distinguishedName": dn, "mail": "new@example.org",
         "displayName": "New Comer"}
    )  # fmt: skip
    directory["groups"].append(
        {**directory["groups"][0], "distinguishedName": group_dn("Night"),
         "displayName": "Night", "member": [dn], "memberOf": [group_dn("House")]}
    )  # fmt: skip
    found = explained(on_stage, "new@example.org")
    assert (found["accounts"], found["history"]) == ([], [])
    assert [change["action"] for change in found["changes"]] == ["user.create", "membership.add"]
    team = explained(on_stage, "Night")
    assert team["team"] is None
    assert team["rule"] == 'The group has no team: "Night" is created, below "House".'
    told = on_stage.run("explain", "Night").stdout
    assert "1 people" not in told
    assert "1 person, 0 groups, 0 others" in told
    assert "nothing, as far as the journal goes back" in told


def test_a_team_is_explained_with_its_place_and_its_history(on_stage: Stage) -> None:
    found = explained(on_stage, "Builders")
    assert found["team"]["above"][1:] == ["House", "Product", "Works"]
    assert found["team"]["members"] == 5
    assert found["history"][0]["action"] == "team.create"


def test_an_unknown_name_is_an_error_with_similar_names(on_stage: Stage) -> None:
    result = on_stage.run("explain", address(FIRST).replace("amelie", "amelia"))
    assert (result.exit_code, result.stdout) == (2, "")
    told = " ".join(result.stderr.split())
    assert f"Did you mean: {address(FIRST)}" in told
    assert told.endswith("swit-provisioning explain someone@example.com")
    hidden = on_stage.run("explain", "amelia.roux@example.org", "--no-names")
    assert "amelie" not in hidden.stderr


def test_a_deleted_user_is_explained_from_the_journal(
    on_stage: Stage, directory: dict[str, list[dict[str, Any]]]
) -> None:
    gone = PEOPLE[3]
    directory["users"] = [user for user in directory["users"] if user["displayName"] != gone]
    organisation = on_stage.organisation
    with organisation.lock:
        organisation.remove_user(on_stage.users()[address(gone)]["id"])
    result = on_stage.run("explain", address(gone))
    assert result.exit_code == 0
    assert f"{address(gone)} is on neither side now, but was before." in result.stdout
    assert "user.create" in result.stdout
    assert explained(on_stage, address(gone))["kind"] == "gone"


def test_no_names_hides_the_person_but_not_the_reasons(on_stage: Stage) -> None:
    for form in ((), ("--json",)):
        told = on_stage.run("explain", address(FIRST), "--no-names", *form).stdout
        assert code_of(address(FIRST)) in told
        for word in (FIRST, user_dn(FIRST), FIRST.split()[1]):
            assert word not in told.replace(f'"asked": "{address(FIRST)}"', "")


@pytest.mark.parametrize("name", NAMES)
def test_names_cannot_control_the_terminal(
    on_stage: Stage, directory: dict[str, list[dict[str, Any]]], name: str
) -> None:
    directory["users"][0]["displayName"] = name
    directory["groups"][0]["displayName"] = name
    for who in (address(FIRST), group_dn("Builders")):
        result = on_stage.run("explain", who)
        assert result.exit_code == 0
        for steering in "\x1b\x07\x9b\u202e\u2068\u200f":
            assert steering not in result.stdout
