"""What the state tells a monitoring system: who writes, how changes ended, what was stopped."""

from datetime import timedelta

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.coordination import LeaseHolder
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock
from swit_provisioning_tests.state.made import a_change, a_plan

TTL = timedelta(seconds=45)
SHRINK, LEAVE = "directory_has_not_shrunk", "deactivations_within_limit"


def test_who_holds_the_lease_is_told_until_it_runs_out_or_is_given_back(
    store: Store, clock: Clock
) -> None:
    assert store.lease.held() is None
    began = clock.time
    grant = store.lease.acquire("R1", actor="ann@pc", ttl=TTL)
    expected = LeaseHolder(run_id="R1", actor="ann@pc", since=began, until=began + TTL)
    clock.forward(seconds=44.9)
    assert store.lease.held() == expected
    clock.forward(seconds=0.1)
    assert store.lease.held() is None
    store.lease.renew(grant)
    assert store.lease.held() is not None
    store.lease.release(grant)
    assert store.lease.held() is None


def test_tries_are_counted_by_action_and_outcome(store: Store) -> None:
    application = Application(application_id="R1", plan_hash=PlanHash("P1"), run_id="R1")
    for number, outcome in enumerate(("failed", "applied", "applied", None)):
        entry = store.journal.intent(a_change(number), application)
        if outcome:
            store.journal.outcome(entry, Answer(outcome=outcome))
    created = a_change(9, action="user.create")
    store.journal.unsent(created, application, Answer(outcome="skipped"))
    assert store.journal.tries() == {
        ("user.deactivate", "failed"): 1,
        ("user.deactivate", "applied"): 2,
        ("user.deactivate", None): 1,
        ("user.create", "skipped"): 1,
    }


def test_a_stop_is_a_plan_that_a_blocking_guard_did_not_pass(store: Store) -> None:
    assert store.plans.stops() == {}

    def save(*verdicts: tuple[str, bool, bool]) -> None:
        documents = [
            {"name": name, "blocking": blocking, "passed": passed}
            for name, blocking, passed in verdicts
        ]
        store.plans.save(a_plan(1), run_id="R1", guard_results=documents)

    save((SHRINK, True, True), (LEAVE, True, True))
    save((SHRINK, True, False), (LEAVE, True, False))
    save((SHRINK, True, True), (LEAVE, True, False))
    save((SHRINK, False, False))
    assert store.plans.stops() == {SHRINK: 1, LEAVE: 2}
