"""Nothing has succeeded for too long, for whatever reason: an alarm of its own."""

from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from swit_provisioning.messages.alarms import NO_SUCCESS, begin, end
from swit_provisioning.messages.watch import Watch
from swit_provisioning.reconcile.text import clock
from swit_provisioning.resources.seen_runs import SeenRun, newest_runs, newest_that_counts
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store

_TIME_TO_MAKE_UP: Final = timedelta(hours=1)
"""After the daemon was off: the run that Dagster makes up for comes first."""


def tell_of_silence(
    store: Store, settings: Settings, dagster: dg.DagsterInstance, watch: Watch, now: datetime
) -> None:
    """Tell once for each last success, and once more when the next one is there."""
    plans_count = settings.schedule_action == "plan"
    succeeded = newest_runs(dagster, dg.DagsterRunStatus.SUCCESS)
    last = newest_that_counts(succeeded, plans_count=plans_count)
    standing = store.alarms.standing(NO_SUCCESS)
    about = last.run_id if last else "never"
    if standing is not None and last is not None and standing.about != about:
        end(
            store,
            settings,
            NO_SUCCESS,
            f"over: a run has succeeded again on {clock(_ended(last, now))}.",
            f"Run {last.run_id}",
        )
    hours = settings.alert_after_hours
    since = _ended(last, now) if last else watch.since
    if not _is_wanted(store, settings) or now - since < timedelta(hours=hours):
        return
    if now - watch.up_since < _TIME_TO_MAKE_UP and watch.up_since != watch.since:
        return
    tried = newest_that_counts(newest_runs(dagster), plans_count=plans_count)
    begin(
        store,
        settings,
        NO_SUCCESS,
        about,
        f"nothing has succeeded for {(now - since).total_seconds() / 3600:.0f} hours"
        f" (ALERT_AFTER_HOURS={hours:g}).",
        f"The last success: {_told(last)}",
        f"The last run: {_told(tried)}",
        "Look at swit-provisioning status, and whether the schedule daily_sync is on in the UI.",
    )


def _is_wanted(store: Store, settings: Settings) -> bool:
    """Whether something should succeed every day at all."""
    if settings.schedule_time is None or not settings.alert_after_hours:
        return False
    return settings.schedule_action == "plan" or store.pauses.now() is None


def _ended(run: SeenRun, now: datetime) -> datetime:
    return run.ended_at or run.started_at or now


def _told(run: SeenRun | None) -> str:
    return "none yet" if run is None else run.in_words
