"""What is kept is posted in order, part by part, and nobody is kept waiting for it."""

from collections.abc import Iterator

import pytest

from swit_provisioning.operations.webhooks import channels, deliver, no_channels, post_at_once, tell
from swit_provisioning.report.messages import Message
from swit_provisioning.settings import Settings
from swit_provisioning_tests.operations.office import Office, office


@pytest.fixture
def made() -> Iterator[Office]:
    with office() as opened:
        yield opened


def _message(*lines: str) -> Message:
    return Message(event="run", severity="info", lines=lines)


def _time_passes(made: Office) -> None:
    """For whatever waits in the state database."""
    with made.store._database.write() as connection:
        connection.exec_driver_sql("UPDATE message SET due_at = made_at")


def test_on_the_sandbox_nothing_is_posted_to_a_chat_of_swit(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWIT_WEBHOOK_URL", made.chat.url)
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://alerts.example.com/x")
    assert [channel.name for channel in channels(Settings.load())] == ["swit", "alert"]
    monkeypatch.setenv("SWIT", "sandbox")
    settings = Settings.load()
    assert [channel.name for channel in channels(settings)] == ["alert"]
    monkeypatch.delenv("ALERT_WEBHOOK_URL")
    settings = Settings.load()
    assert no_channels(settings).startswith("There is no webhook: set ALERT_WEBHOOK_URL. ")
    assert not tell(made.store, settings, "run 1", _message("a message"))
    assert post_at_once(settings, _message("a message")) == []
    assert deliver(made.store, settings) == []
    assert made.chat.texts == []


def test_messages_arrive_in_the_order_in_which_they_were_made(made: Office) -> None:
    for number in range(3):
        assert tell(made.store, made.settings, f"run {number}", _message(f"message {number}"))
    assert not tell(made.store, made.settings, "run 1", _message("told again"))
    assert made.told() == ["message 0", "message 1", "message 2"]
    assert made.told() == []


def test_a_slow_webhook_gets_one_part_at_a_time_and_none_twice(made: Office) -> None:
    lines = [f"{number} {'x' * 11_000}" for number in range(3)]
    tell(made.store, made.settings, "run 1", _message(*lines))
    assert deliver(made.store, made.settings, seconds=0) == [
        "SWIT_WEBHOOK_URL (127.0.0.1): slow; tried again later"
    ]
    assert deliver(made.store, made.settings, seconds=0) == [], "it is not due yet"
    for _ in range(2):
        _time_passes(made)
        deliver(made.store, made.settings, seconds=0)
    assert [text.split()[1] for text in made.chat.texts] == ["0", "1", "2"]


def test_a_webhook_that_fails_half_way_gets_the_rest_later(made: Office) -> None:
    lines = [f"{number} {'x' * 11_000}" for number in range(2)]
    tell(made.store, made.settings, "run 1", _message(*lines))
    deliver(made.store, made.settings, seconds=0)
    made.chat.manner = "fails"
    _time_passes(made)
    assert "HTTP 500" in deliver(made.store, made.settings)[0]
    made.chat.manner = "takes"
    _time_passes(made)
    assert deliver(made.store, made.settings) == []
    assert [text.split()[1] for text in made.chat.texts] == ["0", "1"]


def test_what_is_refused_keeps_the_next_one_not_waiting(made: Office) -> None:
    tell(made.store, made.settings, "run 1", _message("refused"))
    made.chat.manner = "refuses"
    said = deliver(made.store, made.settings)
    assert said == ["SWIT_WEBHOOK_URL (127.0.0.1): HTTP 404; the message is given up"]
    made.chat.manner = "takes"
    tell(made.store, made.settings, "run 2", _message("taken"))
    assert made.told() == ["taken"]
