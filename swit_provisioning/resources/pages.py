"""The page of a plan, kept beside the frames of the run that made it: pruned with them."""

from pathlib import Path

import dagster as dg
from upath import UPath

from swit_provisioning.reconcile.estimate import estimate
from swit_provisioning.report.page import PlanFacts
from swit_provisioning.report.summary import duration
from swit_provisioning.resources.private_file import write_private
from swit_provisioning.settings import Settings
from swit_provisioning.store.plans import StoredPlan
from swit_provisioning.swit.finding import estimated_pace


def page_facts(settings: Settings, stored: StoredPlan) -> PlanFacts:
    """What the page of a stored plan says beside the plan itself."""
    calls, seconds = estimate(stored.plan, estimated_pace(settings.swit_requests_per_second))
    return PlanFacts(
        plan_id=stored.plan_id,
        created_at=stored.created_at,
        verdicts=stored.verdicts,
        calls=calls,
        duration=duration(seconds),
        mode=settings.mode,
    )


def keep_page(settings: Settings, run_id: str, page: str) -> dg.MetadataValue:
    """Write the page beside the plan's frame of this run; where it is, as the UI shows a path."""
    path = UPath(settings.frames_path) / "change_plan" / f"{run_id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol in {"", "file", "local"}:
        write_private(Path(path.path), page)
    else:
        path.write_text(page, encoding="utf-8")
    return dg.MetadataValue.path(str(path))
