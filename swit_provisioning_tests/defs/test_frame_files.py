"""The files of frames, in a folder and on an object store, by the run that made them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from upath import UPath

from swit_provisioning.operations.prune import FrameFiles


@pytest.fixture(params=["folder", "store"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    return UPath(tmp_path if request.param == "folder" else f"memory://{uuid4()}")


def write(path: UPath, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_only_files_of_runs_are_found_and_deleted(base: UPath) -> None:
    first, second = str(uuid4()), str(uuid4())
    for run in (first, second):
        write(base / "swit_users" / f"{run}.parquet")
        write(base / "change_plan" / f"{run}.parquet")
        write(base / "change_plan" / f"{run}.html")
        write(base / run / "create_users" / "result.parquet")
    write(base / "swit_users" / "latest", second)
    write(base / "swit_users" / "notes of somebody.txt")
    write(base / "readme.txt")
    files = FrameFiles(base)
    assert files.latest_runs() == {second}
    of_runs = files.runs()
    assert set(of_runs) == {first, second}
    assert len(of_runs[first]) == 4
    for path in of_runs[first]:
        assert datetime.now(UTC) - files.written_at(path) < timedelta(minutes=5)
        files.delete(path)
    assert set(files.runs()) == {second}
    assert (base / "readme.txt").exists()
    assert (base / "swit_users" / "notes of somebody.txt").exists()


def test_there_may_be_no_files_yet(base: UPath) -> None:
    files = FrameFiles(base / "nowhere")
    assert files.runs() == {}
    assert files.latest_runs() == set()
