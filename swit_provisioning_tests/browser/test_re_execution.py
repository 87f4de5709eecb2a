"""A sync that failed half way is finished in the UI, however it was started."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Page

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.people_file import PeopleFile
from swit_provisioning_tests.browser.pictures import Pictures
from swit_provisioning_tests.browser.screens import Launchpad, RunPage

_COMMAND = Path(sys.executable).with_name("swit-provisioning")


def _cannot_create_team(name: str, *, status: int) -> Fault:
    return Fault(
        kind="status",
        call="team.create",
        status=status,
        times=None,
        where=lambda arguments: arguments.get("name") == name,
    )


def _assert_it_was_finished(
    dagster: DagsterDev, swit: SandboxServer, *, red: str, green: str, address: str, team: str
) -> None:
    """Only what was left was done: no step that succeeded ran again, nobody was created twice."""
    before, after = dagster.run(red), dagster.run(green)
    assert before.status == "FAILURE"
    assert before.failed == {"applied_teams.settle_teams"}
    assert (after.status, after.parent) == ("SUCCESS", red)
    assert {"read_directory", "compute_difference", "applied_users.create_users"} < before.succeeded
    assert "applied_memberships.settle_memberships" in after.succeeded
    assert not before.succeeded & after.succeeded
    created = Counter(
        call.arguments["user_email"] for call in swit.log.of("organization.user.create")
    )
    assert created[address] == 1
    assert created.most_common(1)[0][1] == 1
    found = swit.organisation.snapshot()
    (user,) = (user for user in found["users"] if user["email"] == address)
    (made,) = (made for made in found["teams"] if made["name"] == team)
    assert made["user_ids"] == [user["id"]]


def test_a_failed_sync_of_the_ui_is_re_executed_from_failure(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    people: PeopleFile,
    pictures: Pictures | None,
) -> None:
    address = people.hire("Robin Newcomer", into="Field Service")
    swit.faults.add(_cannot_create_team("Field Service", status=503))
    red = Launchpad(page, dagster.url, "sync").launch()
    assert red.ended() == "Failure"
    swit.faults.clear()
    green = red.re_execute_from_failure()
    assert green.ended() == "Success"
    _assert_it_was_finished(
        dagster, swit, red=red.run_id, green=green.run_id, address=address, team="Field Service"
    )
    if pictures:
        pictures.re_execution(green.run_id)


def test_a_failed_sync_of_the_command_line_is_re_executed_in_the_ui(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    people: PeopleFile,
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    address = people.hire("Kim Latecomer", into="Warehouse")
    swit.faults.add(_cannot_create_team("Warehouse", status=401))
    command = subprocess.run(  # noqa: S603 - our own command
        [_COMMAND, "sync", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert command.returncode == 1, command.stderr.decode()
    swit.faults.clear()
    red = RunPage.open(page, dagster.url, json.loads(command.stdout)["run_id"])
    assert red.ended() == "Failure"
    green = red.re_execute_from_failure()
    assert green.ended() == "Success"
    _assert_it_was_finished(
        dagster, swit, red=red.run_id, green=green.run_id, address=address, team="Warehouse"
    )
