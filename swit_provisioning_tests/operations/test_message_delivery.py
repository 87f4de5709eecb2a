"""Messages are posted in order, part by part, and nothing waits long for a webhook."""

from collections.abc import Iterator

import pytest

from swit_provisioning.operations.webhooks import (
    Delivery,
    channels,
    deliver,
    no_channels,
    post_at_once,
)
from swit_provisioning.report.messages import Message
from swit_provisioning.settings import Settings
from swit_provisioning_tests.operations.office import Office, office


@pytest.fixture
def made() -> Iterator[Office]:
    with office() as opened:
        yield opened


def _message(*lines: str) -> Message:
    return Message(event="run", severity="info", lines=lines)


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
    assert post_at_once(settings, _message("a message")) == []
    assert made.chat.texts == []


def test_a_slow_webhook_gets_one_part_at_a_time_and_none_twice(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swit_provisioning.operations.webhooks.PATIENCE_SECONDS", 0.0)
    (channel,) = channels(made.settings)
    posts = channel.posts(_message(*(f"{number} {'x' * 11_000}" for number in range(3))))
    slow = "SWIT_WEBHOOK_URL (127.0.0.1): slow; tried again later"
    assert deliver(channel, posts) == Delivery(1, is_over=False, problem=slow)
    assert deliver(channel, posts, posted=1) == Delivery(2, is_over=False, problem=slow)
    assert deliver(channel, posts, posted=2) == Delivery(3, is_over=True)
    assert [text.split()[1] for text in made.chat.texts] == ["0", "1", "2"]


def test_a_webhook_that_is_down_gets_the_rest_later(made: Office) -> None:
    (channel,) = channels(made.settings)
    posts = channel.posts(_message(*(f"{number} {'x' * 11_000}" for number in range(2))))
    made.chat.manner = "fails"
    down = deliver(channel, posts, posted=1)
    assert (down.posted, down.is_over) == (1, False)
    assert "HTTP 500; tried again later" in down.problem
    made.chat.manner = "takes"
    assert deliver(channel, posts, posted=1) == Delivery(2, is_over=True)
    assert [text.split()[1] for text in made.chat.texts] == ["1"]


def test_a_refused_part_is_given_up(made: Office) -> None:
    (channel,) = channels(made.settings)
    made.chat.manner = "refuses"
    said = "SWIT_WEBHOOK_URL (127.0.0.1): HTTP 404; the message is given up"
    posts = channel.posts(_message("refused"))
    assert deliver(channel, posts) == Delivery(0, is_over=True, problem=said)
