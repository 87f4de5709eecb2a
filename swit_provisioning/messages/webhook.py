"""Posting to a webhook: soon over, whatever it does, and its address in no error."""

import queue
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from swit_provisioning.swit.session import EXCHANGE_ERRORS, NoAuth, make_session

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 8.0
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
            error = ended.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            slow = f"no answer within {PATIENCE_SECONDS:g} seconds"
            raise WebhookDownError(self._says(slow)) from None
        if error is not None:
            raise error

    def _says(self, what: str) -> str:
        return f"{self.variable} ({self.host}): {what}"
