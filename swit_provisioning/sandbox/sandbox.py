"""The sandbox as a whole: the organisation, signing in, pace, faults and the log of calls."""

from typing import Any

from swit_provisioning.sandbox.call_log import CallLog
from swit_provisioning.sandbox.faults import Faults
from swit_provisioning.sandbox.limits import RateLimit
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.shapes import Edition, Shapes
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
    ) -> None:
        """Begin with a fresh organisation unless one is given; `reset` goes back to it."""
        self.organisation = organisation or Organisation()
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

    def reset(self) -> None:
        """The organisation as it was at the start; no calls, no faults. Tokens stay valid."""
        self.organisation.reset()
        self.faults.clear()
        self.log.clear()

    def state(self) -> dict[str, Any]:
        """What the page shows, as plain JSON values: the state, the last 50 calls, the counts."""
        calls = self.log.of()[-_CALLS_SHOWN:]
        return {
            "edition": self.edition,
            **self.organisation.snapshot(),
            "calls": [entry.document() for entry in calls],
            "counts": dict(sorted(self.log.counts.items())),
        }
