from datetime import timedelta

import pytest

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.coordination import LeaseLostError
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock
from swit_provisioning_tests.state.made import a_change

TTL = timedelta(seconds=45)


def _by(
    run_id: str = "R1", *, approval_id: int | None = None, plan_hash: str = "P1"
) -> Application:
    return Application(
        application_id="R1", plan_hash=PlanHash(plan_hash), run_id=run_id, approval_id=approval_id
    )


def _approval(store: Store) -> int:
    return store.approvals.add(
        PlanHash("P1"), actor="ann", reason="the merger", guards=("deactivations_within_limit",)
    )


def test_an_entry_holds_what_was_meant_and_what_came_of_it(store: Store, clock: Clock) -> None:
    change, approval = a_change(), _approval(store)
    entry_id = store.journal.intent(change, _by(approval_id=approval))
    began = clock.time
    clock.forward(seconds=2)
    store.journal.outcome(
        entry_id,
        Answer(
            outcome="rejected",
            message="No.",
            http_status=400,
            calls=2,
            seconds=1.5,
            kept={"name": "An"},
        ),
    )
    [entry] = store.journal.rows()
    assert (entry.change_id, entry.action, entry.target) == (
        change.change_id,
        change.action,
        change.target,
    )
    assert (entry.before, entry.after) == (change.before, change.after)
    assert (entry.run_id, entry.plan_id, entry.reason) == ("R1", "P1", change.reason)
    assert (entry.approval_id, entry.at) == (approval, began)
    assert (entry.outcome, entry.message, entry.http_status) == ("rejected", "No.", 400)
    assert (entry.calls, entry.seconds, entry.changed) == (2, 1.5, {})
    assert entry.kept == {"name": "An"}


def test_a_call_whose_process_died_in_it_has_no_outcome(store: Store) -> None:
    store.journal.intent(a_change(), _by())
    assert (
        store.journal.latest("R1", plan_hash=_by().plan_hash)[a_change().change_id].outcome is None
    )


def test_the_newest_entry_of_a_change_counts(store: Store) -> None:
    first = store.journal.intent(a_change(), _by())
    store.journal.outcome(first, Answer(outcome="failed"))
    second = store.journal.intent(a_change(), _by("R2"))
    store.journal.outcome(second, Answer(outcome="applied", made_id="T9"))
    store.journal.unsent(a_change(2), _by("R2"), Answer(outcome="skipped", left_out=("U7",)))
    latest = store.journal.latest("R1", plan_hash=_by().plan_hash)
    assert {entry.target: entry.outcome for entry in latest.values()} == {
        "someone1@example.com": "applied",
        "someone2@example.com": "skipped",
    }
    assert latest[a_change().change_id].made_id == "T9"
    assert latest[a_change(2).change_id].left_out == ("U7",)
    assert store.journal.latest("R2", plan_hash=_by().plan_hash) == {}
    assert len(store.journal.rows()) == 3
    assert len(store.journal.rows(run_id="R2")) == 2


def test_another_plan_of_the_same_run_has_nothing_done(store: Store) -> None:
    """A run that is executed again from its start makes a new plan under the same root."""
    entry_id = store.journal.intent(a_change(), _by(plan_hash="P1"))
    store.journal.outcome(entry_id, Answer(outcome="applied"))
    assert store.journal.latest("R1", plan_hash=PlanHash("P2")) == {}
    assert len(store.journal.latest("R1", plan_hash=PlanHash("P1"))) == 1


def test_what_ran_without_an_approval_is_counted_by_objects(store: Store, clock: Clock) -> None:
    def done(number: int, application: Application, **changed: int) -> None:
        entry_id = store.journal.intent(a_change(number), application)
        counted = {name.replace("_", "."): count for name, count in changed.items()}
        store.journal.outcome(entry_id, Answer(outcome="applied", changed=counted))

    done(1, _by(), user_deactivate=1)
    clock.forward(hours=25)
    done(2, _by(), user_deactivate=1)
    done(3, _by())
    done(4, _by(approval_id=_approval(store)), user_deactivate=1)
    done(5, _by(approval_id=_approval(store)), team_delete=1, membership_remove=2)
    done(6, _by(), membership_remove=30)
    done(7, _by(), team_delete=1, membership_remove=4)
    since = clock.time - timedelta(hours=24)
    counted = {"user.deactivate": 1, "membership.remove": 36, "team.delete": 2}
    assert store.journal.unapproved_since(since) == counted
    assert store.journal.unapproved_since(since, but_not="R1") == {}


def test_what_a_first_sync_created_is_not_counted(store: Store, clock: Clock) -> None:
    """Else nobody could be created on the day after it: half of what was there before is little."""
    for number, (run_id, first_sync) in enumerate({"R1": True, "R2": False}.items()):
        plan_hash = PlanHash(f"P{number}")
        store.acceptances.accept(
            run_id, plan_hash=plan_hash, application_id=run_id, first_sync=first_sync
        )
        by = Application(application_id=run_id, plan_hash=plan_hash, run_id=run_id)
        entry_id = store.journal.intent(a_change(number), by)
        counted = {"user.create": 5, "team.create": 3, "user.update": 2, "membership.remove": 1}
        store.journal.outcome(entry_id, Answer(outcome="applied", changed=counted))
    assert store.journal.unapproved_since(clock.time - timedelta(hours=24)) == {
        "user.create": 5,
        "team.create": 3,
        "user.update": 4,
        "membership.remove": 2,
    }


def test_nothing_is_meant_any_longer_once_the_lease_is_lost(store: Store, clock: Clock) -> None:
    """The fence holds in the database too, whatever this process thinks the time is."""
    lease = store.lease.acquire("R1", actor="ann", ttl=TTL)
    store.journal.intent(a_change(1), _by(), lease=lease)
    clock.forward(seconds=45)
    with pytest.raises(LeaseLostError, match="was not renewed in time"):
        store.journal.intent(a_change(2), _by(), lease=lease)
    store.lease.acquire("R2", actor="bob", ttl=TTL)
    with pytest.raises(LeaseLostError, match=r"the run R2 \(bob\) has it now"):
        store.journal.intent(a_change(2), _by(), lease=lease)
    assert len(store.journal.rows()) == 1


def test_users_created_are_counted_with_an_approval_or_without(store: Store, clock: Clock) -> None:
    def done(number: int, application: Application, **changed: int) -> None:
        entry_id = store.journal.intent(a_change(number, action="user.create"), application)
        counted = {name.replace("_", "."): count for name, count in changed.items()}
        store.journal.outcome(entry_id, Answer(outcome="applied", changed=counted))

    done(1, _by(), user_create=1)
    since = clock.time
    clock.forward(days=1)
    done(2, _by(), user_create=1)
    done(3, _by(approval_id=_approval(store)), user_create=1)
    done(4, _by())
    assert store.journal.users_created_since(since) == 2
    assert store.journal.users_created_since(since, but_not="R1") == 0
