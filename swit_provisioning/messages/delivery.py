"""Messages on their way: kept in the state database, posted in order, tried again later."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final, NamedTuple

from swit_provisioning.messages.webhook import Webhook, WebhookDownError, WebhookRefusedError
from swit_provisioning.report.posts import Message, alert_posts, chat_posts
from swit_provisioning.settings import Settings
from swit_provisioning.store.outbox import Pending
from swit_provisioning.store.store import Store

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
