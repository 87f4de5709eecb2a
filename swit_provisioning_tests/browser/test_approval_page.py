"""A person approves and rejects plans on a phone, with and without script."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from swit_provisioning.planning.model import PlanHash
from swit_provisioning_tests.apply.changes import departures
from swit_provisioning_tests.gateway.approval_site import (
    APPROVAL_KEY,
    ApprovalSite,
    approval_site,
)
from swit_provisioning_tests.ports import free_port

PHONE: ViewportSize = {"width": 360, "height": 740}
_TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter(e =>
  e.checkVisibility() && !e.closest(".tree, .unseen, .skip, thead") &&
  e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ApprovalSite]:
    with approval_site(tmp_path) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def phone(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, java_script_enabled=request.param
    )
    yield context.new_page()
    context.close()


def _show(page: Page, site: ApprovalSite, plan_hash: PlanHash) -> None:
    page.goto(f"{site.url}/plans/{plan_hash}")
    page.get_by_label("Your name").fill("Ann Kim")
    page.get_by_label("APPROVAL_KEY").fill(APPROVAL_KEY)
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(plan_hash[:12])


def test_a_plan_is_approved_and_taken_back_on_a_phone(phone: Page, site: ApprovalSite) -> None:
    complaints: list[str] = []
    phone.on("console", lambda message: complaints.append(message.text))
    plan_hash = site.make(departures(1, 2, 3))
    phone.goto(f"{site.url}/plans/{plan_hash}")
    phone.get_by_label("Your name").fill("Ann Kim")
    phone.get_by_label("APPROVAL_KEY").fill("wrong")
    phone.get_by_role("button", name="Show the plan").tap()
    expect(phone.get_by_role("alert")).to_contain_text("The key is wrong")
    _show(phone, site, plan_hash)
    expect(phone.get_by_role("region", name="Decision")).to_contain_text("You are Ann Kim")
    expect(phone.get_by_text("deactivations within limit").first).to_be_visible()
    reason = phone.get_by_role("textbox", name="Reason")
    approve = phone.get_by_role("button", name="Approve this plan")
    for control in (reason, approve):
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= PHONE["width"]
    approve.tap()
    assert site.approval(plan_hash) is None, "the browser asks for a reason"
    reason.fill("the Busan office was sold")
    approve.tap()
    expect(phone.locator(".state")).to_contain_text("Approved by Ann Kim (with APPROVAL_KEY)")
    approval = site.approval(plan_hash)
    assert approval is not None
    assert approval.reason == "the Busan office was sold"
    expect(approve).to_have_count(0)
    phone.get_by_role("textbox", name="Reason").fill("it was not")
    phone.get_by_role("button", name="Reject this plan").tap()
    expect(phone.locator(".state")).to_contain_text("Rejected by Ann Kim (with APPROVAL_KEY)")
    assert site.approval(plan_hash) is None
    assert [text for text in complaints if "401" not in text and "favicon" not in text] == []


def test_the_page_fits_a_phone_and_a_screen_reader(page: Page, site: ApprovalSite) -> None:
    page.set_viewport_size(PHONE)
    _show(page, site, site.make(departures(1, 2, 3)))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(_TOO_WIDE) == []
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    approve = page.get_by_role("button", name="Approve this plan")
    expect(approve).to_have_accessible_description(
        "Approve: the plan may be applied, past deactivations within limit. Approving does not"
        " apply it."
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the decision")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Reason")).to_be_focused()


def test_a_form_that_is_sent_again_decides_nothing(page: Page, site: ApprovalSite) -> None:
    """A browser's Back button may show a form once more."""
    page.set_viewport_size(PHONE)
    plan_hash = site.make(departures(1, 2, 3))
    _show(page, site, plan_hash)
    token = page.locator("[name=token]").input_value()
    page.get_by_role("textbox", name="Reason").fill("sold")
    page.get_by_role("button", name="Approve this plan").click()
    expect(page.locator(".state")).to_contain_text("Approved by Ann Kim")
    page.locator("[name=token]").evaluate("(field, old) => { field.value = old }", token)
    page.get_by_role("textbox", name="Reason").fill("not sold")
    page.get_by_role("button", name="Reject this plan").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was decided")
    assert site.approval(plan_hash) is not None


def test_a_page_of_the_same_site_neither_sends_nor_frames_the_form(
    page: Page, site: ApprovalSite
) -> None:
    """The browser sends even a strict cookie there: ports don't make another site."""
    plan_hash = site.make(departures(1, 2, 3))
    _show(page, site, plan_hash)
    token, target = page.locator("[name=token]").input_value(), page.url
    evil = f"http://127.0.0.1:{free_port()}/"
    fields = {"token": token, "decision": "approve", "reason": "sold"}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    attack = (
        f'<iframe src="{target}"></iframe><form method="post" action="{target}">{inputs}</form>'
    )
    page.route(evil, lambda route: route.fulfill(body=attack, content_type="text/html"))
    page.goto(evil)
    assert page.frame_locator("iframe").get_by_role("heading").count() == 0
    page.locator("form").evaluate("form => form.submit()")
    expect(page.get_by_role("alert")).to_contain_text("does not come from a page of this gateway")
    assert page.url == target
    assert site.approval(plan_hash) is None
