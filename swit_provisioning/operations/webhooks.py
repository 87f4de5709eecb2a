"""Posting to webhooks, within a few seconds and without their addresses in errors."""

import queue
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from swit_provisioning.report.messages import Message, alert_posts, chat_posts
from swit_provisioning.settings import Settings
from swit_provisioning.swit.http import EXCHANGE_ERRORS, NoAuth, make_session

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0
CALL_SECONDS: Final = 8.0
"""Maximum seconds for one post, retries included."""
_TRIES: Final = 2
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_SERVER_ERRORS: Final = 500
_ANSWERS: Final = 300


class WebhookDownError(Exception):
    """The webhook did not take the post; a later attempt may work."""


class WebhookRefusedError(Exception):
    """The webhook refuses the post; another attempt changes nothing."""


class Webhook:
    """One webhook address."""

    def __init__(self, variable: str, address: SecretStr) -> None:
        """`variable` names the setting that holds the address, for errors."""
        self.variable = variable
        self._address = address

    @property
    def host(self) -> str:
        """The part of the address that may be shown."""
        return urlsplit(self._address.get_secret_value()).hostname or ""

    @property
    def is_unencrypted(self) -> bool:
        """Whether the address goes over the network in clear text."""
        return urlsplit(self._address.get_secret_value()).scheme == "http"

    def post(self, body: str) -> None:
        """Post a JSON text.

        Raises:
            WebhookDownError: no answer, or one that says: later.
            WebhookRefusedError: any other answer than success.

        """
        tries = Retrying(
            retry=retry_if_exception_type(WebhookDownError),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random(0.2, 0.6),
            reraise=True,
        )
        ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                tries(self._try, body)
            except Exception as error:  # noqa: BLE001 - raised again by the caller
                ended.put(error)
            else:
                ended.put(None)

        # The library's timeouts do not end an answer that arrives byte by byte, so a thread posts.
        threading.Thread(target=work, daemon=True).start()
        try:
            error = ended.get(timeout=CALL_SECONDS)
        except queue.Empty:
            slow = f"no answer within {CALL_SECONDS:g} seconds"
            raise WebhookDownError(self._says(slow)) from None
        if error is not None:
            raise error

    def _try(self, body: str) -> None:
        try:
            with (
                make_session(connections=1) as session,
                session.post(
                    self._address.get_secret_value(),
                    data=body.encode("utf-8", "replace"),
                    headers={"Content-Type": "application/json"},
                    auth=NoAuth(),
                    timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                status = answer.status_code
        except EXCHANGE_ERRORS as error:
            # The message of the library contains the whole address.
            raise WebhookDownError(self._says(type(error).__name__)) from None
        if status in _PASSING or status >= _SERVER_ERRORS:
            raise WebhookDownError(self._says(f"HTTP {status}"))
        if status >= _ANSWERS:
            raise WebhookRefusedError(self._says(f"HTTP {status}"))

    def _says(self, what: str) -> str:
        return f"{self.variable} ({self.host}): {what}"


PATIENCE_SECONDS: Final = 10.0
"""After this time no further post to a channel begins. The others are sent the next time."""


class Channel(NamedTuple):
    """One webhook, and the format of its messages."""

    name: str
    webhook: Webhook
    posts: Callable[[Message], list[str]]


def channels(settings: Settings) -> list[Channel]:
    """The webhooks that are set. With `SWIT=sandbox`, nothing is posted to Swit."""
    known = (
        ("swit", "SWIT_WEBHOOK_URL", settings.swit_webhook_url, chat_posts),
        ("alert", "ALERT_WEBHOOK_URL", settings.alert_webhook_url, alert_posts),
    )
    return [
        Channel(name, Webhook(variable, address), posts)
        for name, variable, address, posts in known
        if address is not None and not (name == "swit" and settings.swit == "sandbox")
    ]


def no_channels(settings: Settings) -> str:
    """What to set if there is no webhook to post to."""
    if settings.swit == "sandbox":
        return (
            "There is no webhook: set ALERT_WEBHOOK_URL. With SWIT=sandbox, nothing is posted to"
            " SWIT_WEBHOOK_URL."
        )
    return "There is no webhook: set SWIT_WEBHOOK_URL or ALERT_WEBHOOK_URL."


class Delivery(NamedTuple):
    """The result of posting to one channel."""

    posted: int
    """The number of posts that the webhook has taken, those of earlier tries included."""
    is_over: bool
    """Whether the message is finished: taken completely, or refused."""
    problem: str = ""
    """What went wrong, as a sentence."""


def deliver(channel: Channel, posts: Sequence[str], *, posted: int = 0) -> Delivery:
    """Post a message to a channel, from the post with this index on.

    A webhook that is down or slow costs a few seconds; the rest is left for the next time.
    """
    until = monotonic() + PATIENCE_SECONDS
    for number, body in enumerate(posts[posted:], start=posted):
        if number > posted and monotonic() >= until:
            slow = f"{channel.webhook.variable} ({channel.webhook.host}): slow; tried again later"
            return Delivery(number, is_over=False, problem=slow)
        try:
            channel.webhook.post(body)
        except WebhookDownError as error:
            return Delivery(number, is_over=False, problem=f"{error}; tried again later")
        except WebhookRefusedError as error:
            return Delivery(number, is_over=True, problem=f"{error}; the message is given up")
    return Delivery(len(posts), is_over=True)


def post_at_once(settings: Settings, message: Message) -> list[str]:
    """Post a message to every channel, without a second try; what went wrong, a sentence each."""
    found = (deliver(channel, channel.posts(message)) for channel in channels(settings))
    return [f"{result.problem.split(';')[0]}." for result in found if result.problem]
