"""What is looked after between runs."""

import dagster as dg

from swit_provisioning.resources.dead_runs import bury_the_dead
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.errors import StoreError

_SECONDS = 15


@dg.sensor(minimum_interval_seconds=_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mark a run as failed whose process is gone, so that it can be re-executed.

    Dagster itself never finds out; such a run would also keep the scheduled ones waiting.
    """
    try:
        settings = Settings.load()
        with open_store(settings) as store:
            dead = bury_the_dead(context.instance, store, settings.home)
    except (SettingsError, StoreError) as error:
        return dg.SkipReason(str(error))
    if not dead:
        return dg.SkipReason("Every run that is not over is alive.")
    return dg.SkipReason(f"Their process is gone, they are marked as failed: {', '.join(dead)}.")
