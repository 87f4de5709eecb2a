from datetime import timedelta

from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def test_a_pause_lasts_until_its_end(store: Store, clock: Clock) -> None:
    assert store.pauses.now() is None
    end = clock.time + timedelta(hours=3)
    store.pauses.begin(actor="ann@dc1", reason="the servers move", until=end)
    pause = store.pauses.now()
    assert pause is not None
    assert (pause.actor, pause.reason, pause.at, pause.until) == (
        "ann@dc1",
        "the servers move",
        clock.time,
        end,
    )
    clock.forward(hours=3)
    assert store.pauses.now() is None


def test_a_pause_without_an_end_lasts_until_somebody_resumes(store: Store, clock: Clock) -> None:
    store.pauses.begin(actor="ann@dc1", reason="audit", until=None)
    clock.forward(days=400)
    ended = store.pauses.end(actor="bob@dc1")
    assert ended is not None
    assert ended.reason == "audit"
    assert store.pauses.now() is None
    assert store.pauses.end(actor="bob@dc1") is None


def test_a_new_pause_takes_the_place_of_the_one_that_lasts(store: Store, clock: Clock) -> None:
    store.pauses.begin(actor="ann@dc1", reason="audit", until=None)
    store.pauses.begin(actor="bob@dc1", reason="short", until=clock.time + timedelta(hours=1))
    clock.forward(hours=2)
    assert store.pauses.now() is None


def test_a_pause_says_until_when_who_and_why(store: Store, clock: Clock) -> None:
    store.pauses.begin(actor="ann@dc1", reason="audit", until=clock.time + timedelta(hours=1))
    pause = store.pauses.now()
    assert pause is not None
    assert pause.sentence == (
        "paused until 2026-03-01 03:30 UTC, by ann@dc1 on 2026-03-01 02:30 UTC: audit"
    )
