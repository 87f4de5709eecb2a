"""A plan that went stale, a mass departure that a guard stops, and who lets it through after all.

It changes who is there, so it comes last: what the other tests here rest on is gone after it.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from swit_provisioning.operations.services import current_actor
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.people_file import PeopleFile
from swit_provisioning_tests.browser.pictures import Pictures
from swit_provisioning_tests.browser.screens import Launchpad, metadata_value
from swit_provisioning_tests.cli.terminal import PROGRAM

GUARD = "deactivations_within_limit"
REASON = "The Busan office was sold on Friday"
_LEAVING = 8


def plan_id_on(page: Page, dagster: DagsterDev) -> str:
    page.goto(f"{dagster.url}/assets/change_plan")
    return metadata_value(page, "plan_id").inner_text().strip()


def active(swit: SandboxServer) -> set[str]:
    return {user["email"] for user in swit.organisation.snapshot()["users"] if user["active"]}


def test_a_plan_is_refused_after_the_directory_has_changed(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    people: PeopleFile,
    pictures: Pictures | None,
) -> None:
    address = people.everybody[-1]["mail"]
    people.rename(address, "Robin Renamed")
    assert Launchpad(page, dagster.url, "plan").launch().ended() == "Success"
    plan_id = plan_id_on(page, dagster)
    people.rename(address, "Robin Renamed Again")
    before = swit.organisation.snapshot()
    launchpad = Launchpad(page, dagster.url, "apply")
    launchpad.write(f"plan_id: {plan_id}\n")
    run = launchpad.launch()
    assert run.ended() == "Failure"
    expect(
        page.get_by_text(f"Plan {plan_id} is stale: user.update of {address}").first
    ).to_be_visible()
    assert swit.organisation.snapshot() == before
    if pictures:
        pictures.stale(run.run_id)


@pytest.fixture(scope="module")
def departed(browser: Browser, dagster: DagsterDev, people: PeopleFile) -> tuple[list[str], str]:
    """Many have left, says the directory: their addresses, and the plan that a guard stops."""
    page = browser.new_page()
    assert Launchpad(page, dagster.url, "sync").launch().ended() == "Success"
    gone = people.let_go(_LEAVING)
    assert Launchpad(page, dagster.url, "plan").launch().ended() == "Canceled"
    plan_id = plan_id_on(page, dagster)
    page.close()
    return gone, plan_id


def test_a_guard_blocks_a_mass_departure_and_says_how_to_approve_it(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    departed: tuple[list[str], str],
    pictures: Pictures | None,
) -> None:
    gone, plan_id = departed
    page.goto(f"{dagster.url}/assets/change_plan?view=checks")
    page.get_by_title(GUARD, exact=True).click()
    expect(page.get_by_text("MAX_DEACTIVATIONS=10%").first).to_be_visible()
    launchpad = Launchpad(page, dagster.url, "apply")
    launchpad.write(f"plan_id: {plan_id}\n")
    run = launchpad.launch()
    assert run.ended() == "Canceled"
    assert set(gone) <= active(swit)
    assert not dagster.run(run.run_id).failed
    expect(page.get_by_text(re.compile(r"^Blocked: \d+ of \d+ active users")).first).to_be_visible()
    expect(page.get_by_text("Stack Trace")).to_have_count(0)
    expect(run.tags().get_by_text("swit_provisioning/blocked")).to_be_visible()
    if pictures:
        pictures.mass_departure(GUARD)


def test_an_approved_plan_is_applied_and_the_journal_names_the_approver(
    page: Page,
    dagster: DagsterDev,
    swit: SandboxServer,
    departed: tuple[list[str], str],
    environment: Mapping[str, str],
    tmp_path: Path,
    pictures: Pictures | None,
) -> None:
    gone, plan_id = departed
    config = f"plan_id: {plan_id}\napprove: {REASON}\n"
    if pictures:
        pictures.launchpad(config)
    launchpad = Launchpad(page, dagster.url, "apply")
    launchpad.write(config)
    run = launchpad.launch()
    assert run.ended() == "Success"
    tags = run.tags()
    expect(tags).to_contain_text(f"swit_provisioning/approved_because: {REASON}")
    expect(tags).to_contain_text(f"swit_provisioning/approved_by: {current_actor()}")
    assert not set(gone) & active(swit)
    if pictures:
        pictures.approval(run.run_id)
    told = subprocess.run(  # noqa: S603 - our own command
        [PROGRAM, "history", "--user", gone[0], "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=240,
    )
    last = json.loads(told.stdout)["entries"][-1]
    assert last["run_id"] == run.run_id
    assert (last["approval"]["who"], last["approval"]["why"]) == (current_actor(), REASON)
