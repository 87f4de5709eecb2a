"""A state that version 7890455 left opens, and its plans continue."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning.state.token_store import TokenRow
from swit_provisioning_tests.directories import PEOPLE, address
from swit_provisioning_tests.integration.stage import Stage, stage
from swit_provisioning_tests.state.old_states import OldState, unpacked


@pytest.fixture
def old(tmp_path: Path) -> OldState:
    return unpacked("0005", tmp_path / "home" / "state" / "swit_provisioning.sqlite")


@pytest.fixture
def on_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: OldState) -> Iterator[Stage]:
    """The sandbox as it was then, at another address."""
    monkeypatch.setenv("COLUMNS", "300")
    with stage(monkeypatch, tmp_path, SandboxServer(old.organisation())) as made:
        made.directory = old.plans["half applied"].directory
        made.write_directory()
        with open_store(Settings.load()) as store:
            store.tokens.save(
                TokenRow(
                    access_token=made.settings["SWIT_ACCESS_TOKEN"],
                    refresh_token=made.settings["SWIT_REFRESH_TOKEN"],
                    expires_at=None,
                    scope=None,
                )
            )
        yield made


def states(on_stage: Stage) -> dict[str, str]:
    listed = on_stage.run("plans", "--json")
    assert listed.exit_code == 0, listed.output
    return {plan["plan_id"]: plan["state"] for plan in json.loads(listed.stdout)}


def test_plans_and_history_of_an_earlier_version_show_and_old_plans_are_refused(
    on_stage: Stage, old: OldState
) -> None:
    expected = {
        "applied": "applied",
        "approved and applied": "applied",
        "rejected": "rejected",
        "half applied": "expired",
        "approved": "expired",
        "blocked": "expired",
        "ready": "expired",
    }
    found = states(on_stage)
    assert {label: found[plan.plan_id] for label, plan in old.plans.items()} == expected
    for plan in old.plans.values():
        shown = on_stage.json("show", plan.plan_id)
        assert shown["plan_id"] == plan.plan_id
        assert shown["changes"]
    history = on_stage.run("history", "--user", address(PEOPLE[0])).output
    assert "user.create" in history
    assert "user.deactivate" in history
    assert "a site closed" in history
    late = on_stage.run("approve", old.plans["blocked"].plan_id, "--reason", "late")
    assert late.exit_code == 5
    assert "PLAN_MAX_AGE_HOURS is 72" in late.stderr
    refused = on_stage.run("apply", old.plans["ready"].plan_id)
    assert refused.exit_code == 5
    assert "PLAN_MAX_AGE_HOURS is 72" in refused.stderr
    assert "swit-provisioning plan" in refused.stderr
    assert on_stage.writes == []


@pytest.fixture
def plans(old: OldState, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Ids of the plans, which may be of any age."""
    monkeypatch.setenv("PLAN_MAX_AGE_HOURS", "1000000")
    return {label: plan.plan_id for label, plan in old.plans.items()}


def test_a_plan_that_an_earlier_version_applied_in_part_is_applied_to_its_end(
    on_stage: Stage, plans: dict[str, str]
) -> None:
    found = states(on_stage)
    # The directory of the newest plan, `ready`, no longer lacks the people of the two before.
    assert {label: found[plans[label]] for label in ("half applied", "approved", "ready")} == {
        "half applied": "begun",
        "approved": "stale",
        "ready": "ready",
    }
    assert on_stage.json("apply", plans["half applied"][:7])["status"] == "applied"
    assert on_stage.writes == ["scim.user.update"] * 2
    assert states(on_stage)[plans["half applied"]] == "applied"


def test_what_was_decided_on_plans_of_an_earlier_version_still_counts(
    on_stage: Stage, old: OldState, plans: dict[str, str]
) -> None:
    approved = on_stage.run("approve", plans["blocked"], "--reason", "the site closed too")
    assert approved.exit_code == 0
    assert "deactivations_within_limit" in approved.output
    on_stage.directory = old.plans["approved"].directory
    assert on_stage.json("apply", plans["approved"])["status"] == "applied"
    inactive = {mail for mail, user in on_stage.users().items() if not user["active"]}
    assert inactive == {address(person) for person in PEOPLE[:8]}
    rejected = on_stage.run("apply", plans["rejected"])
    assert rejected.exit_code == 3
    assert "the export was cut short" in rejected.stderr
