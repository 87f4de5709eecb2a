"""What to look at after an apply: what Swit refused. A few are a warning, many are a failure."""

from typing import Final

import dagster as dg
import pandas as pd

from swit_provisioning.apply.refusals import mass_refusals
from swit_provisioning.assets.applied import WRITERS, outcomes_preview
from swit_provisioning.settings import Settings

FEW_REJECTED: Final = "few_changes_were_rejected"
NO_CHANGE_REJECTED: Final = "no_change_was_rejected"


@dg.asset_check(asset="change_log", name=FEW_REJECTED, blocking=True)
def few_changes_were_rejected(change_log: pd.DataFrame) -> dg.AssetCheckResult:
    """Of no action more than a fifth, and more than ten, was rejected; else the run has failed."""
    found = mass_refusals(change_log)
    told = " ".join(refusal.message for refusal in found)
    return dg.AssetCheckResult(
        passed=not found,
        description=told or "No action was rejected for more than ten objects and a fifth of them.",
        metadata={refusal.action: refusal.refused for refusal in found},
    )


def _no_change_was_rejected(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=NO_CHANGE_REJECTED)
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
