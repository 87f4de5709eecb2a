"""The page of a plan, kept beside the frames of the run that made it: pruned with them."""

from pathlib import Path

import dagster as dg
from upath import UPath

from swit_provisioning.resources.private_file import write_private
from swit_provisioning.settings import Settings


def keep_page(settings: Settings, run_id: str, page: str) -> dg.MetadataValue:
    """Write the page beside the plan's frame of this run; where it is, as the UI shows a path."""
    path = UPath(settings.frames_path) / "change_plan" / f"{run_id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol in {"", "file", "local"}:
        write_private(Path(path.path), page)
    else:
        path.write_text(page, encoding="utf-8")
    return dg.MetadataValue.path(str(path))
