"""What is looked after between runs."""

from datetime import UTC, datetime

import dagster as dg

from swit_provisioning.operations.alarms import (
    Watch,
    look_after_login,
    tell_of_missed_nights,
    tell_of_silence,
)
from swit_provisioning.operations.run_notifications import settings_for_telling, tell_of_run
from swit_provisioning.operations.runs import mark_dead_runs_failed
from swit_provisioning.operations.services import open_store
from swit_provisioning.operations.webhooks import channels, deliver, no_channels
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.errors import StoreError

_SECONDS = 15
_A_MINUTE = 60


@dg.sensor(minimum_interval_seconds=_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mark a run as failed whose process is gone, so that it can be re-executed.

    Dagster itself never finds out; such a run would also keep the scheduled ones waiting.
    """
    try:
        settings = Settings.load()
        with open_store(settings) as store:
            dead = mark_dead_runs_failed(context.instance, store, settings.home)
    except (SettingsError, StoreError) as error:
        return dg.SkipReason(str(error))
    if not dead:
        return dg.SkipReason("Every run that is not over is alive.")
    return dg.SkipReason(f"Their process is gone, they are marked as failed: {', '.join(dead)}.")


def _told(status: dg.DagsterRunStatus, name: str, says: str) -> dg.RunStatusSensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=name,
        description=says,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run_id = context.dagster_run.run_id
        troubles = tell_of_run(context.instance, run_id)
        return dg.SkipReason(" ".join(troubles) or f"The run {run_id} is looked at.")

    return sensor


told_successes = _told(
    dg.DagsterRunStatus.SUCCESS,
    "told_successes",
    "Tell the webhooks of runs that went well.",
)
told_failures = _told(
    dg.DagsterRunStatus.FAILURE, "told_failures", "Tell the webhooks of runs that failed."
)
told_cancellations = _told(
    dg.DagsterRunStatus.CANCELED,
    "told_cancellations",
    "Tell the webhooks of runs that were canceled or blocked.",
)


@dg.sensor(minimum_interval_seconds=_A_MINUTE, default_status=dg.DefaultSensorStatus.RUNNING)
def undelivered_messages() -> dg.SkipReason:
    """Post what a webhook has not taken yet."""
    settings = settings_for_telling()
    if not channels(settings):
        return dg.SkipReason(no_channels(settings))
    try:
        with open_store(settings) as store:
            troubles = deliver(store, settings)
    except StoreError as error:
        return dg.SkipReason(str(error))
    return dg.SkipReason(" ".join(troubles) or "No message is waiting.")


@dg.sensor(minimum_interval_seconds=_A_MINUTE, default_status=dg.DefaultSensorStatus.RUNNING)
def alarms(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Tell of missed nights, of days without a success, of a login that ends; renew the login."""
    now = datetime.now(UTC)
    watch = Watch.of(context.cursor, now)
    settings = settings_for_telling()
    said = "It was looked at."
    try:
        with open_store(settings) as store:
            tell_of_missed_nights(store, settings, context.instance, watch, now)
            watch = watch.looked(now)
            tell_of_silence(store, settings, context.instance, watch, now)
            watch = look_after_login(store, settings, watch, now)
            said = " ".join(deliver(store, settings)) or said
    except StoreError as error:
        # Nothing was looked at: what was missed meanwhile is told once that is possible.
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    return dg.SensorResult(skip_reason=said, cursor=watch.cursor())


SENSORS = (
    dead_runs,
    told_successes,
    told_failures,
    told_cancellations,
    undelivered_messages,
    alarms,
)
