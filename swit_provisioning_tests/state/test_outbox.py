"""Messages are told once, in order, and kept until a webhook has taken them."""

from swit_provisioning.state.outbox import Pending
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.conftest import Clock


def _taken(store: Store, channel: str = "swit") -> Pending:
    pending = store.outbox.take(channel)
    assert pending is not None
    return pending


def test_whoever_comes_second_is_told_that_it_was_told(url: str, store: Store) -> None:
    assert store.outbox.put("run 1", "swit", ["a"])
    with Store.open(url) as other:
        assert not other.outbox.put("run 1", "swit", ["b"])
        assert other.outbox.put("run 1", "alert", ["c"])
        assert other.outbox.is_known("run 1")
        assert not other.outbox.is_known("run 2")
    assert _taken(store).posts == ("a",)


def test_one_is_delivered_by_one_alone_and_the_next_one_waits_for_it(store: Store) -> None:
    store.outbox.put("run 1", "swit", ["a", "b"])
    store.outbox.put("run 2", "swit", ["c"])
    first = _taken(store)
    assert store.outbox.take("swit") is None
    store.outbox.posted(first, 1)
    store.outbox.posted(first, 2)
    assert _taken(store).posts == ("c",)


def test_what_has_ended_is_remembered_and_its_text_is_gone(store: Store) -> None:
    store.outbox.put("run 1", "swit", ["the text"])
    store.outbox.posted(_taken(store), 1)
    assert store.outbox.take("swit") is None
    assert not store.outbox.put("run 1", "swit", ["the text"])
    with store._database.read() as connection:
        rows = connection.exec_driver_sql("SELECT posts FROM message").all()
    assert [row[0] for row in rows] == [None]


def test_a_webhook_that_is_down_is_tried_again_later_and_later(store: Store, clock: Clock) -> None:
    store.outbox.put("run 1", "swit", ["a", "b"])
    first = _taken(store)
    store.outbox.posted(first, 1)
    assert store.outbox.failed(first)
    assert store.outbox.take("swit") is None
    clock.forward(minutes=1)
    second = _taken(store)
    assert (second.sent, second.tries) == (1, 1)
    assert store.outbox.failed(second)
    clock.forward(minutes=1, seconds=59)
    assert store.outbox.take("swit") is None
    clock.forward(seconds=1)
    assert _taken(store).tries == 2


def test_what_nobody_takes_for_a_day_is_given_up(store: Store, clock: Clock) -> None:
    store.outbox.put("run 1", "swit", ["a"])
    clock.forward(hours=24, seconds=1)
    assert not store.outbox.failed(_taken(store))
    assert store.outbox.take("swit") is None
    assert store.outbox.is_known("run 1")


def test_what_is_refused_for_good_keeps_no_other_waiting(store: Store) -> None:
    store.outbox.put("run 1", "swit", ["a"])
    store.outbox.put("run 2", "swit", ["b"])
    assert not store.outbox.failed(_taken(store), for_good=True)
    assert _taken(store).posts == ("b",)


def test_who_died_while_delivering_keeps_it_for_two_minutes(store: Store, clock: Clock) -> None:
    store.outbox.put("run 1", "swit", ["a"])
    _taken(store)
    clock.forward(minutes=1)
    assert store.outbox.take("swit") is None
    clock.forward(minutes=1)
    assert _taken(store).posts == ("a",)


def test_what_was_told_is_forgotten_after_a_long_time(store: Store, clock: Clock) -> None:
    store.outbox.put("run 1", "swit", ["a"])
    store.outbox.posted(_taken(store), 1)
    clock.forward(days=401)
    store.outbox.put("run 2", "swit", ["a"])
    assert not store.outbox.is_known("run 1")


def test_an_alarm_stands_until_it_ends(url: str, store: Store) -> None:
    assert store.alarms.standing("login") is None
    store.alarms.begin("login", "the first")
    store.alarms.begin("login", "the second")
    with Store.open(url) as other:
        alarm = other.alarms.standing("login")
    assert alarm is not None
    assert (alarm.name, alarm.about) == ("login", "the second")
    store.alarms.end("login")
    assert store.alarms.standing("login") is None
