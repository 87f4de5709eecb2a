"""`show`: a stored plan as text, as a page, compared with another one, and without people."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.apply.run_model import RunState
from swit_provisioning.cli.sync import run_job
from swit_provisioning.operations.services import open_store
from swit_provisioning.report.redaction import code_of
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.state.made import two_plans_with_one_name

FIRST = PEOPLE[0]


@pytest.fixture(scope="module")
def on_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One organisation for all tests here: none of them writes to it."""
    with (
        pytest.MonkeyPatch.context() as patched,
        stage(patched, tmp_path_factory.mktemp("stage"), SandboxServer()) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _settings_of_the_stage(
    _a_machine_without_settings: None, on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in on_stage.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def plan_id(on_stage: Stage) -> str:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in on_stage.settings.items():
            patched.setenv(name, value)
        found: str = on_stage.json("plan")["plan_id"]
    return found


def metadata(asset: str) -> dict[str, object]:
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return {key: value.value for key, value in event.asset_materialization.metadata.items()}


def test_a_plan_is_shown_as_a_summary_then_by_action_then_as_a_tree(
    on_stage: Stage, plan_id: str
) -> None:
    lines = on_stage.run("show", plan_id).stdout.splitlines()
    summary = f"Plan {plan_id}: 11 teams to create; 20 users to create; "
    places = [
        next(number for number, line in enumerate(lines) if line.startswith(start))
        for start in (
            "Organisation:",
            summary,
            "Teams created (11, team.create)",
            "Users created (20, user.create)",
            "├── + ",
            "passed  directory_read_is_complete",
            "Ready to be applied.",
            "To apply it:",
        )
    ]
    assert places == sorted(places)
    assert "\x1b" not in "".join(lines)


def test_a_plan_is_printed_with_ten_rows_an_action_with_all_or_as_a_sentence(
    on_stage: Stage, plan_id: str
) -> None:
    short = on_stage.run("show", plan_id).stdout
    full = on_stage.run("show", plan_id, "--full").stdout
    sentence = on_stage.run("show", plan_id, "--summary").stdout
    addresses = sorted(address(person) for person in PEOPLE)

    def created(text: str) -> list[str]:
        """The addresses in the table of accounts that are created."""
        table = text.partition("Users created (")[2].partition("Teams that gain members (")[0]
        return re.findall(r"^(\S+@example\.org) ", table, re.MULTILINE)

    assert created(short) == addresses[:10]
    assert f"... and 10 more: swit-provisioning show {plan_id} --full" in short
    assert created(full) == addresses
    assert "--full" not in full
    lines = sentence.splitlines()
    assert lines[1].startswith(f"Plan {plan_id}: 11 teams to create; 20 users to create; ")
    assert lines[2:] == [
        "Ready to be applied.",
        f"To apply it: swit-provisioning apply {plan_id}",
    ]
    assert on_stage.run("plan", "--full", "--summary").exit_code == 2


def test_the_estimate_lists_calls_by_kind_and_the_rate(
    on_stage: Stage, plan_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = on_stage.run("show", plan_id).stdout
    assert "reading, 20 user.create, 11 team.create" in told
    assert "1000 calls a second (SWIT_REQUESTS_PER_SECOND=1000)" in told
    found = on_stage.json("show", plan_id)["estimate"]
    assert found["calls"] == sum(found["by_kind"].values())
    assert found["calls_per_second"] == 1000
    monkeypatch.setenv("SWIT_REQUESTS_PER_SECOND", "auto")
    assert "10 calls a second (an estimate" in on_stage.run("show", plan_id).stdout


def test_the_page_is_one_private_file_with_every_change(
    on_stage: Stage, plan_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.html"
    path.write_text("what was there before", encoding="utf-8")
    result = on_stage.run("show", plan_id, "--html", str(path))
    assert (result.exit_code, f"The page is in {path}" in result.stdout) == (0, True)
    html = path.read_text(encoding="utf-8")
    assert html.endswith("</html>")
    assert all(address(person) in html for person in PEOPLE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/plan.html", "."])
def test_a_page_that_cannot_be_written_is_one_clear_error(
    on_stage: Stage, plan_id: str, tmp_path: Path, place: str
) -> None:
    result = on_stage.run("show", plan_id, "--html", str(tmp_path / place))
    assert result.exit_code == 2
    assert str(tmp_path / place) in result.stderr.replace("\n", "")
    assert f"show {plan_id} --html plan.html" in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_a_page_goes_into_a_pipe_too(on_stage: Stage, plan_id: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = on_stage.run("show", plan_id, "--html", str(pipe))
        assert os.read(reader, 100).lstrip().startswith(b"<!doctype html>")
    finally:
        os.close(reader)
    assert result.exit_code == 0
    assert pipe.is_fifo()


def test_an_unknown_plan_is_an_error_with_a_remedy(on_stage: Stage, plan_id: str) -> None:
    for words in (("nope",), (plan_id, "nope"), ("nope", "--html", "x.html")):
        result = on_stage.run("show", *words)
        assert result.exit_code == 2
        assert "There is no plan nope" in result.stderr
        assert "swit-provisioning plan" in result.stderr


def test_a_plan_is_named_by_a_part_of_its_hash_that_is_not_ambiguous(
    on_stage: Stage, plan_id: str
) -> None:
    """Wherever a command or the launchpad takes a plan's id."""
    whole = on_stage.json("show", plan_id[:6])["plan_hash"]
    assert (len(whole), whole[:12]) == (64, plan_id)
    assert on_stage.json("show", whole)["plan_id"] == plan_id
    pair = two_plans_with_one_name()
    with open_store(Settings.load()) as store:
        for plan in pair:
            store.plans.save(plan, run_id="R", guard_results=[])
    name = pair[0].plan_id
    for words in (
        ("show", name),
        ("show", plan_id, name),
        ("approve", name, "--reason", "x"),
        ("reject", name),
        ("apply", name),
    ):
        result = on_stage.run(*words)
        assert result.exit_code == 2
        assert f"2 plans begin with {name}: " in result.stderr
        assert pair[0].plan_hash[:13] in result.stderr
    launched = run_job("apply", config={"plan_id": name})
    assert launched.state is RunState.WRONG_USE
    assert f"Nothing was written. 2 plans begin with {name}: " in launched.message
    assert on_stage.writes == []


def test_two_plans_are_compared(on_stage: Stage, plan_id: str) -> None:
    before = json.loads(json.dumps(on_stage.directory))
    on_stage.directory["users"][1]["displayName"] = "Somebody Else"
    gone = on_stage.directory["users"].pop(0)["mail"]
    other = on_stage.json("plan")["plan_id"]
    on_stage.directory = before
    found = on_stage.json("show", plan_id, other)
    assert [plan["plan_id"] for plan in found["plans"]] == [plan_id, other]
    assert gone in [change["target"] for change in found["only_first"]]
    assert found["only_second"] == []
    names = [
        (d["first"]["after"]["name"], d["second"]["after"]["name"])
        for d in found["different"]
        if d["first"]["action"] == "user.create"
    ]
    assert names == [(PEOPLE[1], "Somebody Else")]
    text = on_stage.run("show", plan_id, other).stdout
    assert f"Users created (1, user.create, only in {plan_id})" in text
    assert "In both, but different" in text
    assert "Somebody Else" in text
    same = on_stage.run("show", plan_id, plan_id).stdout
    assert "Both plans are the same" in same


def test_a_page_of_two_plans_is_refused(on_stage: Stage, plan_id: str) -> None:
    result = on_stage.run("show", plan_id, plan_id, "--html", "x.html")
    assert result.exit_code == 2
    assert "--html writes one plan" in result.stderr


@pytest.mark.parametrize("way", [(), ("--json",), ("--html", "/dev/stdout")])
def test_no_names_shows_no_person_in_any_form(
    on_stage: Stage, plan_id: str, tmp_path: Path, way: tuple[str, ...]
) -> None:
    path = tmp_path / "plan.html"
    words = [str(path) if word == "/dev/stdout" else word for word in way]
    text = on_stage.run("show", plan_id, "--no-names", *words).stdout
    if path.exists():
        text = path.read_text(encoding="utf-8")
    assert plan_id in text
    assert code_of(address(FIRST)) in text
    for person in PEOPLE:
        assert address(person) not in text
        assert person not in text


def test_the_metadata_of_assets_begins_with_the_summary(on_stage: Stage) -> None:
    plan_id = on_stage.json("plan")["plan_id"]
    users, teams, plan = (metadata(name) for name in ("user_diff", "team_diff", "change_plan"))
    assert users["summary"] == "20 users to create"
    assert users["user.create"] == 20
    assert "user.deactivate" not in users, "no numbers that are 0"
    assert str(teams["tree"]).startswith("![The team tree as it will be](data:image/svg+xml")
    assert plan["plan_id"] == plan_id
    assert plan["users in the directory"] == "20 read: 20 usable"
    assert plan["groups in the directory"] == "12 read: 11 usable, 1 excluded"
    assert plan["estimated calls"] == on_stage.json("show", plan_id)["estimate"]["calls"]
    assert "20 user.create" in str(plan["estimate"])
    assert "1e+03 calls a second" not in str(plan["estimate"])
    page = Path(str(plan["page"]))
    assert page.parent == Path(Settings.load().frames_path) / "change_plan"
    assert page.with_suffix(".parquet").exists()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert address(FIRST) in page.read_text(encoding="utf-8")


def test_a_team_that_nobody_manages_is_reported_wherever_a_plan_is_shown(
    on_stage: Stage, tmp_path: Path
) -> None:
    organisation = on_stage.organisation
    with organisation.lock:
        made = organisation.add_team("Builders")
    try:
        document = on_stage.json("plan")
        told = on_stage.run("show", document["plan_id"]).stdout
        on_stage.run("show", document["plan_id"], "--html", str(tmp_path / "page.html"))
        explained = on_stage.json("explain", "Builders")["explained"]
    finally:
        with organisation.lock:
            organisation.delete_team(made)
    (finding,) = (f for f in document["findings"] if f["kind"] == "unmanaged team")
    assert finding["subject"] == "Builders"
    assert "UNMANAGED_TEAMS=adopt would make it the team of CN=Builders" in finding["message"]
    assert "1 unmanaged team" in told
    assert "Unmanaged team" in (tmp_path / "page.html").read_text(encoding="utf-8")
    teams = metadata("team_diff")
    assert teams["number of unmanaged teams"] == 1
    assert "Builders" in str(teams["unmanaged teams"])
    assert [len(each["findings"]) for each in explained if each["team"]] == [1]


def test_hide_names_everywhere_keeps_people_out_of_metadata_and_logs(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDE_NAMES", "everywhere")
    monkeypatch.setenv("MAX_USER_CREATIONS", "3")
    before = json.loads(json.dumps(on_stage.directory))
    on_stage.directory["users"][1]["mail"] = "no address at all"
    on_stage.directory["users"][2]["displayName"] = "Karl #Sieben"
    result = on_stage.run("plan")
    on_stage.directory = before
    assert result.exit_code == 3
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        events = instance.all_logs(run.run_id)
        told = "\n".join(dg.serialize_value(event) for event in events)
    assert code_of(address(FIRST)) in told
    assert "invalid email" in told
    for person in (*PEOPLE, "Karl", "no address at all"):
        assert person not in told, told[told.index(person) - 300 : told.index(person) + 100]
        assert address(person) not in told
    page = Path(str(metadata("change_plan")["page"])).read_text(encoding="utf-8")
    assert FIRST not in page
