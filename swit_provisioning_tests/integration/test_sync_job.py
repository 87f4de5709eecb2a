"""The main job, end to end: the command line, Dagster, both sides over real HTTP."""

from datetime import timedelta
from pathlib import Path

import pytest

from swit_provisioning.cli.sync import instance
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.sandbox.editions import Edition
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store
from swit_provisioning_tests.directories import (
    GROUPS,
    PEOPLE,
    TREE,
    address,
    group_dn,
    members,
    twenty_people,
    user_dn,
)
from swit_provisioning_tests.integration.stage import Stage, stage

EVERYTHING = {"user.create": 20, "team.create": 11, "membership.add": 7, "primary.update": 2}
"""What the first sync of the sample directory changes. Two people join several teams."""


@pytest.fixture
def settled(on_stage: Stage) -> Stage:
    """An organisation that is as the directory says, its calls forgotten."""
    assert on_stage.run("sync").exit_code == 0
    on_stage.server.log.clear()
    return on_stage


@pytest.mark.parametrize("edition", ["old", "new", "production"])
def test_an_empty_organisation_becomes_as_the_directory_in_at_most_46_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, edition: Edition
) -> None:
    """The reference program needs 58 calls for a directory of this size and shape."""
    with stage(monkeypatch, tmp_path, SandboxServer(edition=edition)) as on_stage:
        done = on_stage.json("sync")
        assert done["status"] == "applied"
        assert done["counts"] == EVERYTHING
        # Users are read again once: a primary team that their first addition set costs no call.
        set_by_swit = done["outcomes"].pop("already so", 0)
        assert done["outcomes"] == {"applied": 40 - set_by_swit}
        assert done["calls"] == on_stage.server.log.total
        assert done["calls"] == 4 + 38 + 1 + 2 - set_by_swit <= 46

        users, teams = on_stage.users(), on_stage.teams()
        assert {user["name"] for user in users.values()} == set(PEOPLE)
        names = {team["id"]: team["name"] for team in teams.values()}
        assert {n: names.get(t["parent_id"]) for n, t in teams.items()} == TREE
        in_file = [name for name in GROUPS if name in TREE]
        for parent in set(TREE.values()):
            shown = [name for name in teams if TREE[name] == parent]
            assert shown == [name for name in in_file if TREE[name] == parent]
        for name, team in teams.items():
            wanted = {users[address(person)]["id"] for person in members(name)}
            assert set(team["user_ids"]) == wanted, name

        on_stage.server.log.clear()
        again = on_stage.json("sync")
        assert again["status"] == "nothing to do"
        assert on_stage.writes == []


def test_a_sync_with_nothing_to_do_only_reads_and_nothing_twice(settled: Stage) -> None:
    assert settled.json("sync")["status"] == "nothing to do"
    calls = [(call.method, call.call) for call in settled.server.log.of()]
    assert sorted(calls) == [
        ("GET", "organization.info"),
        ("GET", "organization.user.list"),
        ("GET", "user.info"),
        ("GET", "user.team.list"),
    ]


def test_a_plan_writes_nothing_and_apply_sends_exactly_that(on_stage: Stage) -> None:
    plan = on_stage.json("plan")
    assert on_stage.writes == []
    assert plan["counts"] == EVERYTHING
    assert all(guard["passed"] for guard in plan["guards"])
    assert plan["estimate"]["calls"] >= 38
    assert on_stage.json("show", plan["plan_id"]) == plan
    done = on_stage.json("apply", plan["plan_id"])
    assert (done["status"], done["plan_id"]) == ("applied", plan["plan_id"])
    assert len(on_stage.users()) == 20


def test_a_departure_of_40_percent_is_blocked_and_nothing_is_written(settled: Stage) -> None:
    settled.directory["users"] = settled.directory["users"][8:]
    before = settled.organisation.snapshot()
    result = settled.run("sync")
    assert result.exit_code == 3
    assert "8 of 20" in result.output
    assert "10%" in result.output
    assert "MAX_DEACTIVATIONS" in result.output
    assert "swit-provisioning apply" in result.output
    assert "--approve" in result.output
    assert settled.writes == []
    assert settled.organisation.snapshot() == before


