"""Bad records on their way through the program: the UI, the terminal, a file."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from swit_provisioning.cli.runs import instance
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import Settings
from swit_provisioning_tests.directories import group_dn, user_dn
from swit_provisioning_tests.integration.stage import Stage, stage


@pytest.fixture
def on_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    with stage(monkeypatch, tmp_path, SandboxServer()) as made:
        yield made


def spoil(stage: Stage) -> None:
    """A user without an address, one whose number is none, a group with strangers."""
    stage.directory["users"][0]["mail"] = None
    stage.directory["users"][1]["mobile"] = "n/a"
    stage.directory["users"][2]["accountExpires"] = "soon"
    stage.directory["groups"][0]["member"] += [f"CN=Gone{n},DC=x" for n in range(60)]


def test_each_bad_record_is_a_row_of_directory_findings(on_stage: Stage) -> None:
    spoil(on_stage)
    document = on_stage.json("plan")
    folder = Path(Settings.load().frames_path)
    (path,) = (p for p in (folder / "directory_findings").iterdir() if p.suffix == ".parquet")
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["kind", "dn", "attribute", "reason"]
    assert frame["kind"].value_counts().to_dict() == {
        "unknown member": 60,
        "no address": 1,
        "phone number": 1,
        "not a number": 1,
    }
    rows = {(row.kind, row.dn, row.attribute) for row in frame.itertuples()}
    assert ("no address", user_dn("Amelie Roux"), "mail") in rows
    assert ("not a number", user_dn("Chiara Conti"), "accountExpires") in rows
    assert ("unknown member", group_dn("Builders"), "member") in rows
    assert {"kind", "subject", "message"} <= document["findings"][0].keys()
    assert len(document["findings"]) == 63


def test_the_ui_shows_how_many_of_each_kind(on_stage: Stage) -> None:
    spoil(on_stage)
    assert on_stage.run("plan").exit_code == 0
    with instance() as dagster:
        event = dagster.get_latest_materialization_event(dg.AssetKey("directory_findings"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["summary"].value == (
        "1 no address, 1 not a number, 1 phone number, 60 unknown member"
    )
    assert metadata["dagster/row_count"].value == 63
    preview = metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert len(preview.records) == 50
