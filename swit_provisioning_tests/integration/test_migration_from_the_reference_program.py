"""From the reference program to this one: the same settings, and a first plan that is empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.integration.reference_program import provision
from swit_provisioning_tests.integration.stage import Stage, stage

EXCLUDED = "Back Office"
ITS_SETTINGS = """\
IS_RUNNING_LOCALLY=False # Set to False when running on the server
SWIT_CLIENT_ID={client_id}
SWIT_CLIENT_SECRET={client_secret}
OPERATION_AUTH_KEY=1234
SCHEDULE_TIME='00:00'

# New user's default settings
DEFAULT_USER_LANGUAGE=en

# Logger
SWIT_WEBHOOK_URL=https://hook.swit.io/chat/xxxxxxxx/xxxxxx

TEAMS_TO_EXCLUDE="Back Office"

# LDAP (only for LDAP)
LDAP_SERVER_DOMAIN=
LDAP_SERVER_PORT=
LDAP_USER=
LDAP_PASSWORD=
LDAP_SEARCH_BASE="DC=example,DC=org"
LDAP_USER_OUS=Staff,Partners
LDAP_GROUP_OUS=Units
"""


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """An organisation that the reference program has built from the same directory."""
    server = SandboxServer()
    with stage(monkeypatch, tmp_path, server) as made:
        made.directory["users"][4]["displayName"] = "Elif Demir; Sales <EMEA>"
        made.directory["users"][5]["mobile"] = "+49 (0) 176 / 00 00 05"
        made.directory["groups"][9]["displayName"] = "Money {& More}"
        provision(server, made.directory, excluded=EXCLUDED)
        yield made


def test_the_first_plan_on_what_it_built_is_empty(moved: Stage) -> None:
    plan = moved.json("plan")
    assert plan["counts"] == {}
    assert plan["changes"] == plan["disabled"] == []
    assert moved.json("sync")["status"] == "nothing to do"
    assert moved.writes == []


def test_its_settings_file_is_read_unchanged(
    moved: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SWIT_CLIENT_ID", "SWIT_CLIENT_SECRET", "TEAMS_TO_EXCLUDE"):
        monkeypatch.delenv(name)
    server = moved.server
    text = ITS_SETTINGS.format(client_id=server.client_id, client_secret=server.client_secret)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert moved.json("plan")["counts"] == {}


def test_changes_that_only_it_would_have_made_are_not_planned(moved: Stage) -> None:
    """It deleted every team that is no group's, and could not activate anybody."""
    club = moved.organisation.add_team("Chess Club")
    back = moved.directory["users"][7]["mail"]
    gone = moved.users()[back]["id"]
    with moved.organisation.lock:
        moved.organisation.records.users[gone].active = False
    plan = moved.json("plan", code=3)
    assert plan["counts"] == {"user.activate": 1}
    assert [change["target"] for change in plan["changes"]] == [back]
    (stopped,) = (guard["name"] for guard in plan["guards"] if not guard["passed"])
    assert stopped == "first_sync_takes_nothing_away"
    applied = moved.json("apply", plan["plan_id"], "--approve", "they are back")
    assert applied["status"] == "applied"
    assert moved.users()[back]["active"]
    assert club in {team["id"] for team in moved.teams().values()}


def test_an_address_that_the_directory_writes_in_another_case_is_the_same_person(
    moved: Stage,
) -> None:
    """It compared addresses with their case: a second account, and the first one deactivated."""
    twice = moved.directory["users"][2]["mail"]
    moved.directory["users"][2]["mail"] = twice.upper()
    assert moved.json("plan")["counts"] == {}


def test_with_its_rule_for_teams_the_plan_is_the_same_as_its_own(
    moved: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved.organisation.add_team("Chess Club")
    monkeypatch.setenv("UNMANAGED_TEAMS", "delete")
    plan = moved.json("plan", code=3)
    assert plan["counts"] == {"team.delete": 1}
    assert plan["changes"][0]["target"] == "Chess Club"
