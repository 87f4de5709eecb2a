"""Exit codes, and what is wrong with how a command was called. Scripts rely on the codes."""

from pathlib import Path
from typing import Final

EXIT_CODES: Final = {
    "success": 0,
    "applied": 0,
    "nothing to do": 0,
    "failed": 1,
    "unknown plan": 2,
    "blocked": 3,
    "partly applied": 4,
    "stale": 5,
    "busy": 6,
}
"""0 done · 1 failed · 2 wrong use or settings · 3 a guard · 4 some rejected · 5 stale · 6 busy."""


class UnwritableFileError(Exception):
    """A file that was named for the output can't be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        """Say which file, and what the system says of it."""
        super().__init__(
            f"{path} can't be written: {error.strerror or error}. Name a file in a folder that is"
            " there and that you may write to: swit-provisioning check --csv findings.csv"
        )


class UnusableInputError(Exception):
    """What was given to be read does not hold what it should."""

    def __init__(self, problem: str, *, way_out: str) -> None:
        """Say what is wrong with it, and what to give instead."""
        super().__init__(f"{problem}. {way_out}")
