"""The evidence of a plan when both sides are read again."""

from datetime import UTC, datetime

from swit_provisioning.apply.evidence import Evidence

AT_THE_GATE = datetime(2026, 3, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_changes_left_out_by_the_gate_stay_left_out_after_a_second_read() -> None:
    """No guard has judged these changes, so no later step may send them."""
    gate = Evidence(read_at=AT_THE_GATE, returning=frozenset({"U1"}), moved=frozenset({"C1"}))
    again = Evidence(read_at=LATER, returning=frozenset({"U2"}), moved=frozenset({"C2"}))
    assert again.with_earlier(gate) == Evidence(
        read_at=LATER, returning=frozenset({"U1", "U2"}), moved=frozenset({"C1", "C2"})
    )
