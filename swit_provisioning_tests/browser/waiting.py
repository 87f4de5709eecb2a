"""Waiting for a condition, with a limit. No test here waits for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
_PAUSE_SECONDS = 0.1


def until(
    condition: Callable[[], Found | None], *, seconds: float, what: Callable[[], str]
) -> Found:
    """Ask again and again until there is an answer; after `seconds` fail, and say `what`."""
    limit = time.monotonic() + seconds
    while (found := condition()) is None:
        if time.monotonic() > limit:
            message = f"Not within {seconds:.0f} seconds: {what()}"
            raise TimeoutError(message)
        time.sleep(_PAUSE_SECONDS)
    return found
