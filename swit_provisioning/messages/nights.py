"""Nights on which nothing ran because the machine, or Dagster's daemon, was off."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import dagster as dg

from swit_provisioning.daily import next_run
from swit_provisioning.messages.alarms import NIGHT_MISSED, notice
from swit_provisioning.messages.delivery import tell
from swit_provisioning.messages.watch import AWAY, Watch
from swit_provisioning.resources.code_location import SCHEDULE_TAG
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.store.store import Store

_MOST: Final = 400
"""Nights looked at: who was off for longer knows it."""
_NAMED: Final = 5


def tell_of_missed_nights(
    store: Store, settings: Settings, dagster: dg.DagsterInstance, watch: Watch, now: datetime
) -> None:
    """Tell once, when the daemon is back; nobody misses what is paused."""
    missed = [time for time in nights(settings, watch, now) if not _ran(dagster, time)]
    if not missed or (settings.schedule_action == "sync" and store.pauses.now() is not None):
        return
    count = "a nightly run was" if len(missed) == 1 else f"{len(missed)} nightly runs were"
    zone = ZoneInfo(settings.schedule_timezone)
    named = [f"{time.astimezone(zone):%Y-%m-%d %H:%M}" for time in missed[-_NAMED:]]
    more = f" and {len(missed) - _NAMED} before" if len(missed) > _NAMED else ""
    message = notice(
        settings,
        NIGHT_MISSED,
        "error",
        f"{count} missed: {', '.join(named)}{more} ({settings.schedule_timezone}).",
        "This machine, or Dagster's daemon on it, was off. Dagster makes up for the last one as it"
        " starts, if the schedule daily_sync is on; what comes of it is told by itself.",
    )
    tell(store, settings, f"{NIGHT_MISSED}, {missed[-1].isoformat()}", message)


def nights(settings: ScheduleSettings, watch: Watch, now: datetime) -> list[datetime]:
    """Times of the schedule that passed while nobody looked."""
    if not watch.was_off(now):
        return []
    times: list[datetime] = []
    at = next_run(settings, watch.seen)
    while at is not None and at < now - AWAY and len(times) < _MOST:
        times.append(at)
        at = next_run(settings, at)
    return times


def _ran(dagster: dg.DagsterInstance, time: datetime) -> bool:
    """Whether the schedule launched a run then: somebody had only switched off who looks."""
    launched = dg.RunsFilter(
        tags={SCHEDULE_TAG: "daily_sync"},
        created_after=time - timedelta(seconds=1),
        created_before=time + AWAY,
    )
    return bool(dagster.get_run_records(launched, limit=1))
