"""What goes with age, and what stays at any age. Time is moved in the data."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, select, text

from swit_provisioning.planning.model import Change, Plan, PlanHash
from swit_provisioning.state.coordination import PAUSES
from swit_provisioning.state.expired_rows import OldRows
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.plan_approvals import REJECTIONS
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import CONTENTS
from swit_provisioning_tests.ageing import age_state
from swit_provisioning_tests.apply.changes import update_user
from swit_provisioning_tests.state.made import a_plan

LONG = timedelta(days=100)


def done(store: Store, change: Change, application: str = "R1", **answer: Any) -> int:  # noqa: ANN401 - fields
    by = Application(application_id=application, plan_hash=PlanHash("P"), run_id=application)
    entry_id = store.journal.intent(change, by)
    store.journal.outcome(entry_id, Answer(outcome="applied", **answer))
    return entry_id


def pruned(store: Store, *, plans: int = 90, journal: int = 90) -> OldRows:
    """Delete what is older than so many days; what was counted before is what went."""
    now = datetime.now(UTC)
    times = {
        "plans": now - timedelta(days=plans),
        "journal": now - timedelta(days=journal),
    }
    counted = store.retention.count_before(**times)
    assert store.retention.delete_before(**times) == counted
    return counted


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """By the machine's own clock: it is the data that is moved."""
    with Store.open(url) as opened:
        yield opened


def test_old_plans_go_with_their_contents_and_young_ones_stay(store: Store) -> None:
    for number in (1, 2):
        store.plans.save(a_plan(number), run_id=f"R{number}", guard_results=[])
    age_state(store, LONG)
    store.plans.save(a_plan(3), run_id="R3", guard_results=[])
    assert pruned(store) == OldRows(plans=2, entries=0)
    assert [store.plans.get(a_plan(n).plan_hash) is None for n in (1, 2, 3)] == [True, True, False]
    assert rows_of(store, CONTENTS) == 1
    assert pruned(store) == OldRows(plans=0, entries=0)


def test_a_plan_that_was_made_again_lately_stays_though_it_was_made_long_ago(store: Store) -> None:
    store.plans.save(a_plan(1), run_id="R1", guard_results=[])
    age_state(store, LONG)
    store.plans.save(a_plan(1), run_id="R2", guard_results=[])
    assert pruned(store).plans == 1
    assert store.plans.get(a_plan(1).plan_hash) is not None
    assert (store.plans.made_by("R1"), store.plans.made_by("R2")) == (None, a_plan(1).plan_hash)


def test_the_newest_plan_stays_at_any_age(store: Store) -> None:
    store.plans.save(a_plan(1), run_id="R1", guard_results=[])
    age_state(store, LONG)
    assert pruned(store).plans == 0
    assert store.plans.latest() == a_plan(1).plan_hash


def test_what_broke_half_way_stays_until_something_else_was_begun(store: Store) -> None:
    plan_hash = a_plan(1).plan_hash
    store.plans.save(a_plan(1), run_id="R1", guard_results=[])
    store.acceptances.accept("R2", plan_hash=plan_hash, application_id="R2")
    done(store, update_user("U1", name="Ann"), application="R2")
    store.journal_memory.remember({}, seen=done(store, update_user("U2", name="Bob")))
    age_state(store, LONG)
    store.plans.save(a_plan(2), run_id="R3", guard_results=[])
    assert store.retention.runs_needed() == {"R1", "R2"}
    assert pruned(store) == OldRows(plans=0, entries=0)
    assert store.acceptances.unfinished(plan_hash) is not None
    assert store.plans.get(plan_hash) is not None
    assert [entry.application_id for entry in store.journal.rows()].count("R2") == 1
    store.acceptances.accept("R3", plan_hash=a_plan(2).plan_hash, application_id="R3")
    store.acceptances.finish("R3")
    assert store.retention.runs_needed() == set()
    assert pruned(store) == OldRows(plans=1, entries=1)
    assert store.acceptances.of("R2") is None
    assert store.acceptances.newest() is not None


def test_what_is_through_needs_no_run(store: Store) -> None:
    store.plans.save(a_plan(1), run_id="R1", guard_results=[])
    store.acceptances.accept("R1", plan_hash=a_plan(1).plan_hash, application_id="R1")
    store.acceptances.finish("R1")
    assert store.retention.runs_needed() == set()


def test_the_journal_has_a_time_of_its_own(store: Store) -> None:
    store.plans.save(a_plan(1), run_id="R1", guard_results=[])
    done(store, update_user("U1", name="Ann"))
    age_state(store, LONG)
    store.plans.save(a_plan(2), run_id="R2", guard_results=[])
    store.journal_memory.remember({}, seen=done(store, update_user("U2", name="Bob")))
    assert pruned(store, journal=730) == OldRows(plans=1, entries=0)
    assert [deed.entry.object_id for deed in store.history.find()] == ["U1", "U2"]
    assert pruned(store, journal=90) == OldRows(plans=0, entries=1)
    assert [deed.entry.object_id for deed in store.history.find()] == ["U2"]


