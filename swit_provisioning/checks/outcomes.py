"""What to look at after an apply: changes that Swit refused. A warning: the run stays green."""

import dagster as dg
import pandas as pd

from swit_provisioning.assets.applied import WRITERS, outcomes_preview
from swit_provisioning.settings import Settings


def _no_change_was_rejected(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="no_change_was_rejected")
    def check(outcomes: pd.DataFrame, settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        """Swit took every change; a refused one stops nobody else, but someone must look."""
        refused = outcomes[outcomes["outcome"].isin(["rejected", "skipped"])]
        return dg.AssetCheckResult(
            passed=refused.empty,
            severity=dg.AssetCheckSeverity.WARN,
            description=_sentence(len(refused), len(outcomes)),
            metadata={"refused": len(refused), "which": outcomes_preview(refused, settings)},
        )

    return check


def _sentence(refused: int, planned: int) -> str:
    if not refused:
        return f"Swit refused none of {planned:,} changes."
    return (
        f"{refused:,} of {planned:,} changes were refused or skipped; the table says why. Mend"
        " what it names in the directory or in Swit: the next plan holds them again."
    )


outcome_checks = [_no_change_was_rejected(asset) for asset in WRITERS]
