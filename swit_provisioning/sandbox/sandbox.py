"""The sandbox as a whole: the organisation, signing in, pace, faults and the log of calls."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from swit_provisioning.sandbox.call_log import CallLog
from swit_provisioning.sandbox.faults import Faults
from swit_provisioning.sandbox.limits import RateLimit
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.shapes import Edition, Shapes
from swit_provisioning.sandbox.state_file import StateFile
from swit_provisioning.sandbox.tokens import Tokens

_CALLS_SHOWN = 50


class Sandbox:
    """One stand-in Swit. `edition`, `rate_limit` and `latency_seconds` may be changed any time."""

    def __init__(
        self,
        organisation: Organisation | None = None,
        *,
        edition: Edition = "new",
        tokens: Tokens | None = None,
        rate_limit: RateLimit | None = None,
        latency_seconds: float = 0.0,
        state_file: Path | None = None,
    ) -> None:
        """Begin with a fresh organisation unless one is given; `reset` goes back to it.

        `state_file` keeps the organisation: what it holds already goes before what is given.
        """
        self.organisation = organisation or Organisation()
        self._file = StateFile(state_file, self.organisation) if state_file else None
        self.tokens = tokens or Tokens(self.organisation)
        self.edition: Edition = edition
        self.rate_limit = rate_limit
        self.latency_seconds = latency_seconds
        self.faults = Faults()
        self.log = CallLog()
        self.organisation.mark()

    @property
    def shapes(self) -> Shapes:
        """What writes the answers in the present edition."""
        return Shapes(self.organisation, self.edition)

    @contextmanager
    def exclusive(self, *, writes: bool = True) -> Iterator[None]:
        """Read or change the organisation while nobody else does, in this process or another."""
        held = self._file.exclusive(writes=writes) if self._file else nullcontext()
        with self.organisation.lock, held:
            yield

    def reset(self) -> None:
        """The organisation as it was at the start; no calls, no faults. Tokens stay valid."""
        with self.exclusive():
            self.organisation.reset()
        self.faults.clear()
        self.log.clear()

    def state(self) -> dict[str, Any]:
        """What the page shows, as plain JSON values: the state, the last 50 calls, the counts."""
        calls = self.log.of()[-_CALLS_SHOWN:]
        with self.exclusive(writes=False):
            snapshot = self.organisation.snapshot()
        return {
            "edition": self.edition,
            **snapshot,
            "calls": [entry.document() for entry in calls],
            "counts": dict(sorted(self.log.counts.items())),
        }
