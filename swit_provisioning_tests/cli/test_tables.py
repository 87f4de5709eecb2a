"""What a person sees on the terminal."""

import io
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from swit_provisioning.apply.progress import CURRENT_DISPLAY, Headway
from swit_provisioning.cli.console import errors, output, print_header, print_table
from swit_provisioning.cli.render import (
    MOST_ROWS,
    changes_tables,
    findings_table,
    guards_table,
    plan_summary,
    team_tree,
)
from swit_provisioning.cli.sync import progress_bar
from swit_provisioning.planning.actions import Action, Step
from swit_provisioning.planning.model import Change, Finding, Plan
from swit_provisioning.report.redaction import stored_without_people
from swit_provisioning.report.tree import tree_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.stored_plans import StoredPlan
from swit_provisioning_tests.report.hostile import NAMES, hostile_plan


def console(*, terminal: bool = False) -> Console:
    style: dict[str, Any] = {"force_terminal": True, "color_system": "standard"} if terminal else {}
    return Console(file=io.StringIO(), width=120, **style)


def shown(on: Console) -> str:
    file = on.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def change(
    action: Action = "team.update",
    step: Step = "update_teams",
    *,
    target: str = "Sales",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Change:
    return Change(
        change_id=f"{action}:{target}",
        step=step,
        action=action,
        target=target,
        object_id="t1",
        before=before or {},
        after=after or {},
        reason="because",
    )


def stored(*changes: Change) -> StoredPlan:
    plan = Plan(changes=changes)
    made = datetime(2026, 3, 1, tzinfo=UTC)
    return StoredPlan(plan=plan, plan_hash=plan.plan_hash, created_at=made, guard_results=())


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    on = console()
    changes_tables(on, [change(target="[red]Board[/red]", after={"name": "[/]"})])
    findings = (Finding(kind="k", subject="[bold]", message="[/bold]"),)
    findings_table(on, findings, all_of_them="")
    assert "[red]Board[/red]" in shown(on)
    assert "[bold]" in shown(on)


def test_a_long_plan_is_cut_and_says_so() -> None:
    on = console()
    changes_tables(on, [change(target=f"T{n}") for n in range(MOST_ROWS + 5)])
    assert "... and 5 more: --json shows all" in shown(on)
    short = console()
    changes_tables(
        short, [change(target=f"T{n}") for n in range(12)], most=10, all_of_them="show P1 --full"
    )
    assert ("T9 " in shown(short), "T10" in shown(short)) == (True, False)
    assert "... and 2 more: show P1 --full" in shown(short)


def test_findings_are_counted_by_kind_and_many_of_one_do_not_hide_the_few_of_another() -> None:
    on = console()
    many = [
        Finding(kind="circular membership", subject=f"CN={n}", attribute="member", message="m")
        for n in range(23)
    ]
    left = Finding(kind="team not deleted", subject="Sales", message="Move it.", side="swit")
    findings_table(on, [*many, left], all_of_them="--json shows all")
    text = shown(on)
    assert "Findings: 23 circular membership, 1 team not deleted" in text
    assert "circular membership (23), to correct in the directory:" in text
    assert "team not deleted (1), to correct in Swit or the settings:" in text
    assert ("CN=19" in text, "CN=20" in text) == (True, False)
    assert "... and 3 more: --json shows all" in text
    assert "Sales" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_that_people_copy_is_broken_at_any_width(width: int) -> None:
    on = Console(file=io.StringIO(), width=width)
    email = "maximilian.wolfeschlegelsteinhausen@corp.example-holding.com"
    dn = "CN=Max Wolf,OU=Staff,OU=Seoul Headquarters,DC=corp,DC=example-holding,DC=com"
    members = {"user_ids": ["u1"], "emails": [email]}
    changes_tables(
        on,
        [
            change("user.create", "create_users", target=email, after={"name": "Max Wolf"}),
            change("membership.add", "add_members", target="Sales", after=members),
        ],
    )
    finding = Finding(kind="missing email", subject=dn, attribute="mail", message=f"Ask {email}.")
    findings_table(on, [finding], all_of_them="")
    command = 'swit-provisioning apply 0123456789ab --only user.create --approve "reason"'
    guard = "deactivations_within_limit"
    message = f"Too many; if this is meant: {command}."
    guards_table(on, [{"name": guard, "passed": False, "blocking": True, "message": message}])
    print_table(
        on,
        ("when", "run", "action", "target", "stopped by"),
        [["2026-03-01 02:30:00", "8e788415", "membership.remove", email, guard]],
        whole={"when", "run", "action", "target"},
    )
    lines = shown(on).splitlines()
    for copied in (
        email,
        dn,
        "Max Wolf",
        command,
        "2026-03-01 02:30:00",
        "8e788415",
        "membership.remove",
        guard,
    ):
        assert any(copied in line for line in lines), copied
    assert sum(email in line for line in lines) == 4


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_that_fits_is_as_wide_as_the_terminal_at_most(width: int) -> None:
    on = Console(file=io.StringIO(), width=width)
    cells = ["ann@example.com", "a sentence of many words " * 8, "because"]
    print_table(on, ("who", "what", "why"), [cells], whole={"who"})
    assert max(map(len, shown(on).splitlines())) <= width


def test_nothing_is_said_where_there_are_no_findings() -> None:
    on = console()
    findings_table(on, [], all_of_them="")
    assert shown(on) == ""


def test_colours_are_for_terminals_only() -> None:
    plain, coloured = console(), console(terminal=True)
    verdict = {"name": "g", "passed": False, "blocking": True, "message": "too many"}
    for on in (plain, coloured):
        guards_table(on, [verdict])
    assert "STOPPED g: too many" in shown(plain)
    assert "\x1b[31m" in shown(coloured)
    assert "\x1b" not in shown(plain)


def test_the_first_line_says_organisation_directory_and_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = console()
    print_header(on, Settings.load(), organization="Acme [x]", directory="dc1")
    monkeypatch.setenv("IS_RUNNING_LOCALLY", "True")
    print_header(on, Settings.load(), organization="Acme", directory="dc1")
    live, local = shown(on).splitlines()
    assert live == "Organisation: Acme [x] · Directory: dc1 · live"
    assert local.endswith("TEST MODE")


def headway(sent: int, left: float | None) -> Headway:
    return Headway(
        step="create_users", sent=sent, planned=2140, per_second=19.84, seconds_left=left
    )


def test_a_bar_shows_calls_sent_of_planned_the_pace_and_the_time_left() -> None:
    on = console(terminal=True)
    with progress_bar(on):
        CURRENT_DISPLAY.get()(headway(0, None))
        CURRENT_DISPLAY.get()(headway(312, 92.4))
    text = shown(on)
    assert "create users" in text
    assert "312/2140 calls" in text
    assert "19.8/s" in text
    assert "0:01:32 left" in text


def test_no_bar_where_nobody_looks() -> None:
    on = console()
    with progress_bar(on):
        CURRENT_DISPLAY.get()(headway(3, 1.0))
    assert shown(on).strip() == ""


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.4, "a second at most"),
        (1.2, "2 seconds"),
        (90, "2 minutes"),
        (600, "10 minutes"),
    ],
)
def test_a_plan_says_how_long_it_takes(seconds: float, says: str) -> None:
    on = console()
    plan_summary(on, stored(change(after={"name": "A"})), 7, seconds)
    assert f"About 7 API calls, {says}." in shown(on)


