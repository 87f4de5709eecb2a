"""The page with the graph of all assets, each drawn inside its group."""

import re
from dataclasses import dataclass
from typing import Final, Self

from playwright.sync_api import Page, expect

from swit_provisioning_tests.browser.screens import icon_button

_BOXES: Final = """boxes => boxes.map(box => ({
    name: box.textContent, is_group: box.classList.contains('group'),
    x: box.x.baseVal.value, y: box.y.baseVal.value,
    width: box.width.baseVal.value, height: box.height.baseVal.value}))"""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of the graph: a group or an asset; a long name has `…` in the middle."""

    name: str
    is_group: bool
    x: float
    y: float
    width: float
    height: float

    def holds(self, other: Self) -> bool:
        """Whether the other one is drawn inside this one."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def is_called(self, name: str) -> bool:
        """Whether this is the box of that asset."""
        if "…" not in self.name:
            return self.name == name
        start, _, end = self.name.partition("…")
        return name.startswith(start) and name.endswith(end)


class Lineage:
    """The graph; its groups are closed at first."""

    def __init__(self, page: Page, base: str) -> None:
        """Open the page and wait for the first group."""
        self._page = page
        page.goto(f"{base}/asset-groups")
        expect(page.locator("foreignObject.group").first).to_be_visible()

    def show_less(self, *facets: str) -> None:
        """Take these lines off all assets."""
        icon_button(self._page, "config").click()
        dialog = self._page.get_by_role("dialog")
        for facet in facets:
            dialog.get_by_text(facet, exact=True).first.click()
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)

    def draw_downwards(self) -> None:
        """Let the arrows point down instead of to the right."""
        self._choose("Change graph to vertical orientation")

    def open_groups(self, *, assets: int) -> None:
        """Open all groups, until so many assets are drawn."""
        self._choose("Expand all groups")
        self._page.wait_for_url(re.compile("expanded="))
        # The address says what is open, and a fresh page fits the whole graph into the window.
        self._page.reload()
        drawn = self._page.locator("foreignObject:not(.group)").filter(has_text=re.compile(r"\w"))
        expect(drawn).to_have_count(assets)

    def boxes(self) -> list[Box]:
        """What is drawn."""
        found = self._page.locator("foreignObject").evaluate_all(_BOXES)
        return [Box(**box) for box in found if box["name"]]

    def _choose(self, item: str) -> None:
        """Take an entry of the menu that a right click beside the graph opens."""
        corner = icon_button(self._page, "download_for_offline").bounding_box()
        assert corner is not None
        self._page.mouse.click(corner["x"] - 80, corner["y"], button="right")
        self._page.get_by_role("menuitem", name=item).click()
