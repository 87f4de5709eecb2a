"""The job `prune` and its schedule: nobody has to think of it, and no sync waits for it.

A job of its own, not a step of the sync: it shows by itself whether it went well, runs where
nothing is scheduled to sync, and a sync is over when Swit is as it should be.
"""

import dagster as dg

from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.upkeep.pruning import Pruning

_HOURS_AFTER = 1
_ELSE_AT = "03:30"


@dg.op
def delete_what_is_old(context: dg.OpExecutionContext) -> None:
    """Delete frames, plans, runs with their events, and journal entries past their retention."""
    settings = Settings.load()
    with open_store(settings) as store:
        pruning = Pruning(settings, context.instance, store)
        gone = pruning.delete(pruning.find())
    context.log.info("Deleted %s.", gone.sentence())


@dg.job(name="prune", description="Delete what is older than RETENTION_DAYS. Asks nobody.")
def prune_job() -> None:
    """One step; it needs neither the directory nor Swit."""
    delete_what_is_old()


def daily_prune(settings: ScheduleSettings) -> dg.ScheduleDefinition:
    """Every day, an hour after the daily run where there is one."""
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
