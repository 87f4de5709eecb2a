"""The table of actions: each action is declared once, and completely."""

import os
from pathlib import Path

import pytest

from swit_provisioning.apply.senders import SENDERS
from swit_provisioning.planning.actions import (
    ACTIONS,
    DANGEROUS_FIRST,
    SPECS,
    STEPS,
    Action,
    Diff,
    actions_of,
    describe,
    steps_of,
)
from swit_provisioning.planning.guards import NEVER_LIFTED
from swit_provisioning.planning.limits import COUNTED
from swit_provisioning.planning.model import Change
from swit_provisioning.report.redaction import HIDDEN, change_without_people
from swit_provisioning.report.summary import summary
from swit_provisioning_tests.apply.changes import SAMPLES

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "actions.md"
UNLIMITED = {"membership.add"}
"""Adding members takes nothing from anybody."""
PEOPLE = ("ann@example.com", "bob@example.com", "+49 1")


def test_the_table_has_every_action_in_the_order_of_the_design() -> None:
    assert tuple(SPECS) == ACTIONS
    assert {change.action for change in SAMPLES} == set(SENDERS) == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_has_steps_a_heading_a_limit_and_a_rank(action: Action) -> None:
    spec = SPECS[action]
    assert spec.name == action
    assert spec.steps
    assert spec.heading
    assert spec.phrases
    assert (spec.limit is None) == (action in UNLIMITED)
    if spec.limit is not None:
        assert action in COUNTED[spec.limit]
        assert spec.limit not in NEVER_LIFTED


def test_ranks_and_headings_are_distinct_and_each_step_and_diff_has_an_action() -> None:
    assert sorted(spec.danger for spec in SPECS.values()) == list(range(1, len(ACTIONS) + 1))
    assert len({spec.heading for spec in SPECS.values()}) == len(ACTIONS)
    diffs: tuple[Diff, ...] = ("user_diff", "team_diff", "sort_diff", "membership_diff")
    assert sorted(step for diff in diffs for step in steps_of(diff)) == sorted(STEPS)
    assert sorted(action for diff in diffs for action in actions_of(diff)) == sorted(ACTIONS)


def test_actions_that_take_something_away_come_before_actions_that_add() -> None:
    effects = [SPECS[action].effect for action in DANGEROUS_FIRST]
    assert effects[:4] == ["takes away"] * 4
    assert "takes away" not in effects[4:]


@pytest.mark.parametrize("change", SAMPLES, ids=lambda change: str(change.action))
def test_a_change_has_a_preview_and_a_summary_and_names_nobody_when_redacted(
    change: Change,
) -> None:
    """The samples hold addresses, names and numbers wherever an action can hold them."""
    assert describe(change.action, change.before, change.after)
    assert summary([change]) != "nothing to do"
    shown = str(change_without_people(change).document())
    assert not [word for word in PEOPLE if word in shown]
    if SPECS[change.action].personal:
        assert "person " in shown or HIDDEN in shown


def page() -> str:
    rows = [
        "# Actions",
        "",
        "Every change in a plan has one of these actions, and every list shows them in this order.",
        "`DISABLED_ACTIONS`, `apply --only` and `apply --except` take their names,",
        "and also `user.*`, `team.*`, `membership.*` and `all`.",
        "",
        "| action | heading | effect | sent by | limited by |",
        "|---|---|---|---|---|",
    ]
    for action in DANGEROUS_FIRST:
        spec = SPECS[action]
        steps = ", ".join(f"`{step}`" for step in spec.steps)
        limit = f"`{spec.limit}`" if spec.limit else "-"
        rows.append(f"| `{action}` | {spec.heading} | {spec.effect} | {steps} | {limit} |")
    return "\n".join(rows) + "\n"


def test_the_page_of_actions_is_the_table() -> None:
    """Run with UPDATE_DOCS=1 to write the page anew."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()