def test_in_a_pipe_there_is_room_for_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert (output().width, errors().width) == (160, 160)
    monkeypatch.setenv("COLUMNS", "70")
    assert output().width == 70


@pytest.mark.parametrize("no_names", [False, True])
def test_no_name_steers_the_terminal(*, no_names: bool) -> None:
    plan = hostile_plan()
    made = StoredPlan(
        plan=plan,
        plan_hash=plan.plan_hash,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        guard_results=tuple(
            {"name": "g", "passed": False, "blocking": True, "message": name} for name in NAMES
        ),
    )
    shown_plan = stored_without_people(made) if no_names else made
    on = console()
    print_header(on, Settings.load(), organization=NAMES[8], directory=NAMES[10])
    plan_summary(on, shown_plan, 1, 1)
    changes_tables(on, shown_plan.plan.changes)
    team_tree(on, tree_of(shown_plan.plan.teams, shown_plan.plan.changes))
    findings_table(on, shown_plan.plan.findings, all_of_them="")
    guards_table(on, shown_plan.guard_results)
    text = shown(on)
    kinds = {unicodedata.category(character) for character in text.replace("\n", "")}
    assert "Cc" not in kinds
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f") & set(text)
    assert "[red]Board[/red]" in text
    assert "한국어" in text


def test_the_tree_has_a_sign_at_each_change_and_colours_on_a_terminal() -> None:
    plan = hostile_plan()
    plain, coloured = console(), console(terminal=True)
    for on in (plain, coloured):
        team_tree(on, tree_of(plan.teams, plan.changes))
    assert "├── ~ <script>" in shown(plain)
    assert "└── … 37 more" in shown(plain)
    assert "\x1b" not in shown(plain)
    assert "\x1b[33m" in shown(coloured)


def test_a_reason_that_all_share_is_said_once() -> None:
    on = console()
    changes_tables(on, [change(target="A"), change(target="B")])
    assert "Teams renamed, moved or re-keyed (2, team.update): because" in shown(on)
    assert shown(on).count("because") == 1
