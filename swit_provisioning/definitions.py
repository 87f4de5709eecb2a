"""The code location that Dagster loads. Wiring only: it decides nothing."""

import os

import dagster as dg

from swit_provisioning.defs import apply_assets, gate, planning_assets
from swit_provisioning.defs.endings import interruptible_executor
from swit_provisioning.defs.io_manager import ParquetFramesResource
from swit_provisioning.defs.jobs import JOBS, daily_prune, daily_sync, planned_every_night
from swit_provisioning.defs.resources import SILENT, SessionResource, SettingsResource
from swit_provisioning.defs.sensors import SENSORS
from swit_provisioning.settings import ScheduleSettings


@dg.definitions
def defs() -> dg.Definitions:
    """Everything. It loads with no settings at all; a run then says what is missing."""
    # The frames and pages that runs write are for this account alone.
    os.umask(0o077)
    schedule = ScheduleSettings.load()
    loaded = dg.load_assets_from_modules([planning_assets, gate, apply_assets])
    assets = [asset for asset in loaded if isinstance(asset, dg.AssetsDefinition)]
    return dg.Definitions(
        assets=planned_every_night(assets, schedule),
        asset_checks=dg.load_asset_checks_from_modules([gate, apply_assets]),
        jobs=JOBS,
        loggers={"silent": SILENT},
        sensors=SENSORS,
        schedules=[*daily_sync(schedule), daily_prune(schedule)],
        executor=interruptible_executor,
        resources={
            "settings": SettingsResource(),
            "session": SessionResource(),
            "io_manager": ParquetFramesResource(),
        },
    )
