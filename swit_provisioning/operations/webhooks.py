"""Posting to a webhook: soon over, whatever it does, and its address in no error."""

import queue
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from swit_provisioning.report.messages import Message, alert_posts, chat_posts
from swit_provisioning.settings import Settings
from swit_provisioning.state.outbox import Pending
from swit_provisioning.state.store import Store
from swit_provisioning.swit.http import EXCHANGE_ERRORS, NoAuth, make_session

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0
CALL_SECONDS: Final = 8.0
"""How long one post takes at most, tries and all."""
_TRIES: Final = 2
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_SERVER_ERRORS: Final = 500
_ANSWERS: Final = 300


class WebhookDownError(Exception):
    """It took nothing; later it may."""


class WebhookRefusedError(Exception):
    """It will not take this, however often it is sent."""


class Webhook:
    """One address that takes posts."""

    def __init__(self, variable: str, address: SecretStr) -> None:
        """`variable` names the setting that holds the address, for errors."""
        self.variable = variable
        self._address = address

    @property
    def host(self) -> str:
        """What may be shown of the address."""
        return urlsplit(self._address.get_secret_value()).hostname or ""

    @property
    def is_readable_on_the_way(self) -> bool:
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
        self._soon_over(lambda: tries(self._try, body))

    def _try(self, body: str) -> None:
        try:
            with make_session(connections=1) as session, self._sent(session, body) as answer:
                status = answer.status_code
        except EXCHANGE_ERRORS as error:
            # The library's own words hold the whole address.
            raise WebhookDownError(self._says(type(error).__name__)) from None
        if status in _PASSING or status >= _SERVER_ERRORS:
            raise WebhookDownError(self._says(f"HTTP {status}"))
        if status >= _ANSWERS:
            raise WebhookRefusedError(self._says(f"HTTP {status}"))

    def _sent(self, session: requests.Session, body: str) -> requests.Response:
        return session.post(
            self._address.get_secret_value(),
            data=body.encode("utf-8", "replace"),
            headers={"Content-Type": "application/json"},
            auth=NoAuth(),
            timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
        )

    def _soon_over(self, work: Callable[[], None]) -> None:
        """Do not wait for one that answers a byte at a time, which no timeout notices."""
        ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

        def do() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - raised again by whoever waits
                ended.put(error)
            else:
                ended.put(None)

        threading.Thread(target=do, daemon=True).start()
        try:
            error = ended.get(timeout=CALL_SECONDS)
        except queue.Empty:
            slow = f"no answer within {CALL_SECONDS:g} seconds"
            raise WebhookDownError(self._says(slow)) from None
        if error is not None:
            raise error

    def _says(self, what: str) -> str:
        return f"{self.variable} ({self.host}): {what}"


PATIENCE_SECONDS: Final = 10.0
"""How long whoever delivers begins new posts to one webhook: the rest goes the next time."""


class Channel(NamedTuple):
    """One webhook, and how a message is written for it."""

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


def tell(store: Store, settings: Settings, subject: str, message: Message) -> bool:
    """Keep a message for every webhook that is set; `False` where it was told before."""
    made = [
        store.outbox.put(subject, channel.name, channel.posts(message))
        for channel in channels(settings)
    ]
    return any(made)


def deliver(store: Store, settings: Settings, *, seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Post what is due, oldest first; what went wrong, a sentence each.

    A webhook that is down or slow costs seconds, once; what is left goes the next time.
    """
    return [
        trouble
        for channel in channels(settings)
        for trouble in _emptied(store, channel, until=monotonic() + seconds)
    ]


def post_at_once(settings: Settings, message: Message) -> list[str]:
    """Post a message that nothing is remembered of; what went wrong, a sentence each."""
    troubles = []
    for channel in channels(settings):
        try:
            for body in channel.posts(message):
                channel.webhook.post(body)
        except (WebhookDownError, WebhookRefusedError) as error:
            troubles.append(f"{error}.")
    return troubles


def _emptied(store: Store, channel: Channel, *, until: float) -> Iterator[str]:
    while True:
        pending = store.outbox.take(channel.name)
        if pending is None:
            return
        try:
            _post(store, channel, pending, until=until)
        except WebhookDownError as error:
            again = store.outbox.failed(pending)
            yield f"{error}; {'tried again later' if again else 'given up after a day'}"
            return
        except WebhookRefusedError as error:
            store.outbox.failed(pending, for_good=True)
            yield f"{error}; the message is given up"
        if monotonic() >= until:
            return


def _post(store: Store, channel: Channel, pending: Pending, *, until: float) -> None:
    left = list(enumerate(pending.posts, start=1))[pending.sent :]
    for number, body in left:
        channel.webhook.post(body)
        store.outbox.posted(pending, number)
        if monotonic() >= until and number < len(pending.posts):
            message = f"{channel.webhook.variable} ({channel.webhook.host}): slow"
            raise WebhookDownError(message)
