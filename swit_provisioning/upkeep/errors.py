"""Why nothing was forgotten.

* UpkeepError
  - NotOnePersonError   what was asked for stands for nobody, or for several
  - StillThereError     the next run would read the person again
  - RunsUnderWayError   a run may be writing them down just now
"""

from collections.abc import Iterable


class UpkeepError(Exception):
    """Base class: catch this one at the edge."""


class NotOnePersonError(UpkeepError):
    """What was asked for stands for nobody who is known, or for several."""


class StillThereError(UpkeepError):
    """Whoever is to be forgotten would be read again by the next run."""

    def __init__(self, places: Iterable[str]) -> None:
        """Say where, and what to do."""
        super().__init__(
            f"Nothing was changed. The last read found this person in {' and in '.join(places)},"
            " so the next run would read and write them again. Remove them there first and run"
            " `swit-provisioning plan`, which reads both sides anew; or forget what is kept up to"
            " now with --anyway."
        )


class RunsUnderWayError(UpkeepError):
    """A run may be writing down just now who is to be forgotten."""

    def __init__(self, runs: Iterable[str]) -> None:
        """Say which."""
        super().__init__(f"Nothing was changed. Wait until these runs are over: {', '.join(runs)}.")
