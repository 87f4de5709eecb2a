"""`plan` reads and decides, `apply` sends one stored plan, `sync` does all of it in one run."""

from typing import Final

import dagster as dg

from swit_provisioning.assets.applied import WRITERS
from swit_provisioning.resources.code_location import NO_RETRY_TAGS
from swit_provisioning.resources.console import logger_config

WRITES_TAGS: Final = {"swit_provisioning/writes": "swit", **NO_RETRY_TAGS}
"""Tags of runs that write: one at a time from Dagster's queue, and no automatic retry."""

_PLANNING = dg.AssetSelection.groups("directory", "swit", "difference")
_APPLYING = dg.AssetSelection.assets("accepted_plan", *WRITERS, "change_log")


class ApplyConfig(dg.Config):
    """Which stored plan to apply, and why it may pass its limits."""

    plan_id: str
    """Printed by `swit-provisioning plan`, and shown on the asset `change_plan`."""
    approve: str = ""
    """Only where a guard stopped the plan: the reason, recorded with who and when."""
    only: str = ""
    """Only these actions, such as `user.create,team.*`; what needs another one waits too."""
    exclude: str = ""
    """All actions but these."""
    limit: int = 0
    """The first so many of each action that are still undone; 0: all. Apply again for the rest."""


@dg.config_mapping
def apply_config(config: ApplyConfig) -> dict[str, object]:
    """The fields in the launchpad become the gate's configuration."""
    return {"ops": {"accepted_plan": {"config": config.model_dump()}}, **logger_config()}


plan = dg.define_asset_job(
    "plan",
    _PLANNING,
    description="Read both sides, compute what differs, judge it. Writes nothing.",
)
apply = dg.define_asset_job(
    "apply",
    _APPLYING,
    config=apply_config,
    run_tags=WRITES_TAGS,
    description="Apply exactly one stored plan, if both sides are still as it says.",
)
sync = dg.define_asset_job(
    "sync",
    _PLANNING | _APPLYING,
    run_tags=WRITES_TAGS,
    description="Read, compare, judge, apply: what the schedule starts.",
)
JOBS: Final = (plan, apply, sync)
