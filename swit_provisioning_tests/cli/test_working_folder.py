"""A file in the working folder that is called as a module of ours or of Dagster's is not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from swit_provisioning.cli.main import main
from swit_provisioning.definitions import defs
from swit_provisioning.gateway.serve import SYNC_COMMAND


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """What a person who may write to the folder puts there; the file that shows that it ran."""
    marker = tmp_path / "it-ran"
    for name in ("dagster", "click", "yaml", "swit_provisioning"):
        (tmp_path / f"{name}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    return marker


def test_the_sync_that_the_gateway_starts_imports_nothing_from_there(
    trap: Path, tmp_path: Path
) -> None:
    command = [word for word in SYNC_COMMAND if word not in {"sync", "--json"}]
    done = subprocess.run(  # noqa: S603 - our own words
        [*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, trap.exists()) == (0, False), done.stderr
    assert done.stdout.startswith("swit-provisioning, version")


def test_nor_does_any_python_that_a_command_starts(
    trap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster starts its parts as `python -m dagster...`."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    CliRunner().invoke(main, ["plans"])
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "--version"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert b"dagster, version" in done.stdout
    assert not trap.exists()


@pytest.mark.parametrize("entry", ["a command", "the code location"])
def test_every_entry_writes_for_this_account_alone(entry: str, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        if entry == "a command":
            CliRunner().invoke(main, ["plans"])
        else:
            defs()
        (tmp_path / "written").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "written").stat().st_mode & 0o077 == 0
