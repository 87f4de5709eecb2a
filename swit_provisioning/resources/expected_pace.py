"""How fast the next plan will be sent: as it is set, as the last run went, or by a guess."""

from dataclasses import dataclass

from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store
from swit_provisioning.swit.finding import estimated_pace


@dataclass(frozen=True, kw_only=True)
class ExpectedPace:
    """Calls a second, and where that is known from."""

    per_second: float
    known_from: str

    @property
    def sentence(self) -> str:
        """`10 calls a second (as the last run went)`."""
        return f"{float(f'{self.per_second:.3g}'):g} calls a second ({self.known_from})"


def expected_pace(settings: Settings, store: Store) -> ExpectedPace:
    """A number is kept to; `auto` finds about what it found last."""
    setting = settings.swit_requests_per_second
    expected = estimated_pace(setting)
    if not setting.startswith("auto"):
        return ExpectedPace(per_second=expected, known_from=f"SWIT_REQUESTS_PER_SECOND={setting}")
    measured = store.history.pace()
    if measured is None:
        return ExpectedPace(per_second=expected, known_from="a guess: no run has found it yet")
    # Twice what is expected of `auto` is the most that it may reach.
    return ExpectedPace(per_second=min(measured, 2 * expected), known_from="as the last run went")
