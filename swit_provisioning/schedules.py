"""When runs start by themselves: once a day, as soon as `SCHEDULE_TIME` is set."""

from datetime import timedelta
from typing import Final

import dagster as dg

from swit_provisioning.jobs import plan, sync
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import ScheduleSettings, Settings, SettingsError
from swit_provisioning.store.errors import StoreError

_SHORTEST_WINDOW: Final = timedelta(minutes=1)
"""Dagster takes none that is shorter."""


def daily_sync(settings: ScheduleSettings) -> list[dg.ScheduleDefinition]:
    """The schedule, running from the start; none without `SCHEDULE_TIME`.

    In the night the clocks go forward, a time that does not exist runs an hour later.
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


def _unless_paused(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start the run; while runs are paused, say why a run that writes is not started."""
    del context
    try:
        settings = Settings.load()
        with open_store(settings) as store:
            pause = store.pauses.now()
    except (SettingsError, StoreError):
        # The run fails of it, and what has failed is reported; it writes nothing.
        return dg.RunRequest()
    if pause is not None and settings.schedule_action == "sync":
        return dg.SkipReason(f"Scheduled runs are {pause.sentence}")
    return dg.RunRequest()


def planned_every_night(
    difference: dg.AssetsDefinition, settings: ScheduleSettings
) -> dg.AssetsDefinition:
    """The same with a plan that the UI calls overdue when none was made for too long."""
    if settings.schedule_time is None or not settings.alert_after_hours:
        return difference
    window = max(timedelta(hours=settings.alert_after_hours), _SHORTEST_WINDOW)
    policy = dg.FreshnessPolicy.time_window(fail_window=window)
    plan_key = dg.AssetKey("change_plan")
    return difference.map_asset_specs(
        lambda spec: dg.apply_freshness_policy(spec, policy) if spec.key == plan_key else spec
    )
