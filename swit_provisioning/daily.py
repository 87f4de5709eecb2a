"""When a daily run is due next: as Dagster's schedule has it, across changes of summer time."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from swit_provisioning.settings import ScheduleSettings


def next_run(settings: ScheduleSettings, now: datetime) -> datetime | None:
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    if settings.schedule_time is None:
        return None
    return next_daily(settings.schedule_time, settings.schedule_timezone, after=now)


def next_daily(clock: str, timezone: str, *, after: datetime) -> datetime:
    """The next time that it is `clock` (`HH:MM`) in `timezone`, in UTC.

    A time that a night skips is the end of the gap; of one that comes twice it is the second.
    """
    zone, due = ZoneInfo(timezone), time.fromisoformat(clock)
    day = after.astimezone(zone).date()
    while True:
        found = _on(datetime.combine(day, due), zone)
        if found > after:
            return found
        day += timedelta(days=1)


def _on(local: datetime, zone: ZoneInfo) -> datetime:
    found = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # The night skips it. Read with the two offsets of that night, it lies on both sides of the gap.
    before, minute = found, timedelta(minutes=1)
    while (before + minute).astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
        before += minute
    return before + minute
