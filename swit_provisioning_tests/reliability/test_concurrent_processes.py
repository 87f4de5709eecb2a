"""Several processes at once: one writes, one renews the login, and a former lease holder stops."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from swit_provisioning.sandbox.faults import Fault, Gate
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.state.coordination import LeaseGrant, LeaseHeldError
from swit_provisioning.state.store import Store
from swit_provisioning.state.token_store import TokenRow
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.reliability.endings import Ending, writes
from swit_provisioning_tests.reliability.forks import Copy, wait_for
from swit_provisioning_tests.reliability.site import Site
from swit_provisioning_tests.reliability.work import LOST_THE_LEASE

SECONDS = 240


@pytest.fixture
def store(here: Site) -> Iterator[Store]:
    with Store.open(here.environment["STATE_DATABASE_URL"]) as opened:
        yield opened


def held(server: SandboxServer, call: str, *, skip: int = 0, times: int | None = 1) -> Gate:
    """Let a call (`None`: all of them) be carried out and its answer be held back."""
    gate = Gate()
    server.faults.add(
        Fault(kind="held", call=call, skip=skip, times=times, gate=gate, after_work=True)
    )
    return gate


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [2, 10])
def test_of_several_syncs_exactly_one_writes(
    here: Site, server: SandboxServer, undisturbed: Ending, number: int
) -> None:
    """Their token has expired, too: Swit is asked for the next one once."""
    server.tokens.expire_access_tokens()
    gate = held(server, "organization.user.create")
    copies = [here.start("sync") for _ in range(number)]
    assert gate.reached.wait(SECONDS)
    refused = wait_for(copies, number - 1)
    (winner,) = (copy for copy in copies if copy not in refused)
    gate.opened.set()
    assert winner.ended() == 0, winner.said()
    run_id = winner.document()["run_id"]
    for copy in refused:
        assert copy.ended() == 6, copy.said()
        assert copy.document()["status"] == "busy"
        assert f"Another run is writing: {run_id}, started by " in copy.document()["message"]
    assert here.ending() == undisturbed
    assert here.sent_again() == 0
    assert server.log.counts["oauth.token"] == 1


def stand_still(copy: Copy, here: Site) -> None:
    """Stop it, but not while it has the database to itself: then everybody would have to wait."""
    for _ in range(100):
        copy.stop()
        if here.database_is_free():
            return
        copy.go_on()
    message = "it was never stopped outside of a transaction"
    raise AssertionError(message)


def take_over(store: Store) -> LeaseGrant:
    """Take the lease as soon as it has run out."""

    def taken() -> LeaseGrant | None:
        try:
            return store.lease.acquire("R2", actor="somebody@else", ttl=timedelta(minutes=1))
        except LeaseHeldError:
            return None

    return until(taken, seconds=SECONDS, what=lambda: "the lease has not run out")


def test_a_process_suspended_for_longer_than_its_lease_sends_nothing_more(
    here: Site, server: SandboxServer, store: Store
) -> None:
    """It stands still in the middle of eight calls, of twenty that are alike."""
    here.environment["SWIT_MAX_CONCURRENCY"] = "8"
    call, plan_id = "organization.user.create", here.run("plan")["plan_id"]
    gate = held(server, call, times=None)
    copy = here.work("apply_plan", run_id="R1", plan_id=plan_id, ttl=1)
    until(
        lambda: server.log.counts[call] == 8 or None,
        seconds=SECONDS,
        what=lambda: f"{server.log.counts[call]} calls came in",
    )
    stand_still(copy, here)
    take_over(store)
    gate.opened.set()
    copy.go_on()
    assert copy.ended() == LOST_THE_LEASE, copy.said()
    assert "it has lost its lease" in copy.said()
    assert server.log.counts[call] == 8


def test_a_sync_suspended_while_another_took_over_sends_nothing_more(
    here: Site, server: SandboxServer, undisturbed: Ending
) -> None:
    """By its own clock it has not lost the lease; the database knows better."""
    here.environment["SWIT_MAX_CONCURRENCY"] = "1"
    gate = held(server, "team.create", skip=2)
    first = here.start("sync")
    assert gate.reached.wait(SECONDS)
    stand_still(first, here)
    here.time_passes()
    second = here.run("sync")
    assert second["status"] == "applied"
    sent = len(writes(server.log.of()))
    gate.opened.set()
    first.go_on()
    assert first.ended() == 1, first.said()
    assert "it has lost its lease" in first.document()["message"]
    assert len(writes(server.log.of())) == sent
    assert here.ending() == undisturbed
    assert here.twice() == 0


@pytest.mark.parametrize("days_left", [0, 1])
def test_ten_processes_renew_the_login_once(
    here: Site, server: SandboxServer, store: Store, days_left: int
) -> None:
    """When it has expired, and when it is about to."""
    now, pair = datetime.now(UTC), server.issue_tokens()
    store.tokens.save(
        TokenRow(
            access_token=pair["access_token"],
            refresh_token=pair["refresh_token"],
            expires_at=now + timedelta(days=days_left),
            scope=None,
            obtained_at=now - timedelta(days=7 - days_left),
        )
    )
    if not days_left:
        server.tokens.expire_access_tokens()
    copies = [here.work("ask_who_i_am") for _ in range(10)]
    assert [copy.ended() for copy in copies] == [0] * 10
    assert server.log.counts["oauth.token"] == 1
    kept = store.tokens.load()
    assert kept is not None
    assert kept.access_token != pair["access_token"]
