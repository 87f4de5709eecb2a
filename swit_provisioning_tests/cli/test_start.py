"""What a command imports: somebody waits for it. Each runs as a process of its own."""

import subprocess
import sys

import pytest

SLOW = {"dagster", "pandas", "pyarrow", "sqlalchemy", "networkx", "starlette", "pydantic"}
_RUN = """
import sys
from swit_provisioning.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print("imported:", *sorted(sys.modules))
sys.exit(code)
"""


def imported_by(*words: str, code: int = 0) -> set[str]:
    """Which packages a command has imported when it ends."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _RUN, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return set(done.stdout.splitlines()[-1].split()) & SLOW


@pytest.mark.parametrize("words", [("--help",), ("sync", "--help"), ("--version",)])
def test_help_imports_nothing_that_is_slow(words: tuple[str, ...]) -> None:
    assert imported_by(*words) == set()


def test_a_stored_plan_is_looked_up_without_dagster_and_without_frames() -> None:
    assert imported_by("show", "no-such-plan", code=2) == {"sqlalchemy", "pydantic"}


def test_a_check_needs_no_dagster_and_no_web_server() -> None:
    """It ends with 2: no side is set, and it says so."""
    assert not imported_by("check", code=2) & {"dagster", "starlette", "networkx"}
