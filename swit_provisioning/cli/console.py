"""Where output goes: as wide as the terminal; in a file or a pipe wide enough for addresses."""

import os
import sys
from typing import Final

from rich.console import Console

WIDTH_ELSEWHERE: Final = 160
"""Columns where there is no terminal: 80, what rich takes, would break most addresses."""


def output() -> Console:
    """Standard output."""
    return _console(stderr=False)


def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    fits = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, width=None if fits else WIDTH_ELSEWHERE)
