"""The lineage of assets as the UI draws it."""

from playwright.sync_api import Page

from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.lineage import Lineage
from swit_provisioning_tests.browser.pictures import Pictures
from swit_provisioning_tests.defs.test_definitions import GROUPS

ASSETS = set().union(*GROUPS.values())


def test_the_lineage_shows_all_assets_in_their_groups(
    page: Page, dagster: DagsterDev, pictures: Pictures | None
) -> None:
    lineage = Lineage(page, dagster.url)
    lineage.open_groups(assets=len(ASSETS))
    boxes = lineage.boxes()
    shown = {
        group.name: {
            name
            for name in ASSETS
            for box in boxes
            if not box.is_group and box.is_called(name) and group.holds(box)
        }
        for group in boxes
        if group.is_group
    }
    assert shown == GROUPS
    if pictures:
        pictures.lineage(assets=len(ASSETS))
