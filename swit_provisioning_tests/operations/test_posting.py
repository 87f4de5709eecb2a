"""A post ends soon whatever the server does, and no error shows the address."""

from typing import Any

import pytest
from pydantic import SecretStr

from swit_provisioning.operations.webhooks import Webhook, WebhookDownError, WebhookRefusedError
from swit_provisioning_tests.ports import free_port
from swit_provisioning_tests.receiver import Manner, Receiver


def _webhook(url: str) -> Webhook:
    return Webhook("SWIT_WEBHOOK_URL", SecretStr(url))


def test_a_post_arrives_unchanged() -> None:
    with Receiver() as receiver:
        _webhook(receiver.url).post('{"text": "한 일 é"}')
    assert receiver.taken == [{"text": "한 일 é"}]


@pytest.mark.parametrize(
    ("manner", "tries", "error", "says"),
    [
        ("fails", 2, WebhookDownError, "SWIT_WEBHOOK_URL (127.0.0.1): HTTP 500"),
        ("refuses", 1, WebhookRefusedError, "SWIT_WEBHOOK_URL (127.0.0.1): HTTP 404"),
        ("moves", 1, WebhookRefusedError, "SWIT_WEBHOOK_URL (127.0.0.1): HTTP 302"),
        ("hangs", None, WebhookDownError, "SWIT_WEBHOOK_URL (127.0.0.1): "),
        ("trickles", 1, WebhookDownError, "(127.0.0.1): no answer within 8 seconds"),
    ],
)
def test_a_server_that_never_answers_is_given_up_soon(
    manner: Manner, tries: int | None, error: type[Exception], says: str
) -> None:
    with Receiver() as receiver:
        receiver.manner = manner
        with pytest.raises(error) as caught:
            _webhook(receiver.url).post("{}")
        assert says in str(caught.value)
        _holds_no_secret(caught.value, receiver)
        assert tries in {None, len(receiver.bodies)}


def test_a_closed_port_is_down() -> None:
    receiver = Receiver(port=free_port())
    with receiver:
        pass
    with pytest.raises(WebhookDownError, match=r"127\.0\.0\.1.*ConnectionError") as caught:
        _webhook(receiver.url).post("{}")
    _holds_no_secret(caught.value, receiver)


def test_an_unknown_host_is_down() -> None:
    with pytest.raises(WebhookDownError, match="SWIT_WEBHOOK_URL") as caught:
        _webhook("http://no.such.host.invalid/chat/a-secret-path").post("{}")
    assert "a-secret-path" not in str(caught.value)


def _holds_no_secret(error: BaseException | None, receiver: Receiver) -> None:
    """Neither the error nor what led to it, as Dagster would store and show it."""
    seen: list[Any] = []
    while error is not None:
        seen.append(repr(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert receiver.path.rpartition("/")[2] not in " ".join(seen)
