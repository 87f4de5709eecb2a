"""Runs that the gateway starts look like any other in the UI."""

from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Page, expect

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.people_file import PeopleFile
from swit_provisioning_tests.browser.screens import RunPage
from swit_provisioning_tests.integration.gateway_process import KEY, GatewayProcess
from swit_provisioning_tests.ports import free_port


def test_a_sync_that_the_gateway_started_is_in_the_ui(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    people: PeopleFile,
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    address = people.hire("Sam Summoned", into="Reception")
    own = {"OPERATION_AUTH_KEY": KEY, "PORT": str(free_port())}
    with GatewayProcess({**environment, **own}, tmp_path) as gateway, gateway.client() as client:
        run_id = client.ask("/user_update", "POST").json()["run_id"]
        assert gateway.ended(run_id) == 0, gateway.terminal.errors
    run = RunPage.open(page, dagster.url, run_id)
    assert run.ended() == "Success"
    expect(page.get_by_role("button", name="Re-execute")).to_be_enabled()
    assert dagster.run(run_id).job == "sync"
    assert address in {user["email"] for user in swit.organisation.snapshot()["users"]}
