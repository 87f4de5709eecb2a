"""The code location: it loads with no settings, holds what was promised, and says what it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.definitions import defs
from swit_provisioning.defs.apply_assets import WRITERS_POOL
from swit_provisioning.defs.planning_assets import DIFFS
from swit_provisioning.planning.actions import ACTIONS, STEPS
from swit_provisioning.planning.guards import GUARDS
from swit_provisioning.settings import SettingsError

GROUPS = {
    "directory": {"idp_users", "idp_groups", "idp_memberships", "idp_findings"},
    "swit": {"swit_users", "swit_teams", "swit_memberships"},
    "difference": {
        "user_diff",
        "team_diff",
        "sort_diff",
        "membership_diff",
        "directory_findings",
        "change_plan",
    },
    "apply": {
        "accepted_plan",
        "applied_users",
        "applied_teams",
        "applied_sort",
        "applied_memberships",
        "change_log",
    },
}


@pytest.fixture
def location() -> dg.Definitions:
    return defs()


def specs(location: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in location.resolve_all_asset_specs()}


def ops_of(job: dg.JobDefinition) -> Iterator[dg.OpDefinition]:
    """Every op of a job, those inside graphs too."""
    todo: list[Any] = list(job.graph.node_defs)
    while todo:
        node = todo.pop()
        if isinstance(node, dg.GraphDefinition):
            todo += node.node_defs
        else:
            yield node


def test_the_code_location_loads_without_settings(location: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(location)


def test_assets_and_groups_keep_their_promised_names(location: dg.Definitions) -> None:
    """A rename loses a run's history, so it has to show up in a review."""
    found: dict[str, set[str]] = {}
    for key, spec in specs(location).items():
        found.setdefault(spec.group_name or "", set()).add(key)
    assert found == GROUPS


@pytest.mark.parametrize("key", sorted(set().union(*GROUPS.values())))
def test_every_asset_has_a_description_and_an_owner(location: dg.Definitions, key: str) -> None:
    spec = specs(location)[key]
    assert spec.description
    assert spec.owners == ["team:it-operations"]
    assert spec.kinds
    assert spec.tags["personal_data"] == "true"
    schema = spec.metadata["dagster/column_schema"]
    assert schema.columns
    assert all(column.description for column in schema.columns)


def test_the_diffs_cover_every_action_once() -> None:
    assert sorted(action for actions in DIFFS.values() for action in actions) == sorted(ACTIONS)


def test_jobs_are_selections_of_one_graph(location: dg.Definitions) -> None:
    jobs = {name: location.resolve_job_def(name) for name in ("plan", "apply", "sync")}
    steps = {name: {op.name for op in ops_of(job)} for name, job in jobs.items()}
    assert steps["sync"] == steps["plan"] | steps["apply"]
    assert set(STEPS) <= steps["apply"]
    assert not set(STEPS) & steps["plan"]


@pytest.mark.parametrize(
    ("job", "fields"),
    [
        ("plan", {"user"}),
        ("apply", {"plan_id", "approve", "only", "exclude", "limit"}),
        # An approval is for a plan that a person has seen, so a new plan cannot be approved here.
        ("sync", {"user", "only", "exclude", "limit"}),
    ],
)
def test_the_launchpad_documents_every_field_of_a_job(
    location: dg.Definitions, job: str, fields: set[str]
) -> None:
    config: Any = location.resolve_job_def(job).config_mapping
    found = config.config_schema.config_type.fields
    described = {name: field.description for name, field in found.items()}
    assert described.keys() == fields
    assert all(described.values())


def test_the_launchpad_of_sync_configures_the_step_that_plans_and_the_gate(
    location: dg.Definitions,
) -> None:
    given = {"user": "ann@example.com", "only": "user.*", "limit": 5}
    config: Any = location.resolve_job_def("sync").config_mapping
    ops = config.resolve_from_unvalidated_config(given)["ops"]
    assert ops["compute_difference"]["config"] == {"user": "ann@example.com"}
    assert ops["accepted_plan"]["config"] == {
        "only": "user.*",
        "exclude": "",
        "limit": 5,
    }


def test_exactly_the_ops_that_send_are_in_the_pool(location: dg.Definitions) -> None:
    """The gate is not: a second run must be told at once who writes, and not wait for its end."""
    pooled = {op.name for op in ops_of(location.resolve_job_def("sync")) if op.pool}
    settling = {f"settle_{name}" for name in ("users", "teams", "sort", "memberships")}
    assert pooled == {*STEPS} | settling
    assert {op.pool for op in ops_of(location.resolve_job_def("sync"))} == {WRITERS_POOL, None}


def test_the_guards_are_checks_on_the_plan_and_on_the_gate(location: dg.Definitions) -> None:
    """The gate blocks, not Dagster: a blocking check would show all that comes after as failed."""
    graph = location.resolve_asset_graph()
    for asset in ("change_plan", "accepted_plan"):
        keys = [key for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(asset)]
        assert {key.name for key in keys} >= set(GUARDS)
        assert not [key for key in keys if graph.get(key).blocking]
        guards = [graph.get(key) for key in keys if key.name in GUARDS]
        assert all("the gate accepts no plan" in str(guard.description) for guard in guards)


def test_there_is_no_daily_run_without_a_schedule_time(location: dg.Definitions) -> None:
    assert {schedule.name for schedule in location.schedules or []} == {"daily_prune"}


def test_expired_data_is_deleted_every_day_after_the_daily_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = defs().resolve_schedule_def("daily_prune")
    assert alone.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (alone.cron_schedule, alone.execution_timezone) == ("30 3 * * *", "UTC")
    assert alone.job_name == "prune"
    monkeypatch.setenv("SCHEDULE_TIME", "23:05")
    monkeypatch.setenv("SCHEDULE_TIMEZONE", "Asia/Seoul")
    after = defs().resolve_schedule_def("daily_prune")
    assert (after.cron_schedule, after.execution_timezone) == ("5 0 * * *", "Asia/Seoul")


def test_the_schedule_is_on_as_soon_as_its_time_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("SCHEDULE_TIMEZONE", "Asia/Seoul")
    schedule = defs().resolve_schedule_def("daily_sync")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "Asia/Seoul")
    assert schedule.job_name == "sync"
    tick = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, tzinfo=UTC))
    assert len(schedule.evaluate_tick(tick).run_requests or []) == 1


def test_the_schedule_can_only_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("SCHEDULE_ACTION", "plan")
    assert defs().resolve_schedule_def("daily_sync").job_name == "plan"


@pytest.mark.parametrize(
    ("name", "value"), [("SCHEDULE_TIME", "2.30"), ("SCHEDULE_TIMEZONE", "Nowhere")]
)
def test_an_invalid_schedule_keeps_the_location_from_loading(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        defs()


def test_another_invalid_setting_does_not_keep_the_location_from_loading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run then says so; the UI must stay usable to read it."""
    monkeypatch.setenv("LDAP_TLS", "ssl")
    dg.Definitions.validate_loadable(defs())


def test_the_plan_has_a_freshness_policy_only_with_a_daily_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only where one is due every night."""

    def policy() -> object:
        specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
        assert specs["user_diff"].freshness_policy is None
        return specs["change_plan"].freshness_policy

    assert policy() is None
    monkeypatch.setenv("SCHEDULE_TIME", "02:30")
    assert policy() == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=30))
    monkeypatch.setenv("ALERT_AFTER_HOURS", "0")
    assert policy() is None
