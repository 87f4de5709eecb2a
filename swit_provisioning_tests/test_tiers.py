"""Which tests are left out on a machine without a program, and that CI leaves none out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
NEEDS_CHROMIUM = "swit_provisioning_tests/browser/test_lineage.py"


def run_without_chromium(*words: str, ci: str) -> str:
    """Run tests that need a browser where none is installed; the output."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "pytest", NEEDS_CHROMIUM, "-q", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env=os.environ | {"PATH": "/nowhere", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("processes", ["0", "1"])
def test_tests_whose_program_is_missing_are_left_out_and_named(processes: str) -> None:
    output = run_without_chromium("--numprocesses", processes, ci="")
    assert "chromium: 1 test left out. To run them: apt-get install chromium." in output
    assert "failed" not in output


def test_in_ci_a_missing_program_is_a_failure() -> None:
    output = run_without_chromium(ci="true")
    assert "This test needs chromium: apt-get install chromium." in output
    assert "left out" not in output
    assert "1 error" in output
