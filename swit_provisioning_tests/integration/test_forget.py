"""`forget` over real runs: a person is deleted from every file and table, and the rest works."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.operations.dagster_runs import OURS
from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import PEOPLE, address, user_dn
from swit_provisioning_tests.integration.kept_things import DAGSTERS_URL, places_with, with_driver
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.postgresql import Postgresql

NAME, PHONE, OTHER = "Zoë O'Hara-Lindqvist", "+353 86 555 0199", "z.ohara@old.example"
ADDRESS, DN = "zoe.ohara@example.org", "CN=Zoë O'Hara,OU=Staff,DC=example,DC=org"
WORDS = (NAME, PHONE, OTHER, ADDRESS, DN, "Zoë O'Hara")


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
on_both_databases = pytest.mark.parametrize("on_stage", BOTH, indirect=True)


@pytest.fixture
def on_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    """State and Dagster's runs in files and on a server; whoever leaves is removed from Swit."""
    monkeypatch.setenv("USER_REMOVAL", "remove")
    database = getattr(request, "param", "")
    with stage(monkeypatch, tmp_path, SandboxServer(), storage="as shipped") as made:
        if database != "postgresql":
            yield made
        else:
            server: Postgresql = request.getfixturevalue("postgresql_server")
            monkeypatch.setenv("STATE_DATABASE_URL", server.new_database())
            monkeypatch.setenv(DAGSTERS_URL, with_driver(server.new_database()))
            keep_runs_on_a_server(tmp_path / "home")
            yield made


def keep_runs_on_a_server(home: Path) -> None:
    home.mkdir()
    built_in = (files("swit_provisioning") / "dagster.yaml").read_text(encoding="utf-8")
    storage = f"storage: {{postgres: {{postgres_url: {{env: {DAGSTERS_URL}}}}}}}\n"
    (home / "dagster.yaml").write_text(storage + built_in, encoding="utf-8")


def join(on_stage: Stage) -> None:
    on_stage.directory["users"].append(
        {
            "distinguishedName": DN,
            "mail": ADDRESS,
            "displayName": "Zoë O'Hara",
            "mobile": PHONE,
            "proxyAddresses": [f"smtp:{OTHER}"],
        }
    )
    on_stage.directory["groups"][0]["member"].append(DN)


def leave(on_stage: Stage) -> str:
    """The plan that removed her."""
    name = on_stage.directory["users"].pop()["displayName"]
    on_stage.directory["groups"][0]["member"].remove(DN)
    plan_id: str = on_stage.json("plan", code=3)["plan_id"]
    on_stage.json("apply", plan_id, "--approve", f"{name} has left, see {ADDRESS}")
    return plan_id


@on_both_databases
def test_a_forgotten_person_is_in_no_file_or_table(on_stage: Stage) -> None:
    join(on_stage)
    joined = on_stage.json("sync")
    swit_id = on_stage.users()[ADDRESS]["id"]
    on_stage.directory["users"][-1]["displayName"] = NAME
    on_stage.json("sync")
    left = leave(on_stage)
    on_stage.json("sync")
    words = (*WORDS, swit_id)
    before = places_with(*words)
    assert set(before) == set(words), "she is everywhere to begin with"
    assert len({place.split("/")[0] for places in before.values() for place in places}) > 4

    done = on_stage.json("forget", ADDRESS)
    assert places_with(*words) == {}
    code = done["code"]
    assert done["still_in"] == []
    assert done["rows"].keys() >= {"plan_content", "journal", "approval"}
    assert code in str(places_with(code))
    assert min(done["frames"], done["pages"], done["runs"]) > 0

    assert on_stage.run("show", joined["plan_id"]).exit_code == 2, "the plan named her"
    for pointer in Path(Settings.load().frames_path).rglob("latest"):
        assert pointer.with_name(f"{pointer.read_text()}.parquet").exists()
    told = on_stage.json("history", "--user", code)["entries"]
    assert [entry["action"] for entry in told] == [
        "user.create",
        "membership.add",
        "user.update",
        "user.remove",
    ]
    assert {entry["plan_id"] for entry in told} >= {joined["plan_id"], left}
    again = on_stage.run("forget", ADDRESS)
    assert (again.exit_code, "Nobody is known here" in again.output) == (2, True)


