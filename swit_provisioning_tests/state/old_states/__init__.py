"""State databases that earlier versions made; how each was made stands in `make.py`.

`0005.zip`: commit 7890455, tables of the form 0005, plan ids of 12 digits everywhere.
"""

import json
import zipfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import Records
from swit_provisioning_tests.directories import Directory


@dataclass(frozen=True, kw_only=True)
class OldPlan:
    """A plan of an old state: its id then, and the directory that it was made from."""

    plan_id: str
    directory: Directory


@dataclass(frozen=True, kw_only=True)
class OldState:
    """What was unpacked beside the database."""

    plans: dict[str, OldPlan]
    """By label: `applied`, `approved and applied`, `rejected`, `half applied`, `approved`,
    `blocked`, `ready`; in the order in which they were made."""
    records: dict[str, Any]

    def organisation(self) -> Organisation:
        """Swit as it was when the state was kept."""
        made = Organisation()
        made.records = Records.from_document(self.records)
        made.mark()
        return made


def unpacked(form: str, database: Path) -> OldState:
    """Write the state database of this form to a file; what belongs to it."""
    with (
        as_file(files(__name__) / f"{form}.zip") as packed,
        zipfile.ZipFile(packed) as kept,
    ):
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_bytes(kept.read("state.sqlite"))
        plans = json.loads(kept.read("plans.json"))
        records = json.loads(kept.read("organization.json"))
    return OldState(
        plans={label: OldPlan(**plan) for label, plan in plans.items()}, records=records
    )
