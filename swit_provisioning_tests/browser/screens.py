"""The pages of the Dagster UI, and how a person reads and uses them."""

import re
from typing import Final, Self

from playwright.sync_api import Locator, Page, expect

LOCATION: Final = "swit_provisioning"
_RUN_MILLISECONDS: Final = 240_000
"""How long a run may take; the daemon looks at its queue every 5 seconds."""
_ENDED: Final = re.compile(r"^(Success|Failure|Canceled)$")


class Launchpad:
    """Where a job is configured and launched."""

    def __init__(self, page: Page, base: str, job: str) -> None:
        """Open the launchpad of a job."""
        self._page = page
        page.goto(f"{base}/locations/{LOCATION}/jobs/{job}/playground")
        self.launch_button = page.get_by_role("button", name="Launch Run")
        expect(self.launch_button).to_be_visible()

    def write(self, config: str) -> None:
        """Replace the whole configuration (YAML)."""
        self._page.locator(".CodeMirror").first.click()
        self._page.keyboard.press("ControlOrMeta+KeyA")
        self._page.keyboard.insert_text(config)

    def launch(self) -> "RunPage":
        """Press the button; the page of the new run opens."""
        self.launch_button.click()
        return RunPage(self._page)


class RunPage:
    """The page of one run."""

    def __init__(self, page: Page, *, after: str | None = None) -> None:
        """Wait until the page of a run is open, another one than that of the run `after`."""
        self.page = page
        page.wait_for_url(lambda address: _run_id(address) not in {None, after})
        self.run_id = _run_id(page.url) or ""

    @classmethod
    def open(cls, page: Page, base: str, run_id: str) -> Self:
        """Go to the page of a run that was started elsewhere."""
        page.goto(f"{base}/runs/{run_id}")
        return cls(page)

    def ended(self) -> str:
        """Wait until the run has ended; the word that the page says it with."""
        word = self.page.get_by_text(_ENDED).first
        expect(word).to_be_visible(timeout=_RUN_MILLISECONDS)
        return word.inner_text()

    def tags(self) -> Locator:
        """Open what the run was started with and what was noted on it."""
        self.page.get_by_role("button", name="View tags and config").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        return dialog

    def re_execute_from_failure(self) -> "RunPage":
        """Choose that from the menu beside the button; the page of the new run opens."""
        button = self.page.get_by_role("button", name="Re-execute")
        button.locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="From failure").click()
        return RunPage(self.page, after=self.run_id)


def icon_button(page: Page, icon: str) -> Locator:
    """A button that shows nothing but that icon."""
    return page.get_by_role("button").filter(has=page.get_by_role("img", name=icon, exact=True))


def metadata_value(page: Page, key: str) -> Locator:
    """On an asset's page: the cell beside a key of the latest metadata."""
    cell = page.get_by_role("cell").filter(has=page.get_by_text(key, exact=True)).first
    return cell.locator("xpath=following-sibling::td[last()]")


def picture_in(page: Page, key: str) -> Locator:
    """On an asset's page: the picture that a value of the latest metadata shows on demand."""
    metadata_value(page, key).get_by_text("Show Markdown").click()
    image = page.get_by_role("dialog").get_by_role("img").last
    expect(image).to_be_visible()
    return image


def _run_id(address: str) -> str | None:
    found = re.search(r"/runs/([0-9a-f-]{36})", address)
    return found.group(1) if found else None