def test_plans_that_named_the_person_cannot_be_applied_and_everything_else_works(
    on_stage: Stage,
) -> None:
    on_stage.json("sync")
    join(on_stage)
    never_applied = on_stage.json("plan")["plan_id"]
    on_stage.directory["users"].pop()
    on_stage.directory["groups"][0]["member"].remove(DN)
    on_stage.json("plan")
    on_stage.json("forget", ADDRESS)
    assert "There is no plan" in on_stage.json("apply", never_applied, code=2)["message"]
    assert on_stage.run("approve", never_applied, "--reason", "x").exit_code == 2
    plans: Any = on_stage.json("plans")
    assert never_applied not in {plan["plan_id"] for plan in plans}
    assert on_stage.json("sync")["status"] == "nothing to do"
    on_stage.directory["users"][0]["displayName"] = "Amelie Blanc"
    assert on_stage.json("sync")["status"] == "applied"
    assert on_stage.users()[address(PEOPLE[0])]["name"] == "Amelie Blanc"


def test_a_person_who_comes_back_is_new_and_gets_the_same_code_when_forgotten_again(
    on_stage: Stage,
) -> None:
    on_stage.json("sync")
    join(on_stage)
    joined = on_stage.json("sync")
    leave(on_stage)
    on_stage.json("plan")
    first = on_stage.json("forget", "Zoë O'Hara")
    join(on_stage)
    back = on_stage.json("sync")
    assert back["status"] == "applied"
    assert back["plan_id"] == joined["plan_id"], "the very same plan, made anew"
    assert on_stage.users()[ADDRESS]["active"]
    leave(on_stage)
    on_stage.json("plan")
    assert on_stage.json("forget", ADDRESS.upper())["code"] == first["code"]
    assert places_with(*WORDS) == {}


def test_a_person_in_the_directory_is_not_forgotten_unless_confirmed(on_stage: Stage) -> None:
    for _ in range(2):
        on_stage.json("sync")
    who = address(PEOPLE[0])
    refused = on_stage.run("forget", who)
    assert refused.exit_code == 2
    assert "in the directory and in Swit" in " ".join(refused.output.split())
    assert places_with(who)
    done = on_stage.json("forget", who, "--anyway")
    assert done["still_in"] == ["the directory", "Swit"]
    assert places_with(who, PEOPLE[0], user_dn(PEOPLE[0])) == {}
    on_stage.json("sync")
    assert places_with(who), "the next run reads them again, as was said"


def test_a_name_that_two_people_have_is_refused(on_stage: Stage) -> None:
    on_stage.directory["users"][1]["displayName"] = PEOPLE[0]
    on_stage.json("sync")
    result = on_stage.run("forget", PEOPLE[0], "--anyway")
    assert result.exit_code == 2
    assert address(PEOPLE[0]) in result.output
    assert address(PEOPLE[1]) in result.output
    on_stage.json("forget", address(PEOPLE[0]), "--anyway")
    assert places_with(address(PEOPLE[0])) == {}
    assert places_with(PEOPLE[0]), "it is her namesake's name, too"
    assert address(PEOPLE[1]) in on_stage.run("history", "--user", address(PEOPLE[1])).output


def test_forget_is_refused_during_a_run(on_stage: Stage) -> None:
    """It may be writing them down just now."""
    on_stage.json("sync")
    with open_store(Settings.load()) as store, instance() as dagster:
        grant = store.lease.acquire("R9", actor="ann@host", ttl=timedelta(minutes=5))
        held = on_stage.run("forget", address(PEOPLE[0]), "--anyway")
        assert (held.exit_code, "R9" in held.output) == (6, True)
        store.lease.release(grant)
        run = dagster.create_run_for_job(
            reconstructable_job("plan").get_definition(),
            status=dg.DagsterRunStatus.STARTED,
            tags=dict(OURS),
        )
        under_way = on_stage.run("forget", address(PEOPLE[0]), "--anyway")
        assert (under_way.exit_code, run.run_id in under_way.output) == (6, True)
    assert places_with(address(PEOPLE[0]))
