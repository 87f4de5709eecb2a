import pytest
from sqlalchemy import func, select

from swit_provisioning.planning.policy import Exemption, Repeat
from swit_provisioning.state.database import METADATA
from swit_provisioning.state.identities import OtherOrganizationError
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def test_who_is_who_is_remembered_by_kind(store: Store) -> None:
    store.identities.remember([("user", "e1", "U1"), ("group", "e1", "T1")])
    memory = store.identities.memory()
    assert memory.users == {"e1": "U1"}
    assert memory.groups == {"e1": "T1"}


def test_one_object_stands_for_one_entry(store: Store) -> None:
    """An entry that moved has another DN; the old one must not keep its team as well."""
    store.identities.remember([("group", "cn=sales", "T1"), ("group", "cn=it", "T2")])
    store.identities.remember([("group", "cn=sales emea", "T1"), ("group", "cn=it", "T3")])
    assert store.identities.memory().groups == {"cn=sales emea": "T1", "cn=it": "T3"}


def test_two_entries_may_exchange_their_objects(store: Store) -> None:
    store.identities.remember([("user", "e1", "U1"), ("user", "e2", "U2")])
    store.identities.remember([("user", "e1", "U2"), ("user", "e2", "U1")])
    assert store.identities.memory().users == {"e1": "U2", "e2": "U1"}


def test_nothing_to_remember_changes_nothing(store: Store) -> None:
    store.identities.remember([("user", "e1", "U1")])
    store.identities.remember([])
    store.identities.remember([("user", "e1", "U1")])
    assert store.identities.memory().users == {"e1": "U1"}


def test_what_is_exempt_is_remembered_as_the_last_plan_says(store: Store) -> None:
    group = Exemption(kind="group", object_id="e1", setting="TEAMS_TO_EXCLUDE", entry="back office")
    team = Exemption(kind="team", object_id="T1", setting="SWIT_TEAMS_TO_KEEP", entry="board*")
    store.identities.remember_exempt([group, team])
    store.identities.remember_exempt([team, group])
    assert store.memory().exempt == {group, team}
    store.identities.remember_exempt([team])
    assert store.memory().exempt == {team}
    store.identities.remember_exempt([])
    assert store.memory().exempt == frozenset()


def test_the_last_accepted_read_replaces_the_one_before(store: Store) -> None:
    assert store.reads.last_accepted() == {}
    store.reads.accept({"ou=a": {"users": 3, "groups": 1}, "ou=b": {"users": 2, "groups": 0}})
    store.reads.accept({"ou=a": {"users": 4, "groups": 1}})
    assert store.reads.last_accepted() == {"ou=a": {"users": 4, "groups": 1}}
    store.reads.accept({})
    assert store.reads.last_accepted() == {}


def test_accepted_reads_are_known_for_seven_days_and_the_last_one_at_any_age(
    store: Store, clock: Clock
) -> None:
    def known() -> list[int]:
        return [read.counts["users"] for read in store.reads.of_last_days()]

    assert known() == []
    for users in (100, 1000, 900):
        store.reads.accept({}, counts={"users": users})
        clock.forward(days=3)
    assert known() == [1000, 900]
    clock.forward(days=30)
    assert known() == [900]
    store.reads.accept({"ou=a": {"users": 3, "groups": 1}}, counts={"users": 3})
    assert known() == [3]
    last = store.reads.last()
    assert last is not None
    assert (last.accepted_at, last.directory) == (clock.time, store.reads.last_accepted())
    rows = store._database.scalar(
        select(func.count()).select_from(METADATA.tables["accepted_read"])
    )
    assert rows == 1, "older ones are deleted"


def test_the_state_belongs_to_the_first_organisation(store: Store) -> None:
    store.organization.bind("ORG1")
    store.organization.bind("ORG1")
    with pytest.raises(OtherOrganizationError, match=r"ORG1.*ORG2.*STATE_DATABASE_URL"):
        store.organization.bind("ORG2")


def test_what_did_not_stick_is_known_until_the_next_plan_says_otherwise(
    store: Store, clock: Clock
) -> None:
    assert (store.journal_memory.repeats(), store.journal_memory._seen()) == ({}, 0)
    twice, once = (Repeat(times=times, last_at=clock.time) for times in (2, 1))
    store.journal_memory.remember({"a": once, "b": once}, seen=7)
    store.journal_memory.remember({"a": twice}, seen=9)
    assert (store.journal_memory.repeats(), store.journal_memory._seen()) == ({"a": twice}, 9)


def test_what_did_not_stick_is_forgotten_after_a_month(store: Store, clock: Clock) -> None:
    """Nothing is held back for ever: Swit or the other program may have changed."""
    store.journal_memory.remember({"a": Repeat(times=2, last_at=clock.time)}, seen=1)
    clock.forward(days=30)
    assert "a" in store.journal_memory.repeats()
    clock.forward(seconds=1)
    assert store.journal_memory.repeats() == {}