@pytest.mark.incident(13)
def test_a_plan_over_its_limits_is_applied_with_an_approval_of_that_plan(settled: Stage) -> None:
    settled.directory["users"] = settled.directory["users"][8:]
    plan = settled.json("plan", code=3)
    refused = settled.json("apply", plan["plan_id"], code=3)
    assert refused["status"] == "blocked"
    assert "deactivations_within_limit" in [g["name"] for g in refused["guards"] if not g["passed"]]
    assert settled.writes == []
    done = settled.json("apply", plan["plan_id"], "--approve", "the Busan office was sold")
    assert done["status"] == "applied"
    lifted = {guard["name"]: guard for guard in done["guards"]}["deactivations_within_limit"]
    assert (lifted["passed"], lifted["blocking"]) == (True, True)
    assert "approved for this plan" in lifted["message"]
    assert sum(not user["active"] for user in settled.users().values()) == 8
    settled.directory["users"] = settled.directory["users"][4:]
    assert settled.json("sync", code=3)["status"] == "blocked"


def test_a_run_reads_nothing_twice_but_what_a_step_must_see_again(settled: Stage) -> None:
    """Teams before deleting and before sorting, users once memberships have changed."""
    groups = {group["displayName"]: group for group in settled.directory["groups"]}
    hugo_dn = user_dn("Hugo Prado")
    hugo = settled.users()[address("Hugo Prado")]["id"]
    settled.organisation.make_primary(settled.teams()["Leads"]["id"], hugo)
    groups["Leads"]["member"].remove(hugo_dn)
    groups["Builders"]["member"].append(hugo_dn)
    settled.directory["groups"].remove(groups["Planners"])
    settled.directory["groups"].sort(key=lambda group: group["displayName"] != "Roadmap")
    plan = settled.json("plan")
    assert plan["counts"] == {
        "team.delete": 1,
        "team.sort": 1,
        "membership.add": 1,
        "membership.remove": 1,
        "primary.update": 1,
    }
    settled.server.log.clear()
    done = settled.json("sync")
    assert done["status"] == "applied"
    assert settled.server.log.counts == {
        "user.info": 1,
        "organization.info": 1,
        "organization.user.list": 1 + 1,
        "user.team.list": 1 + 2,
        "team.delete": 1,
        "team.sort": 1,
        "team.user.add": 1,
        "team.user.remove": 1,
        "team.user.primary.update": 1,
    }
    assert done["calls"] == plan["estimate"]["calls"] == 12


def test_a_day_of_changes_ends_with_an_empty_next_plan(settled: Stage) -> None:
    groups = {group["displayName"]: group for group in settled.directory["groups"]}
    groups["Roadmap"]["displayName"] = "Roadmap & Vision"
    groups["Probes"]["memberOf"] = groups["Leads"]["memberOf"]
    groups["Works"]["member"].remove(group_dn("Probes"))
    groups["Office"]["member"].append(group_dn("Probes"))
    gone = settled.directory["users"].pop()["distinguishedName"]
    groups["People"]["member"].remove(gone)
    groups["Money"]["member"].append(settled.directory["users"][0]["distinguishedName"])
    settled.directory["users"][1]["mobile"] = "+49 176 99999999"
    settled.directory["users"][2]["displayName"] = "Chiara Conti-Weiss"
    done = settled.json("sync")
    assert done["counts"] == {
        "user.update": 2,
        "user.deactivate": 1,
        "team.update": 2,
        "membership.add": 1,
        "membership.remove": 1,
    }
    teams = settled.teams()
    assert teams["Probes"]["parent_id"] == teams["Office"]["id"]
    assert "Roadmap & Vision" in teams
    assert settled.json("sync")["status"] == "nothing to do"


def test_a_user_who_comes_back_is_activated(settled: Stage) -> None:
    back = settled.directory["users"].pop()
    assert settled.json("sync")["counts"]["user.deactivate"] == 1
    settled.directory["users"].append(back)
    assert settled.json("sync")["counts"] == {"user.activate": 1, "membership.add": 1}
    assert settled.users()[back["mail"]]["active"]


def test_an_unknown_plan_is_wrong_use(on_stage: Stage) -> None:
    refused = on_stage.json("apply", "0123456789ab", code=2)
    assert refused["status"] == "failed"
    assert "There is no plan 0123456789ab" in refused["message"]
    assert on_stage.writes == []


def test_the_json_document_of_a_run_is_complete(
    on_stage: Stage,
) -> None:
    done = on_stage.json("sync")
    assert list(done) == [
        "format_version",
        "run_id",
        "plan_id",
        "plan_hash",
        "status",
        "message",
        "user",
        "counts",
        "outcomes",
        "left_for_later",
        "waiting",
        "guards",
        "findings",
        "calls",
        "seconds",
    ]
    assert [guard["name"] for guard in done["guards"]] == list(GUARDS)
    assert set(done["guards"][0]) == {"name", "passed", "blocking", "message"}


