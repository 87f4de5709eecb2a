"""`ON_LIMIT=hold_back`: changes that exceed a limit wait, and the other ones are applied."""

from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import PEOPLE, address, group_dn, user_dn
from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.integration.test_re_execution import re_execute_from_failure

LEAVERS = PEOPLE[:3]
MOVER = "Dae Jung"
"""Leaves the team of a leaver, so one call would remove both."""


@pytest.fixture
def settled(on_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    first = on_stage.run("sync")
    assert first.exit_code == 0, first.output
    on_stage.server.log.clear()
    monkeypatch.setenv("ON_LIMIT", "hold_back")
    return on_stage


@pytest.fixture
def divided(settled: Stage) -> Stage:
    """Three of twenty people leave, one joins, one moves, and one team is renamed."""
    leave(settled, *LEAVERS)
    join(settled, "Uma Fox")
    group(settled, "Leads")["member"].remove(user_dn(MOVER))
    group(settled, "Planners")["member"].append(user_dn(MOVER))
    group(settled, "Roadmap")["displayName"] = "Roads"
    return settled


def group(on_stage: Stage, name: str) -> dict[str, Any]:
    groups = on_stage.directory["groups"]
    return next(each for each in groups if each["distinguishedName"] == group_dn(name))


def leave(on_stage: Stage, *names: str) -> None:
    gone = {address(name) for name in names}
    on_stage.directory["users"] = [u for u in on_stage.directory["users"] if u["mail"] not in gone]


def join(on_stage: Stage, name: str) -> None:
    person = {"distinguishedName": user_dn(name), "mail": address(name), "displayName": name}
    on_stage.directory["users"].append(person)


def active(on_stage: Stage) -> set[str]:
    return {email for email, user in on_stage.users().items() if user["active"]}


def members(on_stage: Stage, team: str) -> set[str]:
    team_id = on_stage.teams()[team]["id"]
    return {email for email, user in on_stage.users().items() if team_id in user["teams"]}


def states(on_stage: Stage) -> dict[str, str]:
    document: Any = on_stage.json("plans")
    return {plan["plan_id"]: plan["state"] for plan in document}


def approve(on_stage: Stage, plan_id: str) -> None:
    result = on_stage.run("approve", plan_id, "--reason", "the office was closed")
    assert result.exit_code == 0, result.output


def test_the_rest_is_applied_and_the_departures_wait_until_they_are_approved(
    divided: Stage,
) -> None:
    leavers = {address(name) for name in LEAVERS}
    night = divided.json("sync", code=4)
    assert night["status"] == "partly applied"
    held = night["waiting"]["plan_id"]
    assert night["waiting"]["counts"] == {"user.deactivate": 3, "membership.remove": 2}
    assert "user.deactivate" not in night["counts"]
    assert active(divided) >= {address("Uma Fox"), *leavers}
    assert "Roads" in divided.teams()
    assert members(divided, "Planners") >= {address(MOVER)}
    assert address(MOVER) not in members(divided, "Leads")
    assert members(divided, "Leads") >= {address("Chiara Conti")}
    assert states(divided)[night["plan_id"]] == "applied"
    assert states(divided)[held] == "waiting for approval"
    (waiting,) = divided.json("status")["waiting"]
    assert waiting["plan_id"] == held
    assert waiting["stopped_by"] == ["deactivations_within_limit"]
    # The next night plans the same again, and has nothing else to do.
    divided.server.log.clear()
    again = divided.json("sync", code=3)
    assert (again["plan_id"], again["status"]) == (held, "blocked")
    assert divided.writes == []
    # Approved during the day, it is sent at night together with what is new.
    approve(divided, held)
    assert states(divided)[held] == "approved"
    join(divided, "Ole Vang")
    last = divided.json("sync")
    assert (last["status"], last["waiting"]) == ("applied", None)
    assert last["counts"]["user.create"] == 1
    assert last["counts"]["user.deactivate"] == 3
    assert not active(divided) & leavers
    assert states(divided)[held] == "applied"
    assert divided.json("sync")["status"] == "nothing to do"
    # The approved departures do not count in the last 24 hours.
    leave(divided, "Elif Demir")
    assert divided.json("sync")["counts"]["user.deactivate"] == 1


def test_plan_show_and_explain_show_both_parts(divided: Stage) -> None:
    plan = divided.json("plan")
    held = plan["waiting"]["plan_id"]
    assert states(divided) == {
        plan["plan_id"]: "ready",
        held: "waiting for approval",
        **{name: "applied" for name, state in states(divided).items() if state == "applied"},
    }
    found = divided.json("show", held)
    assert {change["action"] for change in found["changes"]} == set(plan["waiting"]["counts"])
    said = divided.run("plan").stdout
    assert f"Plan {held} waits for a decision beside it: 3 users to deactivate" in " ".join(
        said.split()
    )
    page = Path(divided.settings["DAGSTER_HOME"]) / "plan.html"
    shown = divided.run("show", plan["plan_id"], "--no-names", "--html", str(page))
    assert shown.exit_code == 0
    assert f"as plan {held}" in page.read_text(encoding="utf-8")
    explained = divided.json("explain", address(LEAVERS[0]))
    assert explained["waiting_plan"] == held
    assert explained["stopped_by"] == []
    (leaver,) = explained["explained"]
    assert set(leaver["waiting"]) == {"user.deactivate", "membership.remove"}
    (mover,) = divided.json("explain", address(MOVER))["explained"]
    assert mover["changes"]
    assert mover["waiting"] == []
    words = " ".join(divided.run("explain", address(LEAVERS[0])).stdout.split())
    assert f"waits for an approval as plan {held}" in words


def test_the_part_that_waits_can_be_applied_by_itself(divided: Stage) -> None:
    held = divided.json("sync", code=4)["waiting"]["plan_id"]
    blocked = divided.json("apply", held, code=3)
    assert "deactivations_within_limit" in [g["name"] for g in blocked["guards"] if not g["passed"]]
    approve(divided, held)
    assert divided.json("apply", held)["counts"]["user.deactivate"] == 3
    assert states(divided)[held] == "applied"
    assert divided.json("sync")["status"] == "nothing to do"


def test_a_rejected_part_is_not_proposed_again_and_blocks_nothing(divided: Stage) -> None:
    held = divided.json("sync", code=4)["waiting"]["plan_id"]
    assert divided.run("reject", held, "--reason", "a wrong filter").exit_code == 0
    night = divided.json("sync")
    assert night["status"] == "nothing to do"
    assert night["waiting"]["plan_id"] == held
    said = divided.run("sync").stdout
    assert f"Not sent: plan {held}" in said
    assert "a wrong filter" in said
    join(divided, "Ole Vang")
    assert divided.json("sync")["status"] == "applied"
    assert active(divided) >= {address(name) for name in (*LEAVERS, "Ole Vang")}
    # One more leaver makes it another plan, which is proposed.
    leave(divided, "Elif Demir")
    assert divided.json("sync", code=3)["counts"]["user.deactivate"] == 4


def test_a_bad_read_stops_everything(divided: Stage) -> None:
    """A quarter of the directory is gone: the read may be wrong, so nobody joins either."""
    leave(divided, *PEOPLE[:6])
    document = divided.json("sync", code=3)
    failed = {guard["name"] for guard in document["guards"] if not guard["passed"]}
    assert failed == {"deactivations_within_limit", "directory_has_not_shrunk"}
    assert document["waiting"] is None
    assert divided.writes == []


def test_a_read_beside_which_changes_wait_is_not_the_last_accepted_one(divided: Stage) -> None:
    """Otherwise a directory could shrink by a share every night."""
    assert divided.json("sync", code=4)["waiting"] is not None
    leave(divided, *PEOPLE[3:6])
    failed = {g["name"] for g in divided.json("sync", code=3)["guards"] if not g["passed"]}
    assert "directory_has_not_shrunk" in failed


def test_a_run_that_failed_half_way_is_re_executed_and_holds_back_the_same(divided: Stage) -> None:
    fault = Fault(kind="status", status=503, times=None, call="team.update")
    divided.server.faults.add(fault)
    failed = divided.json("sync", code=1)
    held = failed["waiting"]["plan_id"]
    assert states(divided)[held] == "waiting for approval"
    divided.server.faults.clear()
    success, _ = re_execute_from_failure(failed["run_id"])
    assert success
    assert "Roads" in divided.teams()
    assert states(divided)[failed["plan_id"]] == "applied"
    assert states(divided)[held] == "waiting for approval"
    assert active(divided) >= {address(name) for name in LEAVERS}


def test_a_run_that_failed_half_way_is_finished_by_hand_or_by_the_next_run(divided: Stage) -> None:
    divided.server.faults.add(Fault(kind="status", status=503, times=None, call="team.*"))
    failed = divided.json("sync", code=1)
    divided.server.faults.clear()
    done = divided.json("apply", failed["plan_id"], code=4)
    assert done["waiting"] == failed["waiting"]
    assert address(MOVER) not in members(divided, "Leads")
    assert divided.json("sync", code=3)["plan_id"] == failed["waiting"]["plan_id"]


def test_a_selection_of_the_rest_is_applied_as_of_any_plan(divided: Stage) -> None:
    plan = divided.json("plan")
    done = divided.json("apply", plan["plan_id"], "--only", "user.create", code=4)
    assert done["outcomes"] == {"applied": 1}
    assert "team.update" in done["left_for_later"]
    assert divided.json("apply", plan["plan_id"], code=4)["status"] == "partly applied"
    assert states(divided)[plan["waiting"]["plan_id"]] == "waiting for approval"


def test_a_plan_for_one_person_is_never_divided(divided: Stage) -> None:
    assert divided.json("sync", "--user", address("Uma Fox"))["counts"] == {"user.create": 1}
    night = divided.json("sync", code=4)
    assert "user.create" not in night["counts"]
    assert night["waiting"]["counts"]["user.deactivate"] == 3


def test_an_approval_by_the_person_who_runs_it_sends_the_rest_only(
    divided: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands of a test are run by one account."""
    held = divided.json("sync", code=4)["waiting"]["plan_id"]
    approve(divided, held)
    monkeypatch.setenv("APPROVALS", "two_people")
    join(divided, "Ole Vang")
    night = divided.json("sync", code=4)
    assert night["counts"] == {"user.create": 1}
    settings = Settings.load()
    with open_store(settings) as store:
        plan_judge(settings, store).approve(held, actor="another@elsewhere", reason="sold")
    assert divided.json("sync")["counts"]["user.deactivate"] == 3


def test_a_paused_schedule_and_a_whole_plan_stay_as_they_are(
    divided: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that was stored as a whole is not divided when a person names it."""
    monkeypatch.setenv("ON_LIMIT", "stop")
    whole = divided.json("plan", code=3)["plan_id"]
    monkeypatch.setenv("ON_LIMIT", "hold_back")
    assert divided.json("apply", whole, code=3)["status"] == "blocked"
    assert divided.writes == []
    approve(divided, whole)
    assert divided.json("apply", whole)["counts"]["user.deactivate"] == 3
