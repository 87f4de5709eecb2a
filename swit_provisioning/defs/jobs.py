"""`plan` reads and decides, `apply` sends one stored plan, `sync` does all of it in one run."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import dagster as dg

from swit_provisioning.defs.gate import AcceptConfig, SendConfig
from swit_provisioning.defs.planning_assets import PlanConfig
from swit_provisioning.defs.resources import logger_config
from swit_provisioning.operations.dagster_runs import NO_RETRY_TAGS, WRITERS
from swit_provisioning.operations.prune import Pruning
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import ScheduleSettings, Settings, SettingsError
from swit_provisioning.state.database import StoreError

WRITES_TAGS: Final = {"swit_provisioning/writes": "swit", **NO_RETRY_TAGS}
"""Tags of runs that write: one at a time from Dagster's queue, and no automatic retry."""

_PLANNING = dg.AssetSelection.groups("directory", "swit", "difference")
_APPLYING = dg.AssetSelection.assets("accepted_plan", *WRITERS, "change_log")


class ApplyConfig(AcceptConfig):
    """Which stored plan to apply, and which changes of it."""

    plan_id: str
    """The id that `swit-provisioning plan` prints, and that the asset `change_plan` shows."""


class SyncConfig(PlanConfig, SendConfig):
    """For whom to make a plan, and which changes of it to send."""


@dg.config_mapping
def apply_config(config: ApplyConfig) -> dict[str, object]:
    """Map the fields in the launchpad to the configuration of the gate."""
    return {"ops": {"accepted_plan": {"config": config.model_dump()}}, **logger_config()}


@dg.config_mapping
def plan_config(config: PlanConfig) -> dict[str, object]:
    """Map the field in the launchpad to the configuration of the step that plans."""
    values = config.model_dump(exclude_none=True)
    return {"ops": {"compute_difference": {"config": values}}, **logger_config()}


@dg.config_mapping
def sync_config(config: SyncConfig) -> dict[str, object]:
    """Map the fields in the launchpad to the step that plans and to the gate."""
    planning = config.model_dump(include={"user"}, exclude_none=True)
    sending = config.model_dump(exclude={"user"})
    ops = {"compute_difference": {"config": planning}, "accepted_plan": {"config": sending}}
    return {"ops": ops, **logger_config()}


plan = dg.define_asset_job(
    "plan",
    _PLANNING,
    config=plan_config,
    description="Read both sides, make a plan and judge it. Writes nothing to Swit.",
)
apply = dg.define_asset_job(
    "apply",
    _APPLYING,
    config=apply_config,
    run_tags=WRITES_TAGS,
    description="Apply one stored plan. A stale plan is refused.",
)
sync = dg.define_asset_job(
    "sync",
    _PLANNING | _APPLYING,
    config=sync_config,
    run_tags=WRITES_TAGS,
    description="Read both sides, make a plan, judge it and apply it, as the schedule does.",
)

_SHORTEST_WINDOW: Final = timedelta(minutes=1)
"""Dagster accepts no shorter window."""


def daily_sync(settings: ScheduleSettings) -> list[dg.ScheduleDefinition]:
    """The schedule, which is on from the start; none without `SCHEDULE_TIME`.

    If the clock change skips its time, the run starts an hour later.
    """
    if settings.schedule_time is None:
        return []
    hour, minute = (int(part) for part in settings.schedule_time.split(":"))
    return [
        dg.ScheduleDefinition(
            name="daily_sync",
            job=sync if settings.schedule_action == "sync" else plan,
            cron_schedule=f"{minute} {hour} * * *",
            execution_timezone=settings.schedule_timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Every day at {settings.schedule_time} {settings.schedule_timezone}.",
            execution_fn=_unless_paused,
        )
    ]


def _unless_paused(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start the run. During a pause, skip a run that would write, and give the reason."""
    try:
        settings = Settings.load()
        with open_store(settings) as store:
            pause = store.pauses.now()
    except (SettingsError, StoreError):
        # The run fails, and the failure is reported; it writes nothing.
        return dg.RunRequest()
    if pause is not None and settings.schedule_action == "sync":
        return dg.SkipReason(f"Scheduled runs are {pause.sentence}")
    return dg.RunRequest()


def planned_every_night(
    assets: Iterable[dg.AssetsDefinition], settings: ScheduleSettings
) -> list[dg.AssetsDefinition]:
    """The assets. `change_plan` gets a freshness policy: the UI shows when it is overdue."""
    if settings.schedule_time is None or not settings.alert_after_hours:
        return list(assets)
    window = max(timedelta(hours=settings.alert_after_hours), _SHORTEST_WINDOW)
    policy = dg.FreshnessPolicy.time_window(fail_window=window)

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_plan = spec.key == dg.AssetKey("change_plan")
        return dg.apply_freshness_policy(spec, policy) if is_plan else spec

    return [asset.map_asset_specs(with_policy) for asset in assets]


_HOURS_AFTER = 1
_ELSE_AT = "03:30"


@dg.op
def delete_expired_data(context: dg.OpExecutionContext) -> None:
    """Delete frames, plans, runs with their events, and journal entries past their retention."""
    settings = Settings.load()
    with open_store(settings) as store:
        pruning = Pruning(settings, context.instance, store)
        gone = pruning.delete(pruning.find())
    context.log.info("Deleted %s.", gone.sentence())


@dg.job(
    name="prune",
    description="Delete data that is older than RETENTION_DAYS, without the directory or Swit.",
)
def prune_job() -> None:
    """Delete expired data in one step, without the directory or Swit."""
    delete_expired_data()


def daily_prune(settings: ScheduleSettings) -> dg.ScheduleDefinition:
    """Every day, an hour after the daily run; at 03:30 if there is no daily run."""
    hour, minute = (int(part) for part in (settings.schedule_time or _ELSE_AT).split(":"))
    later = (hour + _HOURS_AFTER) % 24 if settings.schedule_time else hour
    return dg.ScheduleDefinition(
        name="daily_prune",
        job=prune_job,
        cron_schedule=f"{minute} {later} * * *",
        execution_timezone=settings.schedule_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every day at {later:02}:{minute:02} {settings.schedule_timezone}.",
    )


JOBS: Final = (plan, apply, sync, prune_job)
