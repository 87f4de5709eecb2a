"""Where frames rest: typed, under the run that made them, with a preview a person can read."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from swit_provisioning.reconcile.changes import single_change
from swit_provisioning.reconcile.frames import (
    IDP_USERS,
    SWIT_MEMBERSHIPS,
    USER_DIFF,
    FrameError,
)
from swit_provisioning.reconcile.plan import changes_frame
from swit_provisioning.resources.frames import PREVIEW_ROWS, ParquetFrames, preview


def memberships(*rows: tuple[str, str]) -> pd.DataFrame:
    return SWIT_MEMBERSHIPS.frame(
        [{"team_id": team, "user_id": user} for team, user in rows], facts={"total": len(rows)}
    )


def run_of(tmp_path: Path, rows: list[tuple[str, str]], instance: dg.DagsterInstance) -> str:
    @dg.asset(name="swit_memberships")
    def made() -> pd.DataFrame:
        return memberships(*rows)

    result = dg.materialize(
        [made], instance=instance, resources={"io_manager": ParquetFrames(UPath(tmp_path))}
    )
    return result.run_id


def test_a_frame_comes_back_as_it_was_with_its_facts(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = run_of(tmp_path, [("t", "a"), ("t", "b")], instance)
    path = tmp_path / "swit_memberships" / f"{run_id}.parquet"
    back = SWIT_MEMBERSHIPS.from_arrow(pd.read_parquet(path).pipe(SWIT_MEMBERSHIPS.to_arrow))
    assert back["user_id"].to_list() == ["a", "b"]


def test_each_run_keeps_its_own_and_another_run_finds_the_latest(tmp_path: Path) -> None:
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


def test_a_frame_that_breaks_its_promise_is_not_written(tmp_path: Path) -> None:
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


def test_the_preview_of_a_diff_says_in_words_what_would_change(tmp_path: Path) -> None:
    change = single_change(
        step="update_users",
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