def test_what_the_next_plan_has_not_seen_stays(store: Store) -> None:
    """Otherwise what does not stick would be sent for ever, one prune a night."""
    seen = done(store, update_user("U1", name="Ann"))
    store.journal_memory.remember({}, seen=seen)
    for number in (2, 3):
        done(store, update_user(f"U{number}", name="Bob"))
    age_state(store, LONG)
    before = store.memory()
    assert pruned(store).entries == 1
    assert store.memory() == before
    assert len(before.applied) == 2


def test_a_number_of_the_journal_is_never_given_twice(store: Store) -> None:
    """A database counts on from the highest number it holds; the next plan reads from there on."""
    entries = [done(store, update_user(f"U{n}", name="Ann")) for n in range(3)]
    store.journal_memory.remember({}, seen=entries[-1])
    age_state(store, LONG)
    assert pruned(store).entries == 2
    assert done(store, update_user("U9", name="Zoe")) > entries[-1]
    assert len(store.memory().applied) == 1


def test_what_swit_keeps_otherwise_is_remembered_by_the_newest_entry(store: Store) -> None:
    """Without it the same value would be sent every night again."""
    done(store, update_user("U1", name="Ann Arborist"), kept={"name": "Ann A"})
    done(store, update_user("U1", name="Ann Archer"), kept={"name": "Ann Ar"})
    done(store, update_user("U2", name="Bob"))
    store.journal_memory.remember({}, seen=done(store, update_user("U3", name="Eve")))
    age_state(store, LONG)
    before = store.memory().stored_values
    assert pruned(store).entries == 2
    assert store.memory().stored_values == before
    assert len(before) == 1


def test_who_approved_is_known_as_long_as_what_came_of_it(store: Store) -> None:
    unused = store.approvals.add(PlanHash("P0"), actor="bob", reason="never sent", guards=())
    used = store.approvals.add(PlanHash("P1"), actor="ann", reason="the merger", guards=())
    by = Application(application_id="R1", plan_hash=PlanHash("P1"), run_id="R1", approval_id=used)
    store.journal.outcome(
        store.journal.intent(update_user("U1", name="Ann"), by), Answer(outcome="applied")
    )
    age_state(store, LONG)
    pruned(store)
    (deed,) = store.history.find()
    assert deed.approval is not None
    assert deed.approval.actor == "ann"
    assert store.approvals.of(PlanHash("P0")) is None
    assert unused != used
    store.journal_memory.remember({}, seen=done(store, update_user("U2", name="Bob")))
    assert pruned(store).entries == 1
    assert store.approvals.of(PlanHash("P1")) is None


def test_pauses_and_rejections_that_are_over_go_and_those_that_stand_stay(store: Store) -> None:
    store.pauses.begin(actor="ann", reason="the directory moves", until=None)
    for plan_hash in (PlanHash("P1"), PlanHash("P2")):
        store.rejections.add(plan_hash, actor="ann", reason="not meant")
    store.rejections.lift(PlanHash("P1"), actor="bob")
    age_state(store, LONG)
    pruned(store)
    assert store.pauses.now() is not None
    assert [store.rejections.of(PlanHash(name)) is None for name in ("P1", "P2")] == [True, False]
    store.pauses.end(actor="ann")
    age_state(store, LONG)
    pruned(store)
    assert [rows_of(store, table) for table in (PAUSES, REJECTIONS)] == [0, 1]


def rows_of(store: Store, table: Table) -> int:
    with store._database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_who_is_who_stays_at_any_age(store: Store) -> None:
    store.identities.remember([("user", "e1", "U1"), ("group", "g1", "T1")])
    store.reads.accept({"OU=A": {"users": 3, "groups": 1}})
    age_state(store, LONG)
    before = (store.memory(), store.reads.last_accepted())
    pruned(store)
    assert (store.memory(), store.reads.last_accepted()) == before


def test_the_place_of_old_rows_is_used_again(store: Store, kind: str) -> None:
    """Nights come and go, what they leave does not grow."""
    sizes = []
    for _ in range(3):
        for number in range(20):
            store.plans.save(a_plan_of_20_kilobytes(), run_id=f"R{number}", guard_results=[])
        sizes.append(size_of(store, kind))
        age_state(store, LONG)
        store.plans.save(a_plan(1), run_id="R", guard_results=[])
        assert pruned(store).plans >= 20
        if kind == "sqlite":
            assert size_of(store, kind) < sizes[-1] / 2, "the file shrinks at once"
    assert sizes[2] <= sizes[1] * 1.2
    assert sizes[0] > 400_000


def a_plan_of_20_kilobytes() -> Plan:
    """Of a text that can't be packed."""
    return replace(a_plan(1), directory=secrets.token_hex(20_000))


def size_of(store: Store, kind: str) -> int:
    words = (
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        if kind == "sqlite"
        else "SELECT pg_total_relation_size('plan_content')"
    )
    with store._database.read() as connection:
        return int(connection.execute(text(words)).scalar_one())
