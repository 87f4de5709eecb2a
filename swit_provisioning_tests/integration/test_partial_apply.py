"""`apply --only`, `--except`, `--limit`; and people who came back since the plan was made."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, run_job
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store
from swit_provisioning_tests.directories import PEOPLE, TREE, address
from swit_provisioning_tests.integration.stage import Stage, stage


@pytest.fixture
def on_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setenv("COLUMNS", "300")
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        yield made


@pytest.fixture
def settled(on_stage: Stage) -> Stage:
    result = on_stage.run("sync")
    assert result.exit_code == 0, result.output
    on_stage.server.log.clear()
    return on_stage


def planned(on_stage: Stage, *, code: int = 0) -> str:
    return str(on_stage.json("plan", code=code)["plan_id"])


def active(on_stage: Stage) -> set[str]:
    return {email for email, user in on_stage.users().items() if user["active"]}


def finished(plan_id: str) -> bool:
    with Store.open(Settings.load().database_url) as store:
        plan_hash = store.plans.find(plan_id)
        assert plan_hash is not None
        return store.acceptances.unfinished(plan_hash) is None


def test_only_the_named_actions_are_sent_and_the_rest_can_be_sent_later(on_stage: Stage) -> None:
    plan_id = planned(on_stage)
    done = on_stage.json("apply", plan_id, "--only", "user.create")
    assert done["status"] == "applied"
    assert done["outcomes"] == {"applied": 20}
    assert on_stage.writes == ["organization.user.create"] * 20
    assert "11 team.create (not chosen)" in done["left_for_later"]
    assert not finished(plan_id)
    (begun,) = on_stage.json("status")["begun"]
    assert (begun["plan_id"], begun["state"]) == (plan_id, "begun")
    said = on_stage.run("status").stdout
    assert "20 of 40 changes are done" in said
    assert f"To send the rest: swit-provisioning apply {plan_id}" in said
    rest = on_stage.json("apply", plan_id)
    assert sum(rest["outcomes"].values()) == 20  # of this run alone
    assert set(rest["outcomes"]) <= {"applied", "already so"}
    assert rest["left_for_later"] == ""
    assert on_stage.json("status")["begun"] == []
    assert finished(plan_id)
    assert set(on_stage.teams()) == set(TREE)
    assert on_stage.json("plan")["counts"] == {}


def test_changes_that_depend_on_an_excluded_change_are_excluded_and_listed(on_stage: Stage) -> None:
    plan_id = planned(on_stage)
    result = on_stage.run("apply", plan_id, "--except", "team.create")
    assert result.exit_code == 0
    assert "membership.add (needs a change that is left out)" in result.stdout
    assert f"To send it: swit-provisioning apply {plan_id}" in result.stdout
    assert set(on_stage.writes) == {"organization.user.create"}


def test_the_first_few_of_each_action_go_first_until_the_plan_is_through(on_stage: Stage) -> None:
    plan_id = planned(on_stage)
    on_stage.json("apply", plan_id, "--limit", "8")
    assert len(active(on_stage)) == 8
    assert len(on_stage.teams()) == 8
    for _ in range(3):
        if finished(plan_id):
            break
        code = on_stage.run("apply", plan_id, "--limit", "8").exit_code
        assert code == 0
    assert len(active(on_stage)) == 20
    assert on_stage.json("plan")["counts"] == {}
    created = [
        c.arguments["user_email"] for c in on_stage.server.log.of("organization.user.create")
    ]
    assert len(created) == len(set(created)) == 20


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "user.make"), "user.make is no action"),
        (("--only", "user.create", "--except", "all"), "leave no action to send"),
        (("--limit", "0"), "0 is not in the range"),
    ],
)
def test_a_contradictory_selection_is_wrong_use(
    on_stage: Stage, words: tuple[str, ...], says: str
) -> None:
    result = on_stage.run("apply", "any plan", *words)
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


def test_a_selection_with_nothing_to_send_is_wrong_use(on_stage: Stage) -> None:
    result = on_stage.run("apply", planned(on_stage), "--only", "user.remove")
    assert result.exit_code == 2
    assert "The selection contains no pending changes" in result.stderr
    assert on_stage.writes == []


def test_limits_count_changes_of_earlier_selections_of_the_plan(
    settled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of twenty may go: the third one needs an approval, in whatever parts they go."""
    monkeypatch.setenv("MAX_DIRECTORY_SHRINK", "none")
    monkeypatch.setenv("MAX_MEMBERSHIP_REMOVALS", "none")
    settled.directory["users"] = settled.directory["users"][4:]
    plan_id = planned(settled, code=3)
    assert settled.json("apply", plan_id, "--limit", "2", "--only", "user.*")["status"] == "applied"
    assert len(active(settled)) == 18
    blocked = settled.json("apply", plan_id, "--limit", "2", "--only", "user.*", code=3)
    assert [g["name"] for g in blocked["guards"] if not g["passed"]] == [
        "deactivations_within_limit"
    ]
    assert len(active(settled)) == 18
    advice = f"swit-provisioning apply {plan_id} --only 'user.*' --limit 2 --approve"
    assert advice in blocked["message"]
    approved = settled.json("apply", plan_id, "--approve", "they moved to the new company")
    assert approved["status"] == "applied"
    assert len(active(settled)) == 16


