"""When runs start by themselves: once a day, as soon as `SCHEDULE_TIME` is set."""

import dagster as dg

from swit_provisioning.jobs import plan, sync
from swit_provisioning.settings import ScheduleSettings


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
        )
    ]
