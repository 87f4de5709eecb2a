"""Storage of frames between steps: one Parquet file for each asset and run."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
from upath import UPath

from swit_provisioning.operations.dagster_runs import WRITERS
from swit_provisioning.planning.actions import DANGEROUS_FIRST
from swit_provisioning.planning.schemas import (
    CHANGE_PLAN,
    OUTCOMES,
    SCHEMAS,
    FrameSchema,
    in_words,
)
from swit_provisioning.report.redaction import frame_without_people
from swit_provisioning.report.safe_text import readable
from swit_provisioning.settings import Settings

_DIFFS: Final = ("user_diff", "team_diff", "sort_diff", "membership_diff")

_FROM: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "user_diff": {
        "action": ("idp_users.enabled", "idp_users.emails", "swit_users.active"),
        "target": ("idp_users.emails", "swit_users.email"),
        "before": ("swit_users.name", "swit_users.phone_number", "swit_users.active"),
        "after": (
            "idp_users.emails",
            "idp_users.names",
            "idp_users.phone_numbers",
            "idp_users.language",
        ),
        "object_id": ("swit_users.user_id",),
    },
    "team_diff": {
        "action": ("idp_groups.key", "swit_teams.reference"),
        "target": ("idp_groups.names", "swit_teams.name"),
        "before": (
            "swit_teams.name",
            "swit_teams.parent_id",
            "swit_teams.reference",
            "swit_memberships.user_id",
        ),
        "after": (
            "idp_groups.names",
            "idp_groups.parents",
            "idp_groups.key",
            "idp_groups.order",
            "idp_memberships.member",
        ),
        "object_id": ("swit_teams.team_id",),
    },
    "sort_diff": {
        "target": ("swit_teams.name",),
        "before": ("swit_teams.position",),
        "after": ("idp_groups.order", "idp_groups.position", "team_diff.after"),
        "object_id": ("swit_teams.team_id",),
    },
    "membership_diff": {
        "action": ("idp_memberships.member", "swit_memberships.user_id"),
        "target": ("swit_teams.name", "swit_users.email", "team_diff.target", "user_diff.target"),
        "before": ("swit_memberships.user_id", "swit_users.primary_team"),
        "after": ("idp_memberships.member", "idp_users.primary_group"),
        "object_id": ("swit_memberships.team_id", "swit_users.user_id"),
    },
    "directory_findings": {
        "dn": ("idp_users.dn", "idp_groups.dn", "idp_findings.dn"),
        "kind": ("idp_findings.kind",),
        "attribute": ("idp_findings.attribute",),
        "reason": (
            "idp_findings.reason",
            "idp_users.emails",
            "idp_users.names",
            "idp_groups.names",
            "idp_memberships.member_dn",
            "swit_users.email",
        ),
    },
    "change_plan": {name: tuple(f"{diff}.{name}" for diff in _DIFFS) for name in CHANGE_PLAN.names},
    "accepted_plan": {name: (f"change_plan.{name}",) for name in CHANGE_PLAN.names},
    **{
        asset: {
            name: (f"accepted_plan.{name}",) for name in OUTCOMES.names if name in CHANGE_PLAN.names
        }
        for asset in WRITERS
    },
}
"""Asset -> column -> the columns that it is made from, each as `asset.column`."""


def column_lineage(asset: str) -> dict[str, dg.MetadataValue]:
    """The lineage of the columns of an asset as metadata; none for assets that are read."""
    if asset not in _FROM:
        return {}
    columns = {
        column: [
            dg.TableColumnDep(asset_key=dg.AssetKey(read), column_name=name)
            for read, _, name in (source.partition(".") for source in sources)
        ]
        for column, sources in _FROM[asset].items()
    }
    lineage = dg.TableColumnLineage(deps_by_column=columns)
    return {"dagster/column_lineage": dg.MetadataValue.column_lineage(lineage)}


PREVIEW_ROWS: Final = 50
"""Rows in a preview: the UI draws every one of them, on each visit."""

_NOT_DONE_FIRST: Final = ("failed", "rejected", "skipped", "applied", "already so")
_ANOTHER_RUN: Final = "__EPHEMERAL_RUN_ID"
OWNERS: Final = ["team:it-operations"]


def schema_of(asset: str) -> FrameSchema:
    """The schema of the frame of an asset."""
    if asset == "accepted_plan":
        return CHANGE_PLAN
    return SCHEMAS.get(asset, OUTCOMES)


def table_schema(schema: FrameSchema) -> dg.TableSchema:
    """A schema for the Dagster UI: names, types, descriptions, constraints."""
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


class AssetFacts(TypedDict):
    """What the UI shows of an asset: arguments of `dg.asset`, `AssetOut` and `AssetSpec`."""

    group_name: str
    description: str
    kinds: set[str]
    owners: list[str]
    tags: dict[str, str]
    metadata: dict[str, dg.TableSchema]


def asset_facts(asset: str, group: str, *kinds: str, description: str = "") -> AssetFacts:
    """The facts of an asset: its columns, and unless given its description, from its schema."""
    schema = schema_of(asset)
    return {
        "group_name": group,
        "description": description or schema.description,
        "kinds": set(kinds),
        "owners": OWNERS,
        "tags": {"personal_data": "true"},
        "metadata": {"dagster/column_schema": table_schema(schema)},
    }


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
    if pd.isna(value):
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
        """Store frames below `base_path`; with `hide_names`, previews name no people."""
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

    def dump_to_path(self, context: dg.OutputContext, obj: pd.DataFrame, path: UPath) -> None:
        """Write one frame, then point `latest` at it; raises `FrameError`, as `put`."""
        del path
        self.put(context.asset_key.path[-1], context.run_id, obj)

    def put(self, asset: str, run_id: str, frame: pd.DataFrame) -> None:
        """Write the frame of an asset; raises `FrameError` if it does not fit its schema."""
        table = schema_of(asset).to_arrow(frame)
        folder = self._base_path / asset
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{run_id}{self.extension}").open("wb") as file:
            pq.write_table(table, file)
        (folder / "latest").write_text(run_id)

    def load_from_path(self, context: dg.InputContext, path: UPath) -> pd.DataFrame:
        """Read one frame with its facts."""
        with path.open("rb") as file:
            table = pq.read_table(file)
        return schema_of(context.asset_key.path[-1]).from_arrow(table)

    def get_metadata(
        self, context: dg.OutputContext, obj: pd.DataFrame
    ) -> dict[str, dg.MetadataValue]:
        """As `described`."""
        return self.described(context.asset_key.path[-1], obj)

    def described(self, asset: str, frame: pd.DataFrame) -> dict[str, dg.MetadataValue]:
        """Row count, lineage and a preview: at most 50 rows, the most dangerous first."""
        shown = schema_of(asset).shown
        rows = dangerous_rows_first(frame).head(PREVIEW_ROWS)
        if self._hide_names:
            rows = frame_without_people(asset, rows)
        return {
            "dagster/row_count": dg.MetadataValue.int(len(frame)),
            "preview": preview(in_words(rows) if "what" in shown else rows, shown or None),
            **column_lineage(asset),
        }


class ParquetFramesResource(dg.ConfigurableIOManagerFactory[ParquetFrames]):
    """Frames under `FRAMES_BASE_PATH`."""

    def create_io_manager(self, context: dg.InitResourceContext) -> ParquetFrames:
        """Create the manager for one run."""
        del context
        settings = Settings.load()
        return ParquetFrames(
            UPath(settings.frames_path), hide_names=settings.names_are_hidden_everywhere
        )
