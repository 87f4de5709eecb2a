"""What all assets share: owners, how a frame is declared, how an error becomes a failed step."""

from typing import Final

import dagster as dg

from swit_provisioning.resources.frames import schema_of, table_schema

OWNERS: Final = ["team:it-operations"]
DIRECTORY_GROUP: Final = "directory"
SWIT_GROUP: Final = "swit"
DIFFERENCE_GROUP: Final = "difference"
APPLY_GROUP: Final = "apply"


def frame_out(name: str, *, group: str, kinds: set[str]) -> dg.AssetOut:
    """One frame of a step that makes several: its description and columns come from its schema."""
    schema = schema_of(name)
    return dg.AssetOut(
        group_name=group,
        description=schema.description,
        kinds=kinds,
        owners=OWNERS,
        tags={"personal_data": "true"},
        metadata={"dagster/column_schema": table_schema(schema)},
    )


def as_failure(error: Exception, *, doing: str, status: str = "failed") -> dg.Failure:
    """Return (not raise) a failed step, so that the caller keeps `raise ... from`.

    Reading and sending try again by themselves; Dagster must not add tries of its own.
    """
    return dg.Failure(f"{doing}: {error}", metadata={"status": status}, allow_retries=False)
