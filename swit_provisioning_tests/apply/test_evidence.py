"""What is known of both sides when a plan is sent, and read again."""

from datetime import UTC, datetime

from swit_provisioning.apply.evidence import Evidence

AT_THE_GATE = datetime(2026, 3, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_what_the_gate_left_out_stays_left_out_when_both_sides_are_read_again() -> None:
    """No guard has judged it, so no later step may send it."""
    gate = Evidence(read_at=AT_THE_GATE, back=frozenset({"U1"}), moved=frozenset({"C1"}))
    again = Evidence(read_at=LATER, back=frozenset({"U2"}), moved=frozenset({"C2"}))
    assert again.with_earlier(gate) == Evidence(
        read_at=LATER, back=frozenset({"U1", "U2"}), moved=frozenset({"C1", "C2"})
    )
