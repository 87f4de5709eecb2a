"""A held-out attack: false entries raise the count that the limits are percentages of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.operations.services import open_store
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.ageing import age_state
from swit_provisioning_tests.integration.stage import Stage, stage

GUARD = "deactivations_within_limit"


def _people(kind: str, number: int) -> list[dict[str, Any]]:
    return [
        {
            "distinguishedName": f"CN={kind} {place},OU=Staff,DC=example,DC=org",
            "mail": f"{kind}{place}@example.org",
            "displayName": f"{kind} {place}",
        }
        for place in range(number)
    ]


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    """100 real people with an account each."""
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        monkeypatch.setenv("MAX_USER_CREATIONS", "none")
        on_stage.directory = {"users": _people("real", 100), "groups": []}
        on_stage.json("sync")
        yield on_stage


def _deactivations(document: dict[str, Any]) -> dict[str, Any]:
    return next(guard for guard in document["guards"] if guard["name"] == GUARD)


@pytest.mark.incident(29)
def test_29_900_false_entries_do_not_let_all_100_real_people_be_deactivated(
    company: Stage,
) -> None:
    """Each of the two days was within every limit; together they removed the whole company."""
    company.directory["users"] += _people("false", 900)
    assert company.json("sync")["counts"] == {"user.create": 900}
    assert company.json("sync")["status"] == "nothing to do"
    company.directory["users"] = _people("false", 900)
    blocked = company.json("sync", code=3)
    assert _deactivations(blocked)["message"].startswith("100 of 100 active users in scope")
    assert all(user["active"] for user in company.users().values())


def test_ten_of_them_may_leave_on_a_day_as_before(company: Stage) -> None:
    company.directory["users"] += _people("false", 200)
    company.json("sync")
    del company.directory["users"][:10]
    assert company.json("sync")["counts"] == {"user.deactivate": 10}
    del company.directory["users"][0]
    assert not _deactivations(company.json("sync", code=3))["passed"]


def test_false_entries_that_only_a_part_of_a_plan_created_do_not_count_either(
    company: Stage,
) -> None:
    """No read is accepted meanwhile, but the journal knows what was created."""
    company.directory["users"] += _people("false", 200)
    company.directory["users"][0]["displayName"] = "Another Name"
    plan = company.json("plan")["plan_id"]
    company.json("apply", plan, "--only", "user.create")
    del company.directory["users"][:20]
    assert _deactivations(company.json("sync", code=3))["message"].startswith("20 of 100 ")


def test_people_who_were_there_for_a_week_count(company: Stage) -> None:
    company.directory["users"] += _people("new", 100)
    company.json("sync")
    with open_store(Settings.load()) as store:
        age_state(store, timedelta(days=8))
    company.json("sync")
    del company.directory["users"][:20]
    assert company.json("sync")["counts"] == {"user.deactivate": 20}