def test_a_selection_is_applied_from_the_launchpad(on_stage: Stage) -> None:
    plan_id = planned(on_stage)
    run = run_job("apply", config={"plan_id": plan_id, "only": "user.create", "limit": 3})
    assert run.state.is_success, run.message
    assert len(active(on_stage)) == 3
    with instance() as dagster:
        found = dagster.get_run_by_id(run.run_id)
        event = dagster.get_latest_materialization_event(dg.AssetKey("accepted_plan"))
    assert found is not None
    assert "17 user.create (not chosen)" in found.tags["swit_provisioning/left_for_later"]
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["user.create"].value == 3


def test_an_interrupted_selection_is_finished_as_the_same_selection(on_stage: Stage) -> None:
    """What failed is undone still, so it is among the first few of the next try."""
    plan_id = planned(on_stage)
    first = address(PEOPLE[0])
    on_stage.server.faults.add(
        Fault(
            kind="status",
            call="organization.user.create",
            status=401,
            times=None,
            where=lambda arguments: arguments.get("user_email") == first,
        )
    )
    part = ("--only", "user.create", "--limit", "3")
    assert on_stage.run("apply", plan_id, *part).exit_code == 1
    assert first not in active(on_stage)
    on_stage.server.faults.clear()
    on_stage.json("apply", plan_id, *part)
    assert first in active(on_stage)
    assert len(active(on_stage)) == 5
    assert on_stage.teams() == {}


def came_back(on_stage: Stage, *, gone: int, back: int) -> str:
    """So many leave, a plan is made, and the first few of them are in the directory again."""
    everybody = on_stage.directory["users"]
    on_stage.directory["users"] = everybody[gone:]
    plan_id = planned(on_stage)
    on_stage.directory["users"] = [*everybody[:back], *everybody[gone:]]
    return plan_id


def test_a_departure_whose_person_is_back_is_skipped_and_the_rest_is_sent(settled: Stage) -> None:
    plan_id = came_back(settled, gone=2, back=1)
    first, second = (address(person) for person in PEOPLE[:2])
    done = settled.json("apply", plan_id, code=4)
    assert done["outcomes"]["skipped"] == 1
    assert "in the directory again since the plan was made" in done["message"]
    assert first in active(settled)
    assert second not in active(settled)
    builders = settled.teams()["Builders"]["user_ids"]
    assert settled.users()[first]["id"] in builders
    assert settled.users()[second]["id"] not in builders
    told = settled.json("history", "--user", first)["entries"]
    assert [e["outcome"] for e in told if e["action"] == "user.deactivate"] == ["skipped"]
    assert settled.json("plan")["counts"] == {}


def test_nothing_is_sent_if_everybody_came_back(settled: Stage) -> None:
    plan_id = came_back(settled, gone=1, back=1)
    done = settled.json("apply", plan_id, code=4)
    assert set(done["outcomes"]) == {"skipped"}
    assert settled.writes == []
    assert len(active(settled)) == 20


def test_staleness_is_judged_on_the_selected_changes_and_lists_the_differences(
    settled: Stage,
) -> None:
    settled.directory["users"][0]["displayName"] = "Amelie Sand"
    settled.directory["users"][1]["displayName"] = "Bence Sand"
    plan_id = planned(settled)
    settled.directory["users"][5]["displayName"] = "Not In The Plan"
    settled.directory["users"][1]["displayName"] = "Bence Stone"
    stale = settled.json("apply", plan_id, code=5)
    assert "user.update of bence.varga@example.org" in stale["message"]
    assert "Amelie" not in stale["message"]
    assert "Not In The Plan" not in stale["message"]
    assert settled.writes == []
