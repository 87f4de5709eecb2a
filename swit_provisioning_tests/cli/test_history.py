"""`history` as it is printed."""

import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.cli.render import MOST_ROWS
from swit_provisioning.planning.model import PlanHash
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import create_user
from swit_provisioning_tests.report.hostile import NAMES

BY_R1 = Application(application_id="R1", plan_hash=PlanHash("P1"), run_id="R1")


def test_a_long_history_shows_the_newest_and_says_so() -> None:
    with Store.open(Settings.load().database_url) as store:
        for number in range(MOST_ROWS + 3):
            change = create_user(f"u{number}@example.com")
            store.journal.unsent(change, BY_R1, Answer(outcome="skipped"))
    told = CliRunner().invoke(main, ["history"]).output
    assert "u3@example.com" in told
    assert "u2@example.com" not in told
    assert "3 earlier changes are not shown. Use --since, or --json for all." in told
    assert f"{MOST_ROWS + 3} skipped · 1 run" in told


def test_a_call_whose_answer_nobody_noted_says_so_and_markup_is_no_markup() -> None:
    with Store.open(Settings.load().database_url) as store:
        store.journal.intent(create_user("ann@example.com", "[red]Ann[/red]"), BY_R1)
    told = CliRunner().invoke(main, ["history"]).output
    assert "[red]Ann[/red]" in told
    assert "1 no answer recorded · 1 run" in told


@pytest.mark.parametrize("name", NAMES)
def test_no_name_steers_the_terminal(name: str) -> None:
    with Store.open(Settings.load().database_url) as store:
        change = create_user("ann@example.com", name)
        store.journal.unsent(change, BY_R1, Answer(outcome="rejected", message=name))
    result = CliRunner().invoke(main, ["history"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "ann@" in result.output
    for steering in "\x1b\x07\x9b\u202e\u2068\u200f":
        assert steering not in result.output
