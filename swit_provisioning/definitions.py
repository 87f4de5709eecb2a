"""The code location that Dagster loads. Wiring only: it decides nothing."""

import os

import dagster as dg

from swit_provisioning.assets.applied import (
    applied_memberships,
    applied_sort,
    applied_teams,
    applied_users,
)
from swit_provisioning.assets.change_log import change_log
from swit_provisioning.assets.difference import compute_difference
from swit_provisioning.assets.gate import accepted_plan
from swit_provisioning.assets.reading import read_directory, read_swit
from swit_provisioning.checks.guards import plan_is_safe
from swit_provisioning.checks.outcomes import few_changes_were_rejected, outcome_checks
from swit_provisioning.jobs import JOBS
from swit_provisioning.resources.connections import (
    DirectoryResource,
    SettingsResource,
    StoreResource,
    SwitResource,
)
from swit_provisioning.resources.console import SILENT
from swit_provisioning.resources.frames import ParquetFramesResource
from swit_provisioning.resources.interrupts import interruptible_executor
from swit_provisioning.resources.progress import ProgressResource
from swit_provisioning.resources.writing import WriterResource
from swit_provisioning.schedules import daily_sync, planned_every_night
from swit_provisioning.sensors import SENSORS
from swit_provisioning.settings import ScheduleSettings
from swit_provisioning.upkeep.nightly import daily_prune, prune_job


@dg.definitions
def defs() -> dg.Definitions:
    """Everything. It loads with no settings at all; a run then says what is missing."""
    # The frames and pages that runs write are for this account alone.
    os.umask(0o077)
    schedule = ScheduleSettings.load()
    return dg.Definitions(
        assets=[
            read_directory,
            read_swit,
            planned_every_night(compute_difference, schedule),
            accepted_plan,
            applied_users,
            applied_teams,
            applied_sort,
            applied_memberships,
            change_log,
        ],
        asset_checks=[plan_is_safe, *outcome_checks, few_changes_were_rejected],
        jobs=[*JOBS, prune_job],
        loggers={"silent": SILENT},
        sensors=SENSORS,
        schedules=[*daily_sync(schedule), daily_prune(schedule)],
        executor=interruptible_executor,
        resources={
            "settings": SettingsResource(),
            "store": StoreResource(),
            "directory": DirectoryResource(),
            "swit": SwitResource(),
            "writer": WriterResource(),
            "progress": ProgressResource(),
            "io_manager": ParquetFramesResource(),
        },
    )
