"""The page of a plan: whole in itself, and whatever stands in a name is text there."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from swit_provisioning.planning.model import Plan
from swit_provisioning.report.page import ROWS_OF_A_BLOCK, PlanFacts, plan_page
from swit_provisioning_tests.planning.busy_day import plan_of_the_day
from swit_provisioning_tests.planning.made_plans import change
from swit_provisioning_tests.report.hostile import hostile_plan

VERDICTS = (
    {"name": "directory_read_is_complete", "passed": True, "blocking": True, "message": "All."},
    {"name": "updates_within_limit", "passed": False, "blocking": False, "message": "Approved."},
    {
        "name": "deactivations_within_limit",
        "passed": False,
        "blocking": True,
        "message": "8 of 20; MAX_DEACTIVATIONS=10% allows fewer.",
    },
)


def page(
    plan: Plan,
    *,
    mode: str = "live",
    stopped: bool = True,
    state: str = "Ready to be applied.",
    advice: str = "To apply it: swit-provisioning apply 8e788415fdc6",
    pending: bool = True,
) -> str:
    facts = PlanFacts(
        plan_id="8e788415fdc6",
        created_at=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
        guard_results=VERDICTS if stopped else VERDICTS[:2],
        calls=1046,
        duration="2 minutes",
        state=(state,),
        state_at=datetime(2026, 3, 1, 2, 31, tzinfo=UTC),
        advice=advice,
        pending=pending,
        mode=mode,
        by_kind={"reading": 4, "user.create": 1042},
        pace="10 calls a second (a guess)",
    )
    return plan_page(plan, facts)


class Seen(HTMLParser):
    """The tags of a page with their attributes, and the text of each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_page_says_what_where_when_and_how_to_apply_it() -> None:
    text = " ".join(" ".join(Seen(page(plan_of_the_day(), mode="TEST MODE")).text).split())
    for said in (
        "TEST MODE",
        "Plan 8e788415fdc6",
        "1 March 2026, 02:30 UTC",
        "4 users to deactivate, 1 to create; 10 teams to delete",
        "about 1,046 API calls, 2 minutes",
        "4 reading, 1,042 user.create · 10 calls a second (a guess)",
        "swit-provisioning apply 8e788415fdc6",
        "One guard stops this plan: nothing is written.",
        "MAX_DEACTIVATIONS=10% allows fewer",
        "Unknown member",
    ):
        assert said in text, said


def test_a_page_says_the_state_of_the_plan_and_an_applied_plan_is_not_to_be_applied() -> None:
    applied = page(
        plan_of_the_day(),
        state="Applied by ann@dc1 on 2026-03-01 02:40 UTC (run R1).",
        advice="To make a new plan: swit-provisioning plan",
        pending=False,
    )
    text = " ".join(" ".join(Seen(applied).text).split())
    assert "State on 1 March 2026, 02:31 UTC : Applied by ann@dc1 on 2026-03-01 02:40 UTC" in text
    assert "To make a new plan: swit-provisioning plan" in text
    for said in ("To apply it", "swit-provisioning apply", "stops this plan", "No guard stops"):
        assert said not in text, said


def test_a_plan_that_nothing_stops_says_so() -> None:
    assert "No guard stops this plan." in page(plan_of_the_day(), stopped=False)


def test_an_empty_plan_says_that_there_is_nothing_to_do() -> None:
    html = page(Plan(changes=()), stopped=False, state="Nothing to do.", advice="", pending=False)
    assert "Nothing to do." in html
    assert "Nothing would be sent: Swit matches the directory." in html
    assert "swit-provisioning apply" not in html


def test_the_page_loads_nothing_and_runs_only_its_own_script() -> None:
    html = page(plan_of_the_day())
    seen = Seen(html)
    attributes = [(tag, name) for tag, attrs in seen.tags for name in attrs]
    assert not [a for a in attributes if a[1] in {"src", "style", "srcset"} or a[1][:2] == "on"]
    assert all((a["href"] or "").startswith("#") for t, a in seen.tags if "href" in a)
    policy = next(a["content"] for t, a in seen.tags if a.get("http-equiv")) or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_no_name_becomes_a_tag() -> None:
    plain, hostile = (Seen(page(plan)) for plan in (plan_of_the_day(), hostile_plan()))
    tags = {tag for tag, _ in hostile.tags}
    assert tags <= {tag for tag, _ in plain.tags} | {"strong"}
    names = {(tag, name) for tag, attrs in hostile.tags for name in attrs}
    assert names <= {(tag, name) for tag, attrs in plain.tags for name in attrs}


def test_everyone_of_a_large_membership_change_is_on_the_page() -> None:
    emails = [f"person{n}@example.com" for n in range(40)]
    add = change("membership.add", "Sales", after={"user_ids": emails, "emails": emails})
    html = page(Plan(changes=(add,)))
    assert all(email in html for email in emails)


def test_what_is_not_sent_stands_apart() -> None:
    html = page(Plan(changes=(), disabled=(change("user.deactivate", "u1"),)))
    assert "Planned, but not sent" in html
    assert 'id="disabled-user-deactivate"' in html


def test_what_does_not_stick_stands_apart() -> None:
    html = page(Plan(changes=(), held=(change("user.update", "u1", after={"name": "A"}),)))
    assert "Planned, but does not stick" in html
    assert 'id="held-user-update"' in html


@pytest.mark.parametrize(("number", "blocks"), [(1, 1), (250, 1), (251, 2), (1000, 4)])
def test_many_rows_are_laid_out_in_blocks(number: int, blocks: int) -> None:
    plan = Plan(changes=tuple(change("user.create", f"new:user:{n}@x") for n in range(number)))
    html = page(plan)
    assert ROWS_OF_A_BLOCK == 250
    assert html.count('<table class="changes">') == blocks
    assert html.count("<tr><td>") == number
    assert ("far" in re.findall(r'class="block([^"]*)"', html)[0]) == (blocks > 1)


def test_the_same_plan_gives_the_same_page() -> None:
    assert page(plan_of_the_day()) == page(plan_of_the_day())
