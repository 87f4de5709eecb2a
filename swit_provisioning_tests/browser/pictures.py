"""The screenshots of the documentation: each page set up so that a reader sees the point of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from swit_provisioning_tests.browser.lineage import Lineage
from swit_provisioning_tests.browser.screens import (
    Launchpad,
    RunPage,
    icon_button,
    metadata_value,
    picture_in,
)
from swit_provisioning_tests.browser.waiting import until

_FOLDER = Path(__file__).parents[2] / "docs" / "images"
_SHARPNESS = 1.5
"""Pixels of the picture for one of the page."""
_MARGIN = 8
# Below an error's words stand the folders of the machine that it came from.
_WHERE_THE_TRACE_BEGINS = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const tops = [window.innerHeight]
    while (walker.nextNode()) {
        const place = walker.currentNode.data.indexOf("Stack Trace")
        if (place < 0) continue
        const range = document.createRange()
        range.setStart(walker.currentNode, place)
        range.setEnd(walker.currentNode, place + 5)
        tops.push(range.getBoundingClientRect().top)
    }
    return Math.min(...tops.filter((top) => top > 400))
}"""


class Pictures:
    """Takes them and leaves them in docs/images/."""

    def __init__(self, browser: Browser, base: str) -> None:
        """Take them from the UI at `base`."""
        self._browser = browser
        self._base = base

    def lineage(self, *, assets: int) -> None:
        """The whole graph, from top to bottom, each asset with no more than its state."""
        with self._page(1440, 1000) as page:
            lineage = Lineage(page, self._base)
            lineage.show_less("Sync status tags", "Latest event", "Automation", "Partitions")
            lineage.draw_downwards()
            lineage.open_groups(assets=assets)
            groups = page.locator("foreignObject.group").all()
            zoom = [icon_button(page, "zoom_in"), icon_button(page, "zoom_out")]
            for part in (*zoom, page.locator("#zoom-slider-container")):
                part.evaluate("part => { part.style.visibility = 'hidden' }")
            _settle(page)
            _save(page, "lineage", _around(groups))

    def user_diff(self) -> None:
        """The preview of who would be created, changed and deactivated."""
        with self._page(1800, 1600) as page:
            page.goto(f"{self._base}/assets/user_diff")
            filter_keys = page.get_by_placeholder("Filter metadata keys")
            filter_keys.fill("preview")
            filter_keys.blur()
            preview = metadata_value(page, "preview")
            expect(preview).to_be_visible()
            page.get_by_text("Columns", exact=True).click()
            page.get_by_text("Status", exact=True).first.click()
            _settle(page)
            end = preview.bounding_box()
            assert end is not None
            width, height = end["x"] + end["width"], end["y"] + end["height"]
            _save(
                page,
                "user-diff",
                {"x": 0, "y": 0, "width": width + _MARGIN, "height": height + _MARGIN},
            )

    def team_tree(self) -> None:
        """The picture of the team tree."""
        with self._page(1440, 1300) as page:
            page.goto(f"{self._base}/assets/team_diff")
            picture_in(page, "tree")
            _settle(page)
            _save(page, "team-tree", _around([page.get_by_role("dialog")]))

    def page(self, path: Path) -> None:
        """The page of a plan: the summary and the guards."""
        with self._page(1100, 1500) as page:
            page.goto(path.as_uri())
            _settle(page)
            teams = page.get_by_role("heading", name="Teams", exact=True).bounding_box()
            assert teams is not None
            _save(
                page, "plan-page", {"x": 0, "y": 0, "width": 1100, "height": teams["y"] - _MARGIN}
            )

    def guards(self, guard: str) -> None:
        """All guards of the plan, and what one of them says."""
        with self._page(1280, 900) as page:
            page.goto(f"{self._base}/assets/change_plan?view=checks")
            page.get_by_title(guard, exact=True).click()
            expect(page.get_by_text("Evaluation result")).to_be_visible()
            _settle(page)
            _save(page, "guards", {"x": 0, "y": 0, "width": 1280, "height": 870})

    def re_execution(self, run_id: str) -> None:
        """A red run and its green re-execution, with the steps that were left to do."""
        with self._page(1180, 800) as page:
            RunPage.open(page, self._base, run_id).ended()
            icon_button(page, "expand_arrows").first.click()
            icon_button(page, "gantt_flat").click()
            _settle(page)
            _save(page, "reexecution", {"x": 0, "y": 0, "width": 1180, "height": 500})

    def stale(self, run_id: str) -> None:
        """A run that was refused because the directory has moved since its plan was made."""
        with self._page(1180, 900) as page:
            RunPage.open(page, self._base, run_id).ended()
            # The log shows its end by itself, and redraws its rows until it has come there.
            _settle(page)
            expect(page.get_by_text("is stale").first).to_be_visible()
            height = page.evaluate(_WHERE_THE_TRACE_BEGINS) - 2
            _save(page, "stale", {"x": 0, "y": 0, "width": 1180, "height": height})

    def mass_departure(self, guard: str) -> None:
        """The guard that stops a mass departure, with what it says."""
        with self._page(1280, 900) as page:
            page.goto(f"{self._base}/assets/change_plan?view=checks")
            page.get_by_title(guard, exact=True).click()
            expect(page.get_by_text("Evaluation result")).to_be_visible()
            _settle(page)
            _save(page, "mass-departure", {"x": 0, "y": 0, "width": 1280, "height": 650})

    def launchpad(self, config: str) -> None:
        """The launchpad of `apply`, with a plan and the reason why it may pass its limits."""
        with self._page(1180, 640) as page:
            launchpad = Launchpad(page, self._base, "apply")
            launchpad.write(config)
            expect(launchpad.launch_button).to_be_enabled()
            _settle(page)
            _save(page, "launchpad", {"x": 0, "y": 0, "width": 1180, "height": 640})

    def approval(self, run_id: str) -> None:
        """The run of an approved plan: who approved it, and why, are its tags."""
        with self._page(1180, 640) as page:
            run = RunPage.open(page, self._base, run_id)
            run.ended()
            run.tags()
            _settle(page)
            _save(page, "approval", {"x": 0, "y": 0, "width": 1180, "height": 330})

    @contextmanager
    def _page(self, width: int, height: int) -> Iterator[Page]:
        """A page of that size, with the navigation folded away."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=_SHARPNESS,
            locale="en-GB",
            timezone_id="UTC",
        )
        page = context.new_page()
        page.goto(f"{self._base}/runs")
        page.get_by_role("button", name="Hide navigation").click()
        yield page
        context.close()


def _settle(page: Page) -> None:
    """Wait until nothing moves any more: two looks in a row are the same."""
    page.mouse.move(0, 0)
    looks = [b""]

    def still() -> bool | None:
        looks.append(page.screenshot())
        return True if looks[-1] == looks[-2] else None

    until(still, seconds=20, what=lambda: "the page did not come to rest")


def _save(page: Page, name: str, clip: FloatRect) -> None:
    page.screenshot(path=_FOLDER / f"{name}.png", clip=clip)


def _around(parts: list[Locator]) -> FloatRect:
    """The rectangle that holds them all, and a margin."""
    boxes = [box for box in (part.bounding_box() for part in parts) if box is not None]
    left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {
        "x": left - _MARGIN,
        "y": top - _MARGIN,
        "width": right - left + 2 * _MARGIN,
        "height": bottom - top + 2 * _MARGIN,
    }
