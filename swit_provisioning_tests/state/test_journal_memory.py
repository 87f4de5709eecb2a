"""What the journal tells the next plan: parts that were applied, values that Swit keeps."""

from typing import Any

from swit_provisioning.planning.convergence import part_keys
from swit_provisioning.planning.model import Change, PlanHash
from swit_provisioning.planning.policy import Repeat, StoredValue
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.apply.changes import (
    add_members,
    create_team,
    create_user,
    deactivate_user,
    new_team,
    new_user,
    update_user,
)
from swit_provisioning_tests.state.conftest import Clock

ANN = "ann@example.com"


def done(store: Store, change: Change, outcome: str = "applied", **answer: Any) -> None:  # noqa: ANN401 - fields
    by_r1 = Application(application_id="R1", plan_hash=PlanHash("P1"), run_id="R1")
    entry_id = store.journal.intent(change, by_r1)
    store.journal.outcome(entry_id, Answer(outcome=outcome, **answer))


def keys(change: Change) -> set[str]:
    return set(part_keys(change.action, change.object_id, change.before, change.after).values())


def test_only_what_was_applied_counts_and_only_since_the_last_plan(
    store: Store, clock: Clock
) -> None:
    done(store, update_user("U1", name="Ann"))
    store.journal_memory.remember({}, seen=store.memory().seen)
    done(store, update_user("U2", name="Bob", phone_number="1"))
    done(store, update_user("U3", name="Eve"), "rejected")
    done(store, update_user("U4", name="Joe"), "already so")
    done(store, update_user("U5", name="Max"), "failed")
    memory = store.memory()
    wanted = keys(update_user("U2", name="Bob", phone_number="1"))
    assert memory.applied == dict.fromkeys(wanted, clock.time)
    assert len(wanted) == 2
    assert memory.seen == 5


def test_what_a_plan_made_is_known_by_swits_ids_to_the_next(store: Store) -> None:
    """The next plan reads them from Swit; a creation itself is the same wish again."""
    done(store, create_user(ANN), made_id="U1")
    done(store, create_team("Sales", "ROOT"), made_id="T1")
    store.journal_memory.remember({}, seen=store.memory().seen)
    done(store, add_members(new_team("Sales"), new_user(ANN), "U2"))
    assert store.memory().applied.keys() == keys(add_members("T1", "U1", "U2"))
    store.journal_memory.remember({}, seen=0)
    assert keys(create_user(ANN)) < store.memory().applied.keys()


def test_of_a_refused_batch_those_count_whom_swit_took(store: Store) -> None:
    done(store, add_members("T1", "U1", "U2"), "rejected", left_out=("U2",))
    done(store, add_members("T2", "U1", "U2"), "rejected")
    assert store.memory().applied.keys() == keys(add_members("T1", "U1"))


def test_the_value_that_swit_kept_last_is_known_by_object_and_field(store: Store) -> None:
    done(store, create_user(ANN, "Ann Arborist"), made_id="U1", kept={"name": "Ann A"})
    done(store, update_user("U2", name="Bob Barry"), kept={"name": "Bob"})
    done(store, update_user("U2", name="Bob Bell"), kept={"name": "Bob B"})
    done(store, deactivate_user("U3"))
    assert store.memory().stored_values == {
        ("U1", "name"): StoredValue(sent="Ann Arborist", stored="Ann A"),
        ("U2", "name"): StoredValue(sent="Bob Bell", stored="Bob B"),
    }


def test_a_memory_holds_who_is_who_and_how_often_too(store: Store, clock: Clock) -> None:
    once = Repeat(times=1, last_at=clock.time)
    store.identities.remember([("user", "e1", "U1")])
    store.journal_memory.remember({"a": once}, seen=0)
    memory = store.memory()
    assert (memory.users, memory.repeats) == ({"e1": "U1"}, {"a": once})
