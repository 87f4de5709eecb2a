"""A run that has lost the lease sends nothing more."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.state.coordination import LeaseGrant, LeaseHeldError, LeaseLostError
from swit_provisioning.state.database import StoreBusyError
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import deactivate_user, plan_of
from swit_provisioning_tests.apply.conftest import Stage

LONG = timedelta(hours=1)


def test_a_second_run_learns_which_run_holds_the_lease(store: Store, lease: HeldLease) -> None:
    del lease
    with pytest.raises(LeaseHeldError, match="R1, started by ann@pc"):
        HeldLease.acquire(store, holder="R2", actor="bob@pc")


def test_a_released_lease_is_free_at_once(store: Store) -> None:
    with HeldLease.acquire(store, holder="R1", actor="ann") as held:
        held.check()
    with HeldLease.acquire(store, holder="R2", actor="bob") as held:
        assert held.grant.taken_over_from is None


def test_the_lease_is_renewed_while_the_run_is_alive(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    real = store.lease.renew

    def seen(grant: LeaseGrant) -> None:
        real(grant)
        renewed.set()

    monkeypatch.setattr(store.lease, "renew", seen)
    ttl = timedelta(milliseconds=200)
    with HeldLease.acquire(store, holder="R1", actor="ann", ttl=ttl):
        assert renewed.wait(timeout=10)


def test_a_lease_that_was_not_renewed_in_time_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def busy(_: LeaseGrant) -> None:
        message = "busy"
        raise StoreBusyError(message)

    with HeldLease.acquire(store, holder="R1", actor="ann", ttl=LONG, clock=lambda: now) as held:
        now = 3000
        held.renew()
        monkeypatch.setattr(store.lease, "renew", busy)
        now = 3000 + 3100
        held.renew()
        held.check()
        now = 3000 + 3300
        with pytest.raises(LeaseLostError, match="last renewed 3300 s ago"):
            held.check()


def test_a_lease_taken_by_another_run_is_lost_for_good(tmp_path: Path) -> None:
    time = datetime(2026, 3, 1, tzinfo=UTC)
    with (
        Store.open(f"sqlite:///{tmp_path / 's.sqlite'}", clock=lambda: time) as store,
        HeldLease.acquire(store, holder="R1", actor="ann", ttl=LONG) as dead,
    ):
        time += LONG
        with HeldLease.acquire(store, holder="R2", actor="bob", ttl=LONG) as other:
            assert other.grant.taken_over_from == "R1"
            dead.renew()
        with pytest.raises(LeaseLostError, match=r"the run R2 \(bob\) has it now"):
            dead.check()


def test_a_suspended_process_has_lost_the_lease_even_if_it_is_free(store: Store) -> None:
    """After sleep or SIGSTOP, its reads may be hours old."""
    now = 0.0
    with HeldLease.acquire(store, holder="R1", actor="ann", ttl=LONG, clock=lambda: now) as held:
        now = 3000
        held.renew()
        held.check()
        now = 3000 + 3601
        held.renew()
        with pytest.raises(LeaseLostError, match="was suspended for 3601 s"):
            held.check()


def test_the_lease_is_not_released_while_a_call_is_in_flight(store: Store) -> None:
    """Swit may still execute the call; the lease then expires by itself."""
    held = HeldLease.acquire(store, holder="R1", actor="ann", ttl=LONG)
    with held.call_in_flight():
        held.stop()
        with pytest.raises(LeaseLostError, match="was interrupted"):
            held.check()
        held.close()
        with pytest.raises(LeaseHeldError):
            HeldLease.acquire(store, holder="R2", actor="bob")
    held.close()
    HeldLease.acquire(store, holder="R2", actor="bob").close()


def _lost_after(stage: Stage, calls: int) -> Callable[[], None]:
    real, counted, run_id = stage.lease.check, 0, "R1"

    def check() -> None:
        nonlocal counted
        counted += 1
        if counted > calls:
            raise LeaseLostError(run_id, "it was released")
        real()

    return check


def test_nothing_is_sent_after_the_lease_is_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [stage.organisation.add_user(f"u{number}@example.com") for number in range(20)]
    plan = plan_of(*(deactivate_user(user) for user in people))
    monkeypatch.setattr(stage.lease, "check", _lost_after(stage, 6))
    with pytest.raises(LeaseLostError):
        stage.applier(plan).send("deactivate_users")
    assert len(stage.asked()) <= 3
    monkeypatch.undo()
    assert stage.kinds(plan) == ["applied"] * 20


def test_the_lease_is_checked_between_the_calls_of_one_change(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may hang for minutes; the next one must not be sent then."""
    ann = stage.organisation.add_user("ann@example.com")
    monkeypatch.setattr(stage.lease, "check", _lost_after(stage, 1))
    with pytest.raises(LeaseLostError):
        stage.applier(plan_of(deactivate_user(ann))).send("deactivate_users")
    assert stage.asked() == []


def test_the_lease_is_checked_before_each_retry_of_the_client(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer may have taken minutes, and so may the wait after it."""
    ann = stage.organisation.add_user("ann@example.com")
    stage.server.faults.add(Fault(kind="status", status=500, times=None))
    monkeypatch.setattr(stage.lease, "check", _lost_after(stage, 3))
    with pytest.raises(LeaseLostError):
        stage.applier(plan_of(deactivate_user(ann))).send("deactivate_users")
    assert len(stage.asked()) == 2


def test_the_journal_refuses_the_intent_of_a_run_that_lost_the_lease(stage: Stage) -> None:
    """Whatever the clock of this process says: another run holds the lease."""
    stage.store.lease.release(stage.lease.grant)
    stage.store.lease.acquire("R2", actor="bob@pc", ttl=LONG)
    ann = stage.organisation.add_user("ann@example.com")
    with pytest.raises(LeaseLostError, match=r"the run R2 \(bob@pc\) has it now"):
        stage.applier(plan_of(deactivate_user(ann))).send("deactivate_users")
    assert stage.asked() == []
    assert stage.store.journal.rows() == []
