"""What to look at after an apply: changes that Swit refused. A warning: the run stays green."""

import dagster as dg
import pandas as pd

from swit_provisioning.assets.applied import WRITERS
from swit_provisioning.resources.frames import preview


def _no_change_was_rejected(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="no_change_was_rejected")
    def check(outcomes: pd.DataFrame) -> dg.AssetCheckResult:
        """Swit took every change; a refused one stops nobody else, but someone must look."""
        refused = outcomes[outcomes["outcome"].isin(["rejected", "skipped"])]
        columns = ["action", "target", "outcome", "message"]
        return dg.AssetCheckResult(
            passed=refused.empty,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(refused)} of {len(outcomes)} changes were refused or skipped.",
            metadata={"refused": len(refused), "which": preview(refused, columns)},
        )

    return check


outcome_checks = [_no_change_was_rejected(asset) for asset in WRITERS]
