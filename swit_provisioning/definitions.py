"""The code location that Dagster loads. Wiring only: it decides nothing."""

import os

import dagster as dg

from swit_provisioning.defs.apply_assets import (
    applied_memberships,
    applied_sort,
    applied_teams,
    applied_users,
    change_log,
    few_changes_were_rejected,
    outcome_checks,
)
from swit_provisioning.defs.endings import interruptible_executor
from swit_provisioning.defs.gate import accepted_plan, plan_is_safe
from swit_provisioning.defs.io_manager import ParquetFramesResource
from swit_provisioning.defs.jobs import (
    JOBS,
    daily_prune,
    daily_sync,
    planned_every_night,
    prune_job,
)
from swit_provisioning.defs.planning_assets import compute_difference, read_directory, read_swit
from swit_provisioning.defs.resources import SILENT, SessionResource, SettingsResource
from swit_provisioning.defs.sensors import SENSORS
from swit_provisioning.settings import ScheduleSettings


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
            "session": SessionResource(),
            "io_manager": ParquetFramesResource(),
        },
    )
