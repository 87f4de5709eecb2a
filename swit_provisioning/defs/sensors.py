"""The sensors: runs that have died, messages about runs, and problems beside runs."""

from datetime import UTC, datetime

import dagster as dg

from swit_provisioning.operations.alarms import Alarms, Watch
from swit_provisioning.operations.dagster_runs import mark_dead_runs_failed
from swit_provisioning.operations.run_notifications import notify_of_ended_runs, settings_or_usable
from swit_provisioning.operations.services import open_store
from swit_provisioning.operations.webhooks import channels, no_channels
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.database import StoreError

_SECONDS = 15
_A_MINUTE = 60


@dg.sensor(
    description="Marks runs as failed when their process has died.",
    minimum_interval_seconds=_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mark runs as failed when their process has died, so that you can re-execute them.

    Dagster does not detect a dead process, and a dead run keeps scheduled runs waiting.
    """
    try:
        settings = Settings.load()
        with open_store(settings) as store:
            dead = mark_dead_runs_failed(context.instance, store, settings.home)
    except (SettingsError, StoreError) as error:
        return dg.SkipReason(str(error))
    if not dead:
        return dg.SkipReason("All started runs are alive.")
    return dg.SkipReason(
        f"These runs were marked as failed because their process has died: {', '.join(dead)}."
    )


@dg.sensor(
    description="Posts the messages about runs that have ended.",
    minimum_interval_seconds=_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def run_messages(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Post the messages about ended runs that no command has posted.

    The cursor is the time of the first evaluation. Earlier runs get no message.
    """
    now = datetime.now(UTC)
    since = datetime.fromisoformat(context.cursor) if context.cursor else now
    settings = settings_or_usable()
    reason = no_channels(settings)
    if channels(settings):
        problems = notify_of_ended_runs(context.instance, since=since, now=now)
        reason = " ".join(problems) or "All messages were posted."
    return dg.SensorResult(skip_reason=reason, cursor=since.isoformat())


@dg.sensor(
    description="Reports missed nights, days without success, an ending login; renews it.",
    minimum_interval_seconds=_A_MINUTE,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alarms(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Renew the login. Report missed runs, days without a success, and an expiring login."""
    now = datetime.now(UTC)
    watch = Watch.of(context.cursor, now)
    settings = settings_or_usable()
    try:
        with open_store(settings) as store:
            Alarms(
                watch=watch, store=store, settings=settings, dagster=context.instance, now=now
            ).look()
    except StoreError as error:
        # Nothing was checked. A later evaluation reports the problems of this period.
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    reason = " ".join(watch.deliver(settings)) or "There are no new problems."
    return dg.SensorResult(skip_reason=reason, cursor=watch.cursor())


SENSORS = (dead_runs, run_messages, alarms)
