"""How often the state is asked, however often the gateway is."""

from swit_provisioning.gateway.metrics import CachedFacts, Facts
from swit_provisioning.settings import Settings
from swit_provisioning_tests.gateway.test_metrics import FACTS


def test_many_who_ask_at_once_read_the_state_once() -> None:
    reads: list[Settings] = []

    def read(settings: Settings) -> Facts:
        reads.append(settings)
        return FACTS

    facts = CachedFacts(Settings.load(), read=read)
    assert {id(facts.get(since="a run")) for _ in range(100)} == {id(FACTS)}
    assert len(reads) == 1
    facts.get(since="the run has ended")
    assert len(reads) == 2, "what has just happened is told at once"