def test_a_plan_is_stale_after_swit_has_changed(on_stage: Stage) -> None:
    plan = on_stage.json("plan")
    on_stage.organisation.add_user(address(PEOPLE[0]), "Somebody was quicker")
    refused = on_stage.json("apply", plan["plan_id"], code=5)
    assert refused["status"] == "stale"
    assert address(PEOPLE[0]) in refused["message"]
    assert on_stage.writes == []
    with instance() as dagster:
        run = dagster.get_run_by_id(refused["run_id"])
    assert run is not None
    assert run.tags["swit_provisioning/result"] == "stale"


def test_a_plan_is_stale_after_the_directory_has_changed(on_stage: Stage) -> None:
    plan = on_stage.json("plan")
    on_stage.directory["users"].pop()
    assert on_stage.json("apply", plan["plan_id"], code=5)["status"] == "stale"
    assert on_stage.writes == []


def test_a_rejected_change_does_not_stop_the_others(on_stage: Stage) -> None:
    first = address(PEOPLE[0])
    on_stage.server.faults.add(
        Fault(
            kind="status",
            status=400,
            message="seats are used up",
            call="organization.user.create",
            where=lambda sent: sent["user_email"] == first,
        )
    )
    done = on_stage.json("sync", code=4)
    assert done["status"] == "partly applied"
    set_by_swit = done["outcomes"].pop("already so", 0)
    assert done["outcomes"] == {"rejected": 1, "applied": 39 - set_by_swit}
    assert done["message"] == (
        f"1 of 40 changes were not done (1 rejected); the first: user.create of {first}:"
        " seats are used up"
    )
    assert len(on_stage.users()) == 19
    assert on_stage.json("sync")["counts"]["user.create"] == 1


def test_a_failed_step_is_finished_by_the_next_apply_of_the_same_plan(on_stage: Stage) -> None:
    plan = on_stage.json("plan")
    on_stage.server.faults.add(
        Fault(
            kind="status",
            status=503,
            times=None,
            call="team.create",
            where=lambda sent: sent["name"] == "Planners",
        )
    )
    failed = on_stage.json("apply", plan["plan_id"], code=1)
    assert failed["status"] == "failed"
    on_stage.server.faults.clear()
    on_stage.server.log.clear()
    assert on_stage.json("apply", plan["plan_id"])["status"] == "applied"
    assert "organization.user.create" not in on_stage.writes
    assert on_stage.json("sync")["status"] == "nothing to do"


def test_while_another_run_holds_the_lease_nothing_is_written(on_stage: Stage) -> None:
    settings = Settings.load()
    assert on_stage.run("plan").exit_code == 0
    with Store.open(settings.database_url) as store:
        store.lease.acquire("another-run", actor="night@dc2", ttl=timedelta(minutes=1))
        refused = on_stage.json("sync", code=6)
    assert refused["status"] == "busy"
    assert "night@dc2" in refused["message"]
    assert on_stage.writes == []


def test_an_organisation_that_is_not_the_one_meant_stops_the_run(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWIT_ORGANIZATION", "another-company")
    assert on_stage.json("sync", code=1)["status"] == "failed"
    assert on_stage.writes == []


def test_settings_that_are_missing_are_named_at_once_before_anything_runs(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IDP_FILE", "SWIT_CLIENT_ID", "SWIT_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    result = on_stage.run("plan")
    assert result.exit_code == 2
    for name in ("LDAP_SERVER_DOMAIN", "LDAP_SEARCH_BASE", "SWIT_CLIENT_ID", "SWIT_CLIENT_SECRET"):
        assert name in result.output


def test_a_directory_without_users_is_a_failed_read(settled: Stage) -> None:
    settled.directory["users"] = []
    assert settled.run("sync").exit_code == 1
    assert settled.writes == []


def test_a_departed_admin_is_protected(settled: Stage) -> None:
    admin = settled.organisation.add_user("boss@example.org", "The Boss", role=20)
    assert settled.json("sync")["status"] == "nothing to do"
    snapshot = settled.organisation.snapshot()
    assert next(user["active"] for user in snapshot["users"] if user["id"] == admin)


def test_check_reads_both_sides_and_writes_nothing(on_stage: Stage) -> None:
    result = on_stage.run("check")
    assert result.exit_code == 0
    assert "Users: 20 read: 20 usable" in result.output
    assert "Groups: 12 read: 11" in result.output
    assert "Builders" in result.output
    assert on_stage.writes == []


def test_the_directory_is_the_reference_shape_of_20_users_and_12_groups() -> None:
    made = twenty_people()
    assert (len(made["users"]), len(made["groups"])) == (20, 12)
