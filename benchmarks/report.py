"""How fast the page of a plan is made and opens in Chromium, with 10, 1,000 and 50,000 changes."""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from made_plan import facts_of, made_plan
from playwright.sync_api import Browser, sync_playwright

from swit_provisioning.report.page import plan_page, tree_svg
from swit_provisioning.report.tree import tree_of

SIZES = {"10": (10, 4), "1,000": (1_000, 100), "50,000": (50_000, 10_000)}
"""Changes, and how many of them are to teams."""
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-proxy-server"]
_PAINTED = """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
    done(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0))))"""
_FILTERED = """async () => {
    const words = document.getElementById('words'), said = document.getElementById('said');
    const start = performance.now();
    words.value = 'number7';
    document.getElementById('filter').requestSubmit();
    document.body.getBoundingClientRect();
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    if (!said.value) throw new Error('nothing was filtered');
    return performance.now() - start;
}"""


def main() -> None:
    """Make each page several times, open it in a browser that was just started, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(  # noqa: T201 - its result
        "| changes | page MiB | made s | tree s | first paint s | open s | without script s"
        " | filtered s |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name, (changes, teams) in SIZES.items():
            path = Path(folder) / "plan.html"
            plan = made_plan(changes, teams)
            made, drawn = [], []
            for _ in range(rounds):
                begin = time.perf_counter()
                path.write_text(plan_page(plan, facts_of(plan)), encoding="utf-8")
                made.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                root = tree_of(plan.teams, plan.changes)
                assert root  # noqa: S101 - the plan has teams
                tree_svg(root)
                drawn.append(time.perf_counter() - begin)
            looks = []
            for _ in range(rounds):
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=_ARGUMENTS
                )
                looks.append((*_look(browser, path), _without_script(browser, path)))
                browser.close()
            paint, opened, filtered, plain = map(statistics.median, zip(*looks, strict=True))
            cells = [f"{path.stat().st_size / 2**20:.2f}"]
            numbers = (statistics.median(made), statistics.median(drawn), paint, opened, plain)
            cells += [f"{number:.2f}" for number in (*numbers, filtered)]
            print("|", " | ".join([name, *cells]), "|", flush=True)  # noqa: T201 - its result


def _look(browser: Browser, path: Path) -> tuple[float, float, float]:
    """Seconds to the first paint, until all is there and drawn, and for a search in it."""
    page = browser.new_page()
    begin = time.perf_counter()
    page.goto(path.as_uri())
    first = page.evaluate(_PAINTED) / 1000
    opened = time.perf_counter() - begin
    return first, opened, page.evaluate(_FILTERED) / 1000


def _without_script(browser: Browser, path: Path) -> float:
    page = browser.new_context(java_script_enabled=False).new_page()
    begin = time.perf_counter()
    page.goto(path.as_uri())
    page.screenshot()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
