"""What all assets share: owners, how a frame is declared, how an error becomes a failed step."""

from typing import Final

import dagster as dg

from swit_provisioning.report.people import without_people_in
from swit_provisioning.report.plain import readable
from swit_provisioning.resources.frames import schema_of, table_schema
from swit_provisioning.settings import Settings

OWNERS: Final = ["team:it-operations"]
DIRECTORY_GROUP: Final = "directory"
SWIT_GROUP: Final = "swit"
DIFFERENCE_GROUP: Final = "difference"
APPLY_GROUP: Final = "apply"
READ_AT: Final = "read_at"
"""The fact of a frame that says when reading it began, by the state database's clock."""
WRITERS_POOL: Final = "swit_writers"
"""Of every op that sends, not of the gate: who comes second is told who writes, at once."""


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


def told(settings: Settings, text: str) -> str:
    """What metadata, logs and errors may say: without people where `HIDE_NAMES` asks for that."""
    return readable(without_people_in(text) if settings.names_are_hidden_everywhere else text)


def as_failure(
    error: Exception, *, doing: str, settings: Settings, status: str = "failed"
) -> dg.Failure:
    """Return (not raise) a failed step, so that the caller keeps `raise ... from`.

    Reading and sending try again by themselves; Dagster must not add tries of its own.
    """
    said = told(settings, f"{doing}: {error}")
    return dg.Failure(said, metadata={"status": status}, allow_retries=False)


def cause(error: Exception, settings: Settings) -> Exception | None:
    """What the failed step shows as its cause: nothing where the error may name people."""
    return None if settings.names_are_hidden_everywhere else error
