"""Where frames rest between steps: one Parquet file an asset and run, readable by any tool."""

import math
from collections.abc import Sequence
from typing import Any, Final

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
from upath import UPath

from swit_provisioning.reconcile.frames import (
    CHANGE_PLAN,
    OUTCOMES,
    SCHEMAS,
    FrameSchema,
)
from swit_provisioning.reconcile.plan_frames import in_words
from swit_provisioning.report.people_in_frames import frame_without_people
from swit_provisioning.report.plain import readable
from swit_provisioning.report.summary import DANGEROUS_FIRST
from swit_provisioning.resources.lineage import column_lineage
from swit_provisioning.settings import Settings

PREVIEW_ROWS: Final = 50
"""Rows shown in the UI: it draws every one of them, on each visit."""

_NOT_DONE_FIRST: Final = ("failed", "rejected", "skipped", "applied", "already so")
_ANOTHER_RUN: Final = "__EPHEMERAL_RUN_ID"


def schema_of(asset: str) -> FrameSchema:
    """The schema of the frame that an asset holds."""
    if asset == "accepted_plan":
        return CHANGE_PLAN
    return SCHEMAS.get(asset, OUTCOMES)


def table_schema(schema: FrameSchema) -> dg.TableSchema:
    """The same for the Dagster UI: names, types, descriptions, constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type="list of strings" if column.type == "strings" else column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=schema.key == (column.name,)
                ),
            )
            for column in schema.columns
        ]
    )


def preview(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> dg.TableMetadataValue:
    """The first rows as a table for the UI, lists joined by commas."""
    shown = frame.head(PREVIEW_ROWS)[list(columns or frame.columns)]
    records = [
        dg.TableRecord({str(name): _cell(value) for name, value in row.items()})
        for row in shown.to_dict("records")
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(str(name)) for name in shown.columns])
    return dg.MetadataValue.table(records, schema=schema)


def _cell(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any cell of a frame
    if isinstance(value, list):
        return readable(", ".join(value))
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, int | float | bool) else readable(str(value))


def dangerous_rows_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which a person should see them; those of no action as they are.

    What was not done comes before what was; what takes something away before what adds.
    """
    keys = {"outcome": _NOT_DONE_FIRST, "action": DANGEROUS_FIRST}
    by = [name for name in keys if name in frame.columns]
    if not by:
        return frame
    places = {name: {word: n for n, word in enumerate(keys[name])} for name in by}
    return frame.sort_values(
        by, key=lambda words: words.map(places[str(words.name)]), kind="stable"
    )


class ParquetFrames(dg.UPathIOManager):
    """Stores each frame under the run that made it, with a pointer to the latest.

    A re-execution therefore finds the frames of its own first run, never another run's plan.
    """

    extension = ".parquet"

    def __init__(self, base_path: UPath, *, hide_names: bool = False) -> None:
        """Keep frames below `base_path`; on demand show none of the people in them."""
        super().__init__(base_path=base_path)
        self._hide_names = hide_names

    def get_asset_relative_path(self, context: dg.InputContext | dg.OutputContext) -> UPath:
        """`<asset>/<run id>`."""
        key = UPath(*context.asset_key.path)
        if isinstance(context, dg.OutputContext):
            return key / context.run_id
        upstream = context.upstream_output
        made_by = upstream.run_id if upstream is not None else _ANOTHER_RUN
        if made_by == _ANOTHER_RUN:
            made_by = (self._base_path / key / "latest").read_text()
        return key / made_by

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        """Write the frame, then point `latest` at it."""
        super().handle_output(context, obj)
        if context.has_asset_key:
            latest = self._base_path / UPath(*context.asset_key.path) / "latest"
            latest.write_text(context.run_id)

    def put(self, asset: str, run_id: str, frame: pd.DataFrame) -> None:
        """Write the frame of an asset whose own step doesn't run, as it would have done."""
        folder = self._base_path / asset
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{run_id}{self.extension}").open("wb") as file:
            pq.write_table(schema_of(asset).to_arrow(frame), file)
        (folder / "latest").write_text(run_id)

    def dump_to_path(self, context: dg.OutputContext, obj: pd.DataFrame, path: UPath) -> None:
        """Write one frame; raises `FrameError` where it breaks its schema."""
        with path.open("wb") as file:
            pq.write_table(self._schema(context).to_arrow(obj), file)

    def load_from_path(self, context: dg.InputContext, path: UPath) -> pd.DataFrame:
        """Read one frame back, its facts too."""
        with path.open("rb") as file:
            table = pq.read_table(file)
        return self._schema(context).from_arrow(table)

    def get_metadata(
        self, context: dg.OutputContext, obj: pd.DataFrame
    ) -> dict[str, dg.MetadataValue]:
        """Row count, lineage and a preview: at most 50 rows, the most dangerous first."""
        asset = context.asset_key.path[-1] if context.has_asset_key else ""
        return self.described(asset, obj)

    def described(self, asset: str, frame: pd.DataFrame) -> dict[str, dg.MetadataValue]:
        """The same of a frame that is stored by `put`; without an asset, of one between ops."""
        shown = (schema_of(asset) if asset else OUTCOMES).shown
        rows = dangerous_rows_first(frame).head(PREVIEW_ROWS)
        if self._hide_names:
            rows = frame_without_people(asset, rows)
        return {
            "dagster/row_count": dg.MetadataValue.int(len(frame)),
            "preview": preview(in_words(rows) if "what" in shown else rows, shown or None),
            **column_lineage(asset),
        }

    @staticmethod
    def _schema(context: dg.InputContext | dg.OutputContext) -> FrameSchema:
        if context.has_asset_key:
            return schema_of(context.asset_key.path[-1])
        return OUTCOMES


class ParquetFramesResource(dg.ConfigurableIOManagerFactory[ParquetFrames]):
    """Frames under `FRAMES_BASE_PATH`."""

    def create_io_manager(self, context: dg.InitResourceContext) -> ParquetFrames:
        """Make the manager for one run."""
        del context
        settings = Settings.load()
        return ParquetFrames(
            UPath(settings.frames_path), hide_names=settings.names_are_hidden_everywhere
        )
