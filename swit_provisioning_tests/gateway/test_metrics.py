"""What the metrics say of what is stored, and that the documentation names every one of them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swit_provisioning.gateway.metrics import Facts, GatewayCounters
from swit_provisioning.operations.dagster_runs import RunSummary
from swit_provisioning.state.coordination import LeaseHolder

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def run(job: str, *, hours_ago: int, status: str = "success", minutes: int = 5) -> RunSummary:
    began = NOW - timedelta(hours=hours_ago)
    ended = None if status == "started" else began + timedelta(minutes=minutes)
    return RunSummary(
        run_id=f"{job}-{hours_ago}", job=job, status=status, started_at=began, ended_at=ended
    )


FACTS = Facts(
    at=NOW,
    test_mode=False,
    organization_id="org-1",
    plans_count=False,
    last={"sync": run("sync", hours_ago=1, status="failure"), "plan": run("plan", hours_ago=0)},
    succeeded={"sync": run("sync", hours_ago=25), "apply": run("apply", hours_ago=50)},
    lease=LeaseHolder(run_id="r", actor="me@here", since=NOW, until=NOW + timedelta(seconds=45)),
    next_run=NOW + timedelta(hours=22),
    token_ends=NOW + timedelta(days=6),
    changes={("user.create", "applied"): 20, ("team.update", None): 1},
    stops={"deactivations_within_limit": 2},
)


def values(facts: Facts) -> dict[str, float]:
    counters = GatewayCounters()
    counters.refusals.labels(401).inc()
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(counters.page(facts).decode())
        for sample in family.samples
        if sample.name.startswith("swit_provisioning_")
    }


def test_every_fact_is_a_metric() -> None:
    found = {name.removeprefix("swit_provisioning_"): v for name, v in values(FACTS).items()}
    assert found["changes['applied', 'user.create']"] == 20
    assert found["changes['team.update', 'unknown']"] == 1
    assert found["guard_stops['deactivations_within_limit']"] == 2
    assert found["last_run_success['sync']"] == 0
    assert found["last_run_success['plan']"] == 1
    assert found["last_run_duration_seconds['sync']"] == 300
    assert found["last_success_age_seconds['sync']"] == 25 * 3600 - 300
    assert (
        found["last_success_timestamp_seconds['apply']"]
        == (NOW - timedelta(hours=50) + timedelta(minutes=5)).timestamp()
    )
    assert found["lease_held[]"] == 1
    assert found["next_run_timestamp_seconds[]"] == (NOW + timedelta(hours=22)).timestamp()
    assert found["token_expires_timestamp_seconds[]"] == (NOW + timedelta(days=6)).timestamp()
    assert found["gateway_refusals_total['401']"] == 1
    assert found["gateway_runs_started_total[]"] == 0


def test_what_is_not_known_is_left_out() -> None:
    """A zero would be a time in 1970, and "it went well" a lie."""
    nothing = replace(
        FACTS,
        last={"sync": run("sync", hours_ago=0, status="started")},
        succeeded={},
        lease=None,
        next_run=None,
        token_ends=None,
        changes={},
        stops={},
    )
    names = {name.partition("[")[0].removeprefix("swit_provisioning_") for name in values(nothing)}
    assert {name for name in names if not name.startswith("gateway_")} == {"info", "lease_held"}
    assert nothing.document()["last_success"] is None
    assert nothing.document()["next_run"] is None


@pytest.mark.parametrize(("plans_count", "expected"), [(False, "sync-1"), (True, "plan-0")])
def test_a_plan_counts_as_a_run_where_the_schedule_only_plans(
    expected: str, *, plans_count: bool
) -> None:
    facts = replace(FACTS, plans_count=plans_count)
    assert facts.last_run is not None
    assert facts.last_run.run_id == expected


def test_the_documentation_names_every_metric_and_no_other() -> None:
    told = {
        name.partition("[")[0].removeprefix("swit_provisioning_").removesuffix("_created")
        for name in values(FACTS)
        if "_created" not in name
    }
    rows = PAGE.read_text(encoding="utf-8").partition("| metric |")[2].partition("\n\n")[0]
    first_cells = "".join(row.split("|")[1] for row in rows.splitlines()[2:])
    assert set(re.findall(r"`([a-z_]+)`", first_cells)) == told
