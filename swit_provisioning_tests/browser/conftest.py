"""A real browser on a real `dagster dev`, on the sandbox and a copy of the sample directory."""

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.browser import night as nights
from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.night import Night, is_a_setting
from swit_provisioning_tests.browser.people_file import PeopleFile
from swit_provisioning_tests.browser.pictures import Pictures

# A limit, not a wait: the machine may have much else to do.
_LIMIT_MILLISECONDS = 60_000
expect.set_options(timeout=_LIMIT_MILLISECONDS)
_WITHOUT_ACCOUNT = 2
_FAILED = pytest.StashKey[bool]()
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


@pytest.fixture(scope="package")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    with nights.night(tmp_path_factory.mktemp("night")) as running:
        yield running


@pytest.fixture(scope="package", autouse=True)
def _night_falls_meanwhile(request: pytest.FixtureRequest) -> None:
    """Start the tests' night first: it comes due while the other tests run."""
    if any(item.path.name == "test_nightly_run.py" for item in request.session.items):
        request.getfixturevalue("night")


@pytest.fixture(scope="package")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleFile:
    return PeopleFile(tmp_path_factory.mktemp("directory") / "directory.json")


@pytest.fixture(scope="package")
def swit(people: PeopleFile) -> Iterator[SandboxServer]:
    """Most of the people have an account already, two under an old name; two others have left."""
    organisation = Organisation()
    *known, renamed, also_renamed = people.everybody[_WITHOUT_ACCOUNT:]
    for person in known:
        organisation.add_user(person["mail"], person["displayName"], phone_number=person["mobile"])
    for person in (renamed, also_renamed):
        name = person["displayName"].partition(" ")[0]
        organisation.add_user(person["mail"], name, phone_number=person["mobile"])
    for name in ("Otto Former", "Nina Leaver"):
        organisation.add_user(f"{name.lower().replace(' ', '.')}@example.com", name)
    with SandboxServer(organisation) as server:
        yield server


@pytest.fixture(scope="package")
def environment(
    swit: SandboxServer, people: PeopleFile, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """All variables of the UI's and the command line's processes; none of this machine's ours."""
    home = tmp_path_factory.mktemp("dagster_home")
    with as_file(files("swit_provisioning") / "dagster.yaml") as source:
        shutil.copyfile(source, home / "dagster.yaml")
    tokens = swit.issue_tokens()
    return {
        **{name: value for name, value in os.environ.items() if not is_a_setting(name)},
        "NO_PROXY": "127.0.0.1",
        "DAGSTER_HOME": str(home),
        "IDP_FILE": str(people.path),
        "SWIT_BASE_URL": swit.url,
        "SWIT_SCIM_BASE_URL": swit.scim_url,
        "SWIT_CLIENT_ID": swit.client_id,
        "SWIT_CLIENT_SECRET": swit.client_secret,
        "SWIT_ACCESS_TOKEN": tokens["access_token"],
        "SWIT_REFRESH_TOKEN": tokens["refresh_token"],
        "SWIT_REQUESTS_PER_SECOND": "200",
        "FIRST_SYNC": "full",
    }


@pytest.fixture(scope="package")
def dagster(
    environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DagsterDev]:
    with DagsterDev(environment, tmp_path_factory.mktemp("dagster_dev")) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser; ended with this package, as Playwright's event loop would disturb Dagster's."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.fail(
            f"No browser: none of {', '.join(_BROWSERS)} is on the PATH."
            " On Debian and Ubuntu: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=_BROWSER_ARGUMENTS)
        yield running
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser that has never been here; what it showed when a test failed is kept."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC"
    )
    context.set_default_timeout(_LIMIT_MILLISECONDS)
    opened = context.new_page()
    yield opened
    if request.node.stash.get(_FAILED, False):
        seen = tmp_path / "seen.png"
        opened.screenshot(path=seen)
        print(f"What the browser showed: {seen}")  # noqa: T201 - pytest shows it with the failure
    context.close()


@pytest.fixture(scope="package")
def pictures(browser: Browser, dagster: DagsterDev) -> Pictures | None:
    """Who takes the screenshots of the documentation, where `SCREENSHOTS=1` asks for them."""
    wanted = os.environ.get("SCREENSHOTS") == "1"
    return Pictures(browser, dagster.url) if wanted else None
