"""`plan --user WHO` and `sync --user WHO`: one person now, and nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.cli.sync import run_job
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store
from swit_provisioning_tests.directories import PEOPLE, address, group_dn, user_dn
from swit_provisioning_tests.integration.stage import Stage, stage

UMA, VIC = "Uma Reed", "Vic Stone"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """Everybody is in Swit; a change of the limits elsewhere does not concern this."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("MAX_DEACTIVATIONS", "10%")
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        made.json("sync")
        made.server.log.clear()
        yield made


def joins(on_stage: Stage, name: str, *groups: str) -> None:
    entry = {"distinguishedName": user_dn(name), "mail": address(name), "displayName": name}
    on_stage.directory["users"].append(entry)
    for group in on_stage.directory["groups"]:
        if group["displayName"] in groups:
            group["member"].append(user_dn(name))


def leave(on_stage: Stage, number: int) -> None:
    """The first few people leave; their groups still list them."""
    on_stage.directory["users"] = on_stage.directory["users"][number:]


def accepted_read() -> Any:  # noqa: ANN401 - compared only
    with Store.open(Settings.load().database_url) as store:
        return store.reads.last_accepted()


def test_a_joiner_comes_in_while_a_mass_departure_is_blocked(settled: Stage) -> None:
    leave(settled, 4)
    joins(settled, UMA, "Builders")
    assert settled.json("sync", code=3)["status"] == "blocked"
    users, teams, read = settled.users(), settled.teams(), accepted_read()
    done = settled.json("sync", "--user", address(UMA))
    assert (done["status"], done["user"]) == ("applied", address(UMA))
    assert done["counts"] == {"user.create": 1, "membership.add": 1}
    assert len(settled.writes) == 2
    after = settled.users()
    uma = after.pop(address(UMA))
    assert uma["active"]
    assert after == users
    teams["Builders"]["user_ids"].append(uma["id"])
    assert settled.teams() == teams
    # It was no complete plan: the departure is still judged against the read before.
    assert accepted_read() == read
    counts = settled.json("plan", code=3)["counts"]
    assert counts["user.deactivate"] == 4
    assert "user.create" not in counts


def test_a_leaver_goes_alone_and_limits_count_one_after_the_other(settled: Stage) -> None:
    leave(settled, 4)
    users, teams = settled.users(), settled.teams()
    first, second, third = map(address, PEOPLE[:3])
    done = settled.json("sync", "--user", first)
    assert done["counts"] == {"user.deactivate": 1, "membership.remove": 1}
    (finding,) = done["findings"]
    assert finding["kind"] == "departures not verified"
    assert "deactivate or remove: 1." in finding["message"]
    now = settled.users()
    assert [email for email, user in now.items() if user != users[email]] == [first]
    assert not now[first]["active"]
    left = {name for name, team in settled.teams().items() if team != teams[name]}
    assert left == {"Builders"}
    # By id: users of the sandbox have one from the first sync on.
    settled.json("sync", "--user", users[second]["id"])
    blocked = settled.json("sync", "--user", third, code=3)
    assert [g["name"] for g in blocked["guards"] if not g["passed"]] == [
        "deactivations_within_limit"
    ]
    assert settled.users()[third]["active"]


def test_a_membership_in_a_team_that_does_not_exist_yet_is_left_out(settled: Stage) -> None:
    settled.directory["groups"].append(
        {
            "distinguishedName": group_dn("Docks"),
            "displayName": "Docks",
            "member": [],
            "memberOf": [group_dn("Works")],
        }
    )
    joins(settled, UMA, "Docks", "Planners")
    document = settled.json("plan", "--user", UMA)
    assert document["counts"] == {"user.create": 1, "membership.add": 1, "primary.update": 1}
    (left_out,) = [f for f in document["findings"] if f["kind"] == "left out"]
    assert left_out["message"].startswith("The membership in Docks is left out")
    result = settled.run("sync", "--user", UMA)
    assert result.exit_code == 0
    assert "The membership in Docks is left out" in result.stdout
    assert "Docks" not in settled.teams()
    uma = settled.users()[address(UMA)]["id"]
    assert [name for name, team in settled.teams().items() if uma in team["user_ids"]] == [
        "Planners"
    ]
    settled.json("sync")
    assert uma in settled.teams()["Docks"]["user_ids"]
    assert settled.json("sync", "--user", UMA)["status"] == "nothing to do"


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("amelie.rouk@example.org", f"Did you mean: {address(PEOPLE[0])}?"),
        (PEOPLE[1], f"2 people are called {PEOPLE[1]}: {user_dn(PEOPLE[0])}; {user_dn(PEOPLE[1])}"),
        ("Builders", "Builders is no address, name, DN or id of a person"),
        (" ", "--user is empty"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "sync"])
def test_an_unclear_name_is_wrong_use(settled: Stage, command: str, who: str, says: str) -> None:
    settled.directory["users"][0]["displayName"] = PEOPLE[1]
    result = settled.run(command, "--user", who)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert settled.writes == []


def test_a_stored_plan_for_one_person_says_so_and_is_applied_later(settled: Stage) -> None:
    joins(settled, VIC, "Builders")
    everyone = settled.json("plan")
    document = settled.json("plan", "--user", VIC)
    plan_id = document["plan_id"]
    assert plan_id != everyone["plan_id"]
    plans: Any = settled.json("plans")
    listed = {plan["plan_id"]: plan for plan in plans}
    assert listed[plan_id]["user"] == address(VIC)
    assert listed[plan_id]["state"] == "ready"
    assert listed[everyone["plan_id"]]["user"] is None
    assert listed[everyone["plan_id"]]["state"] == "ready"
    for command in (("plans",), ("show", plan_id)):
        assert f"(for {address(VIC)} only)" in settled.run(*command).stdout
    hidden = settled.run("show", plan_id, "--no-names").stdout
    assert address(VIC) not in hidden
    # Another joiner of the same team makes it no older.
    joins(settled, UMA, "Builders")
    assert settled.json("apply", plan_id)["status"] == "applied"
    assert address(VIC) in settled.users()
    assert address(UMA) not in settled.users()


def test_a_plan_for_one_person_is_stale_once_the_person_has_left(settled: Stage) -> None:
    joins(settled, VIC, "Builders")
    plan_id = settled.json("plan", "--user", VIC)["plan_id"]
    settled.directory["users"].pop()
    assert settled.json("apply", plan_id, code=5)["status"] == "stale"
    assert settled.writes == []


def test_the_launchpad_takes_a_user_and_the_run_is_no_last_success(settled: Stage) -> None:
    before = settled.json("status")["last_success"]
    joins(settled, UMA)
    joins(settled, VIC)
    settled.write_directory()
    run = run_job("sync", config={"user": address(UMA)})
    assert run.state.is_success, run.message
    assert address(UMA) in settled.users()
    assert address(VIC) not in settled.users()
    assert settled.json("status")["last_success"] == before
    assert run_job("sync", config={"user": ""}).state.exit_code == 2
