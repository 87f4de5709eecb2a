"""Stops a step when Swit itself is down, instead of failing its changes one by one."""

import threading
from typing import Final

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.errors import SwitError

CHANGES_IN_A_ROW: Final = 5
"""So many changes one after the other that Swit failed, and none in between that it answered."""


class SwitDownError(Exception):
    """Swit doesn't answer anybody; what was not sent yet waits until it does."""


class Breaker:
    """Told what came of each change of a step. Safe for several threads."""

    def __init__(self) -> None:
        """Begin with nothing against Swit."""
        self._lock = threading.Lock()
        self._failed: list[SwitError] = []

    def note(self, attempt: Attempt, answer: Answer) -> None:
        """Take in what came of one more change, in the order in which they end.

        Raises:
            SwitDownError: there is no point in sending more.

        """
        with self._lock:
            if answer.outcome in DONE | {"rejected"}:
                self._failed.clear()
            elif answer.outcome == "failed" and attempt.error is not None:
                self._failed.append(attempt.error)
            if len(self._failed) >= CHANGES_IN_A_ROW:
                raise SwitDownError(_told(self._failed))


def _told(failed: list[SwitError]) -> str:
    return (
        f"Swit is down, or can't be reached: {len(failed)} changes failed one after the other, the"
        f" last with {failed[-1]} Nothing more was sent. Re-execute from failure once Swit answers:"
        " it goes on where it stopped."
    )
