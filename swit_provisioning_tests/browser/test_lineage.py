"""The lineage of assets as the UI draws it."""

from typing import Final

from playwright.sync_api import Page

from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.lineage import Lineage
from swit_provisioning_tests.browser.pictures import Pictures

ASSETS_OF: Final = {
    "directory": {"idp_users", "idp_groups", "idp_memberships", "idp_findings"},
    "swit": {"swit_users", "swit_teams", "swit_memberships"},
    "difference": {
        "user_diff",
        "team_diff",
        "sort_diff",
        "membership_diff",
        "directory_findings",
        "change_plan",
    },
    "apply": {
        "accepted_plan",
        "applied_users",
        "applied_teams",
        "applied_sort",
        "applied_memberships",
        "change_log",
    },
}
ASSETS: Final = set().union(*ASSETS_OF.values())


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
    assert shown == ASSETS_OF
    if pictures:
        pictures.lineage(assets=len(ASSETS))
