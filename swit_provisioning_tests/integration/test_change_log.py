"""`change_log`: the journal as an asset, for failed runs too."""

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from swit_provisioning.cli.sync import instance
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.integration.test_re_execution import (
    break_team,
    re_execute_from_failure,
)


def made_by() -> list[tuple[str, str, dict[str, Any]]]:
    """Run, step and metadata of each time the asset was made, the newest first."""
    with instance() as dagster:
        key = dg.AssetKey("change_log")
        records = dagster.fetch_materializations(key, limit=100).records
        found = []
        for record in records:
            made = record.asset_materialization
            assert made is not None
            values = {name: value.value for name, value in made.metadata.items()}
            step = record.event_log_entry.step_key
            found.append((record.run_id, str(step), values))
        return found


def numbers_of(asset: str) -> dict[str, Any]:
    """The metadata of an asset as it was made last."""
    with instance() as dagster:
        [record] = dagster.fetch_materializations(dg.AssetKey(asset), limit=1).records
    made = record.asset_materialization
    assert made is not None
    return {name: value.value for name, value in made.metadata.items()}


def frame_of(tmp_path: Path, run_id: str) -> pd.DataFrame:
    [path] = tmp_path.rglob(f"change_log/{run_id}.parquet")
    assert (path.parent / "latest").read_text() == run_id
    return pd.read_parquet(path)


def test_a_failed_run_leaves_its_log_and_the_re_execution_completes_it(
    on_stage: Stage, tmp_path: Path
) -> None:
    break_team(on_stage, "Planners")
    failed = on_stage.json("sync", code=1)
    [(run_id, step, values)] = made_by()
    assert (run_id, step) == (failed["run_id"], "applied_teams.settle_teams")
    assert (values["applied"], values["failed"]) == (30, 1)
    assert values["summary"] == "30 applied, 1 failed"
    log = frame_of(tmp_path, run_id)
    assert len(log) == values["dagster/row_count"]
    assert set(log["run_id"]) == {run_id}
    broken = log[log["target"] == "Planners"]
    assert broken["outcome"].tolist() == ["failed", "failed"]
    assert broken["http_status"].tolist() == [503, 503]

    on_stage.server.faults.clear()
    success, _ = re_execute_from_failure(run_id)
    assert success
    (again, step, values), _first = made_by()
    assert (again != run_id, step) == (True, "change_log")
    assert values["applied"] + values.get("already so", 0) == 40
    assert values.keys().isdisjoint({"failed", "rejected", "skipped"})
    whole = frame_of(tmp_path, again)
    assert set(whole["run_id"]) == {run_id, again}
    assert whole.loc[whole["target"] == "Planners", "outcome"].tolist()[:3] == [
        "failed",
        "failed",
        "applied",
    ]
    assert on_stage.json("sync")["status"] == "nothing to do"
    assert len(made_by()) == 2


def test_where_swit_refuses_most_of_one_kind_the_rest_is_done_and_the_run_has_failed(
    on_stage: Stage,
) -> None:
    on_stage.server.faults.add(
        Fault(
            kind="status",
            status=403,
            message="No seats left.",
            call="organization.user.create",
            times=None,
        )
    )
    failed = on_stage.json("sync", code=1)
    assert failed["status"] == "failed"
    assert failed["message"].startswith("20 of 20 user.create were rejected, more than a fifth")
    assert failed["outcomes"]["rejected"] == 20
    assert len(on_stage.teams()) == 11
    [(_, _, values)] = made_by()
    assert values["rejected"] == 20
    teams = numbers_of("applied_teams")
    assert teams["calls"] == len(on_stage.server.log.of("team.create"))
    assert teams["seconds"] >= 0
    assert teams["calls per second"] > 0
    on_stage.server.faults.clear()
    assert on_stage.json("sync")["counts"] == {
        "user.create": 20,
        "membership.add": 7,
        "primary.update": 2,
    }
