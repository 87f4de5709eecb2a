"""What a message says of a run: the outcome first, then numbers, then what to look at."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from swit_provisioning.apply.run_model import RunState, WaitingPlan
from swit_provisioning.planning.model import Finding, Plan, PlanHash, single_change
from swit_provisioning.report.messages import MOST_CHANGES, RunStory, run_message
from swit_provisioning.report.redaction import code_of
from swit_provisioning.state.plan_approvals import Rejection
from swit_provisioning_tests.state.made import a_plan


def _story(state: str, *numbers: int, **more: object) -> RunStory:
    made = RunStory(
        run_id="R1",
        job="sync",
        state=RunState(state),
        why="",
        guards={},
        plan_hash=PlanHash("P1"),
        plan=a_plan(*numbers),
        entries={},
        calls=3,
        seconds=12,
        organization="Acme",
        mode="live",
        link=None,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of the story


def _lines(story: RunStory, *, no_names: bool = True) -> tuple[str, ...]:
    return run_message(story, no_names=no_names).lines


def test_it_begins_with_whose_it_is_and_how_it_ended() -> None:
    lines = _lines(_story("applied", 1, 2))
    assert lines[:3] == (
        "Swit provisioning of Acme: applied",
        "2 users to deactivate",
        "3 API calls · 12 seconds",
    )
    assert lines[-2:] == (
        "Plan P1: swit-provisioning show P1",
        "Run R1 (in the Dagster UI)",
    )
    assert _lines(_story("applied", 1, mode="TEST MODE"))[0].startswith("TEST MODE · ")


@pytest.mark.parametrize(
    ("state", "severity", "says"),
    [
        ("applied", "info", ": applied"),
        ("planned", "info", "planned, nothing was written"),
        ("partly applied", "warning", "applied, but not all of it"),
        ("stale", "error", "NOT APPLIED: the plan is stale"),
        ("busy", "error", "NOT STARTED: another run is writing"),
        ("canceled", "error", "CANCELED"),
        ("failed", "error", "FAILED"),
    ],
)
def test_how_bad_it_is(state: str, severity: str, says: str) -> None:
    message = run_message(_story(state, 1), no_names=True)
    assert message.severity == severity
    assert message.lines[0].endswith(says)


def test_a_guard_stops_and_so_may_a_person() -> None:
    guards = {"deactivations_within_limit": "8 of 20 would leave."}
    stopped = _lines(_story("blocked", 1, guards=guards, why="Nothing was written. 8 of 20..."))
    assert stopped[0].endswith("STOPPED BY A GUARD, nothing was written")
    assert stopped[3] == "8 of 20 would leave."
    paused = _lines(_story("blocked", 1, why="Runs are paused."))
    assert paused[0].endswith(": STOPPED")
    assert "Runs are paused." in paused


def test_changes_that_wait_are_counted_with_the_way_to_approve_them() -> None:
    """Who they are is left to the plan's page."""
    held = WaitingPlan(plan_id="H1", changes=a_plan(1, 2, 3).changes)
    link = "https://sync.example.com/plans/H1"
    message = run_message(
        _story("partly applied", 4, waiting=held, waiting_link=link), no_names=False
    )
    approve = 'swit-provisioning approve H1 --reason "reason"'
    assert (
        f"WAITING FOR AN APPROVAL, plan H1: 3 users to deactivate. {approve} · {link}"
        in message.lines
    )
    facts = (message.facts["waiting_plan_id"], message.facts["waiting_plan_url"])
    assert facts == ("H1", link)
    rejection = Rejection(
        plan_hash=PlanHash("H1"), actor="ann", reason="no", at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    rejected = _story("applied", 4, waiting=replace(held, rejection=rejection))
    assert "Rejected, so not sent: plan H1: 3 users to deactivate" in _lines(rejected)
    assert run_message(_story("applied", 4), no_names=True).facts["waiting_plan_id"] is None


def test_people_are_codes_on_demand_in_reasons_too() -> None:
    story = _story("failed", 1, why="Swit says no to someone1@example.com")
    assert "someone1@example.com" in " ".join(_lines(story, no_names=False))
    hidden = _lines(story)
    assert "someone1" not in " ".join(hidden)
    assert sum(code_of("someone1@example.com") in line for line in hidden) == 2


def test_of_many_changes_the_first_are_listed() -> None:
    lines = _lines(_story("applied", *range(MOST_CHANGES + 34)))
    assert f"Changes ({MOST_CHANGES + 34}):" in lines
    assert sum(line.startswith("- user.deactivate") for line in lines) == MOST_CHANGES
    assert "- and 34 more" in lines


def test_what_else_the_plan_says_is_counted() -> None:
    plan = replace(
        a_plan(1), findings=(Finding(kind="circular membership", subject="A", message="..."),) * 3
    )
    assert "3 findings" in _lines(_story("applied", plan=plan))


@pytest.mark.parametrize(
    ("state", "numbers", "told"),
    [
        ("nothing to do", (), False),
        ("planned", (), False),
        ("planned", (1,), True),
        ("applied", (1,), True),
        ("failed", (), True),
    ],
)
def test_what_is_worth_telling(state: str, numbers: tuple[int, ...], *, told: bool) -> None:
    assert _story(state, *numbers).is_worth_telling is told


def test_without_a_plan_it_says_what_stopped_it() -> None:
    lines = _lines(_story("failed", plan=None, plan_hash=None, why="The directory was not read."))
    assert lines == (
        "Swit provisioning of Acme: FAILED",
        "3 API calls · 12 seconds",
        "The directory was not read.",
        "Run R1 (in the Dagster UI)",
    )


@pytest.mark.parametrize(
    "name",
    [
        "[Click here](https://evil.example/login)",
        "![x](https://evil.example/pixel.png)",
        "[Click here][1]",
        "[1]: https://evil.example",
        "<https://evil.example|Click here>",
        '<a href="//evil.example">Click here</a>',
        "https://evil.example/login",
    ],
)
def test_no_name_becomes_a_link_in_a_chat(name: str) -> None:
    team = single_change(
        action="team.create",
        object_id="new:team",
        target=name,
        after={"name": name, "parent_id": "root", "parent": name},
        reason="new",
    )
    page = "https://sync.example.com/runs/R1"
    story = _story("blocked", guards={"g": f"{name} is gone."}, organization=name, link=page)
    story = replace(story, plan=Plan(changes=(team,)))
    message = run_message(story, no_names=False)
    said = "\n".join(message.lines)
    for link in (r"\]\(", r"\]\[", r"\]:", "<[a-z/!]", "://evil"):
        assert re.search(link, said) is None, said
    assert "evil.example" in said or "[1]" in said
    assert page in said, "our own link stays one"
    assert message.facts["organization"] == name, "programs get the name itself"
