"""`plan` in the UI, what its assets show there, and how that plan is applied."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.people_file import PeopleFile
from swit_provisioning_tests.browser.pictures import Pictures
from swit_provisioning_tests.browser.screens import Launchpad, metadata_value, picture_in

NEWCOMER = "Ines Novak"
HOSTILE = "Zoe <script>window.ran=1</script> | `b` **bold** [x](javascript:window.ran=1)"


def height_of(image: Locator) -> int:
    """The height of a picture, once the browser has read it."""
    height: int = image.evaluate("image => image.decode().then(() => image.naturalHeight)")
    return height


@pytest.fixture(scope="module")
def newcomer(people: PeopleFile) -> str:
    """The address of somebody who has no account yet."""
    return people.hire(NEWCOMER, into="Facilities")


@pytest.fixture(scope="module")
def planned(browser: Browser, dagster: DagsterDev, newcomer: str) -> tuple[str, str]:
    """A run of `plan`, launched in the UI: its id, and how the UI says that it ended."""
    del newcomer
    page = browser.new_page()
    run = Launchpad(page, dagster.url, "plan").launch()
    ended = run.ended()
    page.close()
    return run.run_id, ended


def test_a_plan_is_launched_in_the_ui_and_ends_green(
    planned: tuple[str, str], dagster: DagsterDev
) -> None:
    run_id, ended = planned
    run = dagster.run(run_id)
    assert (ended, run.job, run.status) == ("Success", "plan", "SUCCESS")


@pytest.mark.usefixtures("planned")
def test_user_diff_lists_the_users_to_create(
    page: Page, dagster: DagsterDev, newcomer: str, pictures: Pictures | None
) -> None:
    page.goto(f"{dagster.url}/assets/user_diff")
    preview = metadata_value(page, "preview")
    row = preview.get_by_role("row").filter(has_text=newcomer)
    expect(row).to_have_count(1)
    expect(row).to_contain_text("user.create")
    expect(row).to_contain_text(NEWCOMER)
    if pictures:
        pictures.user_diff()


@pytest.mark.usefixtures("planned")
def test_user_diff_has_a_summary_and_counts(page: Page, dagster: DagsterDev) -> None:
    page.goto(f"{dagster.url}/assets/user_diff")
    expect(metadata_value(page, "summary")).to_have_text(
        re.compile(r"^2 users to deactivate, \d+ to update, 3 to create$")
    )
    expect(metadata_value(page, "user.create")).to_have_text("3")
    expect(metadata_value(page, "user.remove")).to_have_count(0)
    first = metadata_value(page, "preview").get_by_role("row").nth(1)
    expect(first).to_contain_text("user.deactivate")


@pytest.mark.usefixtures("planned")
def test_team_diff_shows_the_tree_with_every_new_team(
    page: Page, dagster: DagsterDev, pictures: Pictures | None
) -> None:
    page.goto(f"{dagster.url}/assets/team_diff")
    image = picture_in(page, "tree")
    assert image.get_attribute("alt") == "The team tree as it will be"
    assert height_of(image) > 100
    if pictures:
        pictures.team_tree()


@pytest.mark.usefixtures("planned")
def test_change_plan_gives_the_path_of_the_plan_page(
    page: Page, dagster: DagsterDev, newcomer: str, pictures: Pictures | None
) -> None:
    page.goto(f"{dagster.url}/assets/change_plan")
    plan_id = metadata_value(page, "plan_id").inner_text().strip()
    path = Path(metadata_value(page, "page").inner_text().strip())
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Plan {plan_id}")
    page.get_by_label("Show rows that contain").fill(newcomer)
    shown = page.locator("#change-user-create tbody > tr:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text(newcomer)
    if pictures:
        pictures.page(path)


@pytest.mark.usefixtures("planned")
def test_change_plan_shows_every_guard_as_passed(
    page: Page, dagster: DagsterDev, pictures: Pictures | None
) -> None:
    page.goto(f"{dagster.url}/assets/change_plan?view=checks")
    for guard in GUARDS:
        expect(page.get_by_title(guard, exact=True)).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(GUARDS))
    if pictures:
        pictures.guards("deactivations_within_limit")


@pytest.mark.usefixtures("planned")
def test_the_launchpad_of_apply_asks_for_a_plan_id_and_applies_that_plan(
    page: Page, dagster: DagsterDev, swit: SandboxServer, newcomer: str
) -> None:
    page.goto(f"{dagster.url}/assets/change_plan")
    plan_id = metadata_value(page, "plan_id").inner_text().strip()
    launchpad = Launchpad(page, dagster.url, "apply")
    expect(page.get_by_text('Missing required config entry "plan_id"')).to_be_visible()
    expect(launchpad.launch_button).to_be_disabled()
    launchpad.write(f"plan_id: {plan_id}\n")
    expect(launchpad.launch_button).to_be_enabled()
    run = launchpad.launch()
    assert run.ended() == "Success"
    assert newcomer in {user["email"] for user in swit.organisation.snapshot()["users"]}


def test_names_are_text_wherever_the_ui_shows_them(
    page: Page, dagster: DagsterDev, people: PeopleFile
) -> None:
    """Swit takes neither < nor * in a name, so the plan has _ for them; the rest stays."""
    address = people.hire(HOSTILE, into=f"Team {HOSTILE}", entry="Hostile Name")
    shown = re.sub(r"[<>*]", "_", HOSTILE)
    assert Launchpad(page, dagster.url, "plan").launch().ended() == "Success"
    page.goto(f"{dagster.url}/assets/user_diff")
    row = metadata_value(page, "preview").get_by_role("row").filter(has_text=address)
    expect(row).to_contain_text(shown)
    page.goto(f"{dagster.url}/assets/team_diff")
    row = metadata_value(page, "preview").get_by_role("row").filter(has_text="team.create")
    expect(row).to_contain_text(f"Team {shown}")
    assert height_of(picture_in(page, "tree")) > 30
    page.goto(f"{dagster.url}/assets/directory_findings")
    finding = metadata_value(page, "preview").get_by_role("row").filter(has_text="Hostile Name")
    expect(finding.filter(has_text="invalid characters in name").first).to_contain_text("<script>")
    assert page.evaluate("window.ran") is None
