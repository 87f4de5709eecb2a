"""Where frames rest: typed, under the run that made them, with a preview a person can read."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from swit_provisioning.defs.io_manager import (
    _FROM,
    PREVIEW_ROWS,
    ParquetFrames,
    column_lineage,
    dangerous_rows_first,
    preview,
    schema_of,
)
from swit_provisioning.planning.model import Change, single_change
from swit_provisioning.planning.schemas import (
    IDP_USERS,
    SCHEMAS,
    SWIT_MEMBERSHIPS,
    USER_DIFF,
    FrameError,
    changes_frame,
)
from swit_provisioning.report.redaction import code_of
from swit_provisioning.report.safe_text import readable
from swit_provisioning_tests.planning.made_plans import change as made_change
from swit_provisioning_tests.report.hostile import NAMES


def memberships(*rows: tuple[str, str]) -> pd.DataFrame:
    frame = SWIT_MEMBERSHIPS.frame({"team_id": team, "user_id": user} for team, user in rows)
    frame.attrs["facts"] = {"total": len(rows)}
    return frame


def run_of(tmp_path: Path, rows: list[tuple[str, str]], instance: dg.DagsterInstance) -> str:
    @dg.asset(name="swit_memberships")
    def made() -> pd.DataFrame:
        return memberships(*rows)

    result = dg.materialize(
        [made], instance=instance, resources={"io_manager": ParquetFrames(UPath(tmp_path))}
    )
    return result.run_id


def test_a_stored_frame_is_read_back_unchanged(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = run_of(tmp_path, [("t", "a"), ("t", "b")], instance)
    path = tmp_path / "swit_memberships" / f"{run_id}.parquet"
    back = SWIT_MEMBERSHIPS.from_arrow(pd.read_parquet(path).pipe(SWIT_MEMBERSHIPS.to_arrow))
    assert back["user_id"].to_list() == ["a", "b"]


def test_each_run_keeps_its_frames_and_another_run_reads_the_latest(tmp_path: Path) -> None:
    seen: list[pd.DataFrame] = []

    @dg.asset(ins={"swit_memberships": dg.AssetIn()})
    def reader(swit_memberships: pd.DataFrame) -> None:
        seen.append(swit_memberships)

    with dg.DagsterInstance.ephemeral() as instance:
        first = run_of(tmp_path, [("t", "a")], instance)
        second = run_of(tmp_path, [("t", "b")], instance)
        dg.materialize(
            [reader, dg.AssetSpec("swit_memberships")],
            instance=instance,
            resources={"io_manager": ParquetFrames(UPath(tmp_path))},
        )
    stored = {path.stem for path in (tmp_path / "swit_memberships").glob("*.parquet")}
    assert stored == {first, second}
    assert seen[0]["user_id"].to_list() == ["b"]
    assert seen[0].attrs["facts"] == {"total": 1}


def test_a_frame_that_does_not_fit_its_schema_is_not_written(tmp_path: Path) -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(FrameError, match="swit_memberships: two rows with the key"),
    ):
        run_of(tmp_path, [("t", "a"), ("t", "a")], instance)


def test_the_preview_shows_at_most_50_rows_and_lists_as_text() -> None:
    row = {
        "dn": "CN=A",
        "directory_id": "a",
        "emails": ["a@x", "b@x"],
        "names": [],
        "phone_numbers": [],
        "enabled": True,
        "base": "DC=x",
        "position": 0,
    }
    frame = IDP_USERS.frame({**row, "key": f"cn={n}"} for n in range(PREVIEW_ROWS + 10))
    table = preview(frame)
    assert len(table.records) == PREVIEW_ROWS == 50
    assert table.records[0].data["emails"] == "a@x, b@x"
    assert table.records[0].data["language"] is None


def test_the_preview_of_a_diff_describes_each_change(tmp_path: Path) -> None:
    change = single_change(
        action="user.update",
        object_id="u1",
        target="ann@x",
        reason="the directory has another name",
        before={"name": "Ann"},
        after={"name": "Ann Lee"},
    )

    @dg.asset
    def user_diff() -> pd.DataFrame:
        return changes_frame([change], USER_DIFF)

    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"io_manager": ParquetFrames(UPath(tmp_path))}
        run = dg.materialize([user_diff], instance=instance, resources=resources)
    (event,) = run.asset_materializations_for_node("user_diff")
    table = event.metadata["preview"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {
            "action": "user.update",
            "target": "ann@x",
            "what": "name: Ann → Ann Lee",
            "reason": "the directory has another name",
        }
    ]


def shown_of(
    tmp_path: Path, changes: list[Change], *, hide_names: bool = False
) -> tuple[list[dict[str, object]], dict[str, dg.MetadataValue]]:
    """The rows of `user_diff` as the UI shows them, and all its metadata."""

    @dg.asset
    def user_diff() -> pd.DataFrame:
        return changes_frame(changes, USER_DIFF)

    frames = ParquetFrames(UPath(tmp_path), hide_names=hide_names)
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([user_diff], instance=instance, resources={"io_manager": frames})
    (event,) = run.asset_materializations_for_node("user_diff")
    table = event.metadata["preview"]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records], dict(event.metadata)


def test_the_preview_begins_with_departures_even_after_hundreds_of_creations(
    tmp_path: Path,
) -> None:
    joining = [made_change("user.create", f"new:user:{n}@x") for n in range(300)]
    leaving = [made_change("user.deactivate", f"u{n}") for n in range(3)]
    rows, _ = shown_of(tmp_path, [*joining, *leaving])
    assert [row["action"] for row in rows[:4]] == ["user.deactivate"] * 3 + ["user.create"]
    assert [row["target"] for row in rows[:3]] == ["u0", "u1", "u2"]


def test_outcomes_begin_with_changes_that_were_not_applied() -> None:
    kinds = ["applied", "skipped", "already so", "failed", "rejected"]
    frame = pd.DataFrame({"action": "user.create", "outcome": kinds})
    order = ["failed", "rejected", "skipped", "applied", "already so"]
    assert dangerous_rows_first(frame)["outcome"].to_list() == order


def test_the_preview_can_hide_names_that_the_frame_keeps(
    tmp_path: Path,
) -> None:
    join = made_change("user.create", "ann@x", after={"email": "ann@x", "name": "Ann"})
    (row,), _ = shown_of(tmp_path, [join], hide_names=True)
    assert row["target"] == code_of("ann@x")
    assert "Ann" not in str(row)
    (path,) = tmp_path.glob("user_diff/*.parquet")
    assert pd.read_parquet(path)["target"].to_list() == ["ann@x"]


def test_control_characters_in_names_are_escaped_in_the_preview(tmp_path: Path) -> None:
    changes = [made_change("user.create", name, after={"name": name}) for name in NAMES]
    rows, _ = shown_of(tmp_path, changes)
    text = "".join(str(cell) for row in rows for cell in row.values())
    assert "Cc" not in {unicodedata.category(character) for character in text}
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068") & set(text)
    assert [row["target"] for row in rows] == [readable(name) for name in NAMES]


def lineage_in(metadata: Mapping[str, dg.MetadataValue]) -> dg.TableColumnLineage:
    value = metadata["dagster/column_lineage"]
    assert isinstance(value, dg.TableColumnLineageMetadataValue)
    return value.lineage


def test_the_lineage_of_a_column_names_its_sources(tmp_path: Path) -> None:
    _, metadata = shown_of(tmp_path, [])
    sources = lineage_in(metadata).deps_by_column["target"]
    assert {(s.asset_key.to_user_string(), s.column_name) for s in sources} == {
        ("idp_users", "emails"),
        ("swit_users", "email"),
    }


@pytest.mark.parametrize("asset", sorted(_FROM))
def test_lineage_names_only_existing_columns(asset: str) -> None:
    columns = {name: set(schema_of(name).names) for name in (*SCHEMAS, "accepted_plan")}
    lineage = lineage_in(column_lineage(asset))
    assert set(lineage.deps_by_column) <= set(schema_of(asset).names)
    for sources in lineage.deps_by_column.values():
        for source in sources:
            assert source.column_name in columns[source.asset_key.to_user_string()]


def test_assets_that_are_read_have_no_lineage() -> None:
    assert column_lineage("idp_users") == {}
