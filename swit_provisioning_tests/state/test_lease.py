from datetime import timedelta

import pytest

from swit_provisioning.state.coordination import LeaseHeldError, LeaseLostError
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock
from swit_provisioning_tests.state.processes import let_go, start

TTL = timedelta(seconds=45)


def test_the_second_who_asks_is_told_who_holds_it(store: Store, clock: Clock) -> None:
    store.lease.acquire("R1", actor="ann@pc", ttl=TTL)
    with pytest.raises(
        LeaseHeldError,
        match=r"R1, started by ann@pc, since 2026-03-01 02:30:00 UTC.*at 2026-03-01 02:30:45 UTC",
    ) as caught:
        store.lease.acquire("R2", actor="bob@pc", ttl=TTL)
    holder = caught.value.holder
    assert (holder.run_id, holder.actor) == ("R1", "ann@pc")
    assert holder.until == clock.time + TTL


def test_its_holder_may_take_it_again(store: Store, clock: Clock) -> None:
    first = store.lease.acquire("R1", actor="ann", ttl=TTL)
    clock.forward(seconds=40)
    again = store.lease.acquire("R1", actor="ann", ttl=TTL)
    assert again.token == first.token
    assert again.taken_over_from is None
    clock.forward(seconds=40)
    with pytest.raises(LeaseHeldError):
        store.lease.acquire("R2", actor="bob", ttl=TTL)


def test_a_lease_that_ran_out_is_taken_over(store: Store, clock: Clock) -> None:
    dead = store.lease.acquire("R1", actor="ann", ttl=TTL)
    clock.forward(seconds=44.9)
    with pytest.raises(LeaseHeldError):
        store.lease.acquire("R2", actor="bob", ttl=TTL)
    clock.forward(seconds=0.1)
    new = store.lease.acquire("R2", actor="bob", ttl=TTL)
    assert new.taken_over_from == "R1"
    assert new.token > dead.token
    with pytest.raises(LeaseLostError, match=r"R1 may not write any longer.*the run R2 \(bob\)"):
        store.lease.renew(dead)


def test_a_dead_holder_is_known_until_somebody_takes_over(store: Store, clock: Clock) -> None:
    def known() -> tuple[str, bool] | None:
        holder = store.lease.holder()
        return (holder.run_id, store.lease.held() is None) if holder else None

    assert known() is None
    store.lease.acquire("R1", actor="ann", ttl=TTL)
    clock.forward(seconds=44)
    assert known() == ("R1", False)
    clock.forward(seconds=1)
    assert known() == ("R1", True)
    grant = store.lease.acquire("R2", actor="bob", ttl=TTL)
    assert known() == ("R2", False)
    store.lease.release(grant)
    assert known() is None


def test_a_renewed_lease_is_not_taken_over(store: Store, clock: Clock) -> None:
    grant = store.lease.acquire("R1", actor="ann", ttl=TTL)
    for _ in range(5):
        clock.forward(seconds=40)
        store.lease.renew(grant)
    with pytest.raises(LeaseHeldError):
        store.lease.acquire("R2", actor="bob", ttl=TTL)


def test_a_lease_given_back_is_free_at_once(store: Store) -> None:
    grant = store.lease.acquire("R1", actor="ann", ttl=TTL)
    store.lease.release(grant)
    with pytest.raises(LeaseLostError, match="it was released"):
        store.lease.renew(grant)
    assert store.lease.acquire("R2", actor="bob", ttl=TTL).taken_over_from is None


def test_who_lost_the_lease_cannot_give_back_the_next_ones(store: Store, clock: Clock) -> None:
    dead = store.lease.acquire("R1", actor="ann", ttl=TTL)
    clock.forward(seconds=45)
    store.lease.acquire("R2", actor="bob", ttl=TTL)
    store.lease.release(dead)
    with pytest.raises(LeaseHeldError, match="R2"):
        store.lease.acquire("R3", actor="eve", ttl=TTL)


_RACE = """
import sys
from datetime import timedelta
from swit_provisioning.state.coordination import LeaseHeldError
from swit_provisioning.state.store import Store
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store.lease.acquire(sys.argv[2], actor="racer", ttl=timedelta(seconds=45))
        print("won", flush=True)
    except LeaseHeldError as error:
        print(f"lost to {error.holder.run_id}", flush=True)
"""


def test_of_processes_that_race_for_it_exactly_one_wins(url: str) -> None:
    names = ("R1", "R2", "R3")
    said = let_go([start(_RACE, url, name) for name in names])
    winner = names[said.index("won")]
    assert sorted(said) == [f"lost to {winner}"] * 2 + ["won"]
