"""The page of a plan in a real browser: safe, readable on a phone, and searchable."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from swit_provisioning.planning.guards import judge
from swit_provisioning.planning.limits import History
from swit_provisioning.planning.model import Plan
from swit_provisioning.planning.policy import Limits
from swit_provisioning.report.page import OPEN_AT_MOST, PlanFacts, plan_page
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import change, plan_with
from swit_provisioning_tests.report.hostile import NAMES, SCRIPT, hostile_plan

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 900}

_CONTRASTS = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parts = (colour) => (colour.match(/[0-9.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const worst = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, option")) continue;
    const style = getComputedStyle(element);
    const inSvg = element.closest("svg text");
    const ink = light(parts(inSvg ? style.fill : style.color));
    const paper = light(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) worst[walker.currentNode.data.trim().slice(0, 40)] = ratio;
  }
  return worst;
}"""
_TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter(e =>
  e.checkVisibility() && !e.closest(".tree, .unseen, .skip, thead") &&
  e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""
_UNNAMED = """() => [...document.querySelectorAll("input, select, button, [role=region], table")]
  .filter(e => !(e.labels?.length || e.getAttribute("aria-label") || e.caption?.textContent ||
    document.getElementById(e.getAttribute("aria-labelledby") ?? "")?.textContent))
  .map(e => e.outerHTML.slice(0, 80))"""


def write(plan: Plan, folder: Path) -> str:
    verdicts = judge(plan, Limits(), History(last_read=plan.baselines.directory))
    facts = PlanFacts(
        plan_id=plan.plan_id,
        created_at=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
        guard_results=[verdict.document() for verdict in verdicts],
        calls=46,
        duration="5 seconds",
        state=("Ready to be applied.",),
        state_at=datetime(2026, 3, 1, 2, 31, tzinfo=UTC),
        advice="To apply it: swit-provisioning apply 8e788415fdc6",
        pending=True,
        mode="live",
    )
    path = folder / f"{plan.plan_id}.html"
    path.write_text(plan_page(plan, facts), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def said(page: Page) -> Iterator[list[str]]:
    """What the browser complains of while the page is used: nothing may be left of it."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    yield heard
    assert [line for line in heard if not line.startswith("file:")] == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_hostile_names_run_no_script_and_keep_the_layout(
    page: Page, said: list[str], tmp_path: Path, size: ViewportSize
) -> None:
    page.set_viewport_size(size)
    page.goto(write(hostile_plan(), tmp_path))
    for details in page.locator("details:not([open]) > summary").all():
        if details.is_visible():
            details.click()
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert page.evaluate(_TOO_WIDE) == []
    assert page.locator("img, iframe, object, [onload], [onerror]").count() == 0
    expect(page.get_by_role("cell", name=SCRIPT, exact=True).first).to_be_visible()
    rows = page.locator("#change-user-create tbody > tr")
    assert rows.count() == len(NAMES)
    expect(rows.first.locator("td").nth(2)).to_be_visible()
    assert len(said) == 1


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    page: Page, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    """WCAG AA: 4.5 to 1."""
    page.emulate_media(color_scheme=scheme)
    plan = plan_of_the_day()
    page.goto(write(Plan(**{**vars(plan), "disabled": plan.changes[:3]}), tmp_path))
    assert page.evaluate(_CONTRASTS) == {}


@pytest.mark.usefixtures("said")
def test_a_screen_reader_can_navigate(page: Page, tmp_path: Path) -> None:
    page.goto(write(plan_of_the_day(), tmp_path))
    assert page.evaluate(_UNNAMED) == []
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    expect(page.get_by_role("img", name="The team tree as it will be")).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()


@pytest.mark.usefixtures("said")
def test_everything_is_reached_with_the_keyboard(page: Page, tmp_path: Path) -> None:
    page.goto(write(plan_of_the_day(), tmp_path))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the changes")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Show rows that contain")).to_be_focused()
    page.keyboard.type("gil")
    expect(page.locator("#shown")).to_have_text("3 shown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    folded = page.locator("details.group:visible > summary").first
    expect(folded).to_be_focused()
    page.keyboard.press("Enter")
    expect(folded.locator("xpath=..")).not_to_have_attribute("open", "")


@pytest.mark.usefixtures("said")
def test_the_filter_shows_rows_with_all_words_and_can_be_cleared(
    page: Page, tmp_path: Path
) -> None:
    page.goto(write(plan_of_the_day(), tmp_path))
    rows = page.locator(".group tbody > tr:visible")
    everything = rows.count()
    words = page.get_by_label("Show rows that contain")
    words.fill("ANN@x Ops")
    expect(page.locator("#shown")).to_have_text("1 shown")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("ann@x")
    words.fill("")
    expect(rows).to_have_count(everything)
    expect(page.locator("#shown")).to_have_text("")
    page.get_by_label("Kind", exact=True).select_option(label="Teams deleted")
    expect(rows).to_have_count(10)
    words.fill("nobody is called so")
    expect(page.locator("#shown")).to_have_text("0 shown")
    expect(rows).to_have_count(0)


def test_without_javascript_everything_is_shown(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write(plan_of_the_day(), tmp_path))
    rows = page.locator(".group tbody > tr")
    expect(rows).to_have_count(len(plan_of_the_day().changes) + len(plan_of_the_day().findings))
    for row in rows.all():
        expect(row).to_be_visible()
    expect(page.locator("#filter")).to_be_hidden()
    context.close()


@pytest.mark.usefixtures("said")
def test_many_changes_are_collapsed_by_action_and_the_summary_links_expand_them(
    page: Page, tmp_path: Path
) -> None:
    people = [change("user.create", f"new:user:{n}@x") for n in range(OPEN_AT_MOST + 1)]
    page.goto(write(plan_with(*people), tmp_path))
    last = page.locator("#change-user-create tbody > tr").last
    expect(last).to_be_hidden()
    page.get_by_role("link", name="501 Users created").click()
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    expect(last).to_contain_text("new:user:500@x")
