"""`history` over real runs: what was done, when, by which run, with what answer."""

from datetime import UTC, datetime

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage

FIRST = address(PEOPLE[0])


def test_a_users_history_names_what_was_done_by_which_run_and_the_teams(on_stage: Stage) -> None:
    began = datetime.now(UTC)
    first = on_stage.json("sync")
    on_stage.directory["users"][0]["displayName"] = "Amelie Roux-Blanc"
    second = on_stage.json("sync")
    told = on_stage.json("history", "--user", FIRST)
    assert (told["user"], told["team"], told["since"]) == (FIRST, None, None)
    made, joined, renamed = told["entries"]
    assert [e["action"] for e in told["entries"]] == [
        "user.create",
        "membership.add",
        "user.update",
    ]
    assert (joined["target"], joined["after"]["emails"]) == ("Builders", [FIRST])
    assert {made["run_id"], joined["run_id"]} == {first["run_id"]}
    assert (renamed["run_id"], renamed["plan_id"]) == (second["run_id"], second["plan_id"])
    assert renamed["before"] == {"name": "Amelie Roux"}
    assert renamed["after"] == {"name": "Amelie Roux-Blanc"}
    assert (renamed["outcome"], renamed["http_status"], renamed["attempts"]) == ("applied", 200, 1)
    assert renamed["approval"] is None
    assert began < datetime.fromisoformat(renamed["at"]) < datetime.now(UTC)
    user_id = on_stage.users()[FIRST]["id"]
    by_id = on_stage.json("history", "--user", user_id)
    assert by_id["entries"] == told["entries"]

    table = on_stage.run("history", "--user", FIRST).output
    assert table.startswith("Organisation: ")
    for words in (
        first["run_id"][:8],
        "user.create",
        "Builders",
        "Amelie Roux → Amelie Roux-Blanc",
    ):
        assert words in table
    assert "3 applied · 2 runs" in table


def test_a_refusal_and_an_approval_are_in_a_teams_history(on_stage: Stage) -> None:
    assert on_stage.run("sync").exit_code == 0
    groups = {group["displayName"]: group for group in on_stage.directory["groups"]}
    groups["Builders"]["displayName"] = "Makers"
    on_stage.directory["users"] = on_stage.directory["users"][8:]
    plan_id = on_stage.json("plan", code=3)["plan_id"]
    on_stage.server.faults.add(
        Fault(kind="status", status=400, message="That name is taken.", call="team.update")
    )
    on_stage.json("apply", plan_id, "--approve", "the Busan office was sold", code=4)
    told = on_stage.json("history", "--team", "Builders", "--since", "1h")["entries"]
    refused = next(entry for entry in told if entry["action"] == "team.update")
    assert (refused["outcome"], refused["http_status"]) == ("rejected", 400)
    assert refused["approval"]["why"] == "the Busan office was sold"
    assert refused["approval"]["who"]
    created = next(entry for entry in told if entry["action"] == "team.create")
    assert created["approval"] is None
    shown = on_stage.run("history", "--team", "Builders").output
    assert "That name is taken." in shown
    assert shown.count("the Busan office was sold") == 1


def test_an_empty_history_and_a_filter_without_matches(on_stage: Stage) -> None:
    assert "No change was sent yet." in on_stage.run("history").output
    assert on_stage.run("sync").exit_code == 0
    assert "No matching change was sent." in on_stage.run("history", "--team", "Nobody").output
    assert on_stage.json("history", "--team", "Nobody")["entries"] == []


def test_an_invalid_time_is_wrong_use(on_stage: Stage) -> None:
    result = on_stage.run("history", "--since", "yesterday")
    assert result.exit_code == 2
    assert "24h, 7d, 2w" in result.output
