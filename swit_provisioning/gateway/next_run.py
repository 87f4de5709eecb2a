"""When the schedule starts the next run: the same as Dagster's daemon, also when clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from swit_provisioning.settings import ScheduleSettings

_MINUTE: Final = timedelta(minutes=1)
_DAYS: Final = 3


def next_run(settings: ScheduleSettings, now: datetime) -> datetime | None:
    """The first time after `now` (aware) that `SCHEDULE_TIME` names; `None` where it is not set.

    An hour that comes twice counts as it comes the second time; one that is left out, as its end.
    """
    if settings.schedule_time is None:
        return None
    hour, minute = (int(part) for part in settings.schedule_time.split(":"))
    zone = ZoneInfo(settings.schedule_timezone)
    today = now.astimezone(zone).replace(hour=hour, minute=minute, second=0, microsecond=0)
    times = (_instant(today.replace(tzinfo=None) + timedelta(days=n), zone) for n in range(_DAYS))
    return next(time for time in times if time > now)


def _instant(clock: datetime, zone: ZoneInfo) -> datetime:
    time = clock.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if time.astimezone(zone).replace(tzinfo=None) == clock:
        return time
    # No clock shows it that day. Read by the old time, it is past the change: back to that.
    time = clock.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = time.astimezone(zone).utcoffset()
    while (time - _MINUTE).astimezone(zone).utcoffset() == offset:
        time -= _MINUTE
    return time
