"""Sending: token, pace, timeout, one refresh after a 401, another try where time may mend it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from swit_provisioning.swit.auth import TokenSource
from swit_provisioning.swit.errors import SwitThrottledError, SwitUnauthorizedError
from swit_provisioning.swit.http import (
    PATIENCE_SECONDS,
    BearerAuth,
    Call,
    exchange,
    make_session,
    read_answer,
    retrying,
)
from swit_provisioning.swit.rate_limit import Pace


class _OfThisThread(threading.local):
    """What one thread has done: one change is sent by one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.status: int | None = None


def _always() -> None:
    """Every request may go."""


class Transport:
    """Sends calls for several threads at once over one session; counts what it sends."""

    def __init__(
        self,
        *,
        base_url: str,
        scim_base_url: str,
        tokens: TokenSource,
        pace: Pace,
        timeout_seconds: float = 30.0,
        connections: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet; `sleep` is how a retry waits (seconds)."""
        self._hosts = {"api": base_url.rstrip("/"), "scim": scim_base_url.rstrip("/")}
        self._tokens = tokens
        self._pace = pace
        self._timeout = timeout_seconds
        self._sleep = sleep
        self._session = make_session(connections=connections)
        self._lock = threading.Lock()
        self._sent = 0
        self._here = _OfThisThread()

    @property
    def sent(self) -> int:
        """Requests sent so far, each repetition counted."""
        with self._lock:
            return self._sent

    @property
    def sent_here(self) -> int:
        """Requests that the calling thread has sent so far, each repetition counted."""
        return self._here.sent

    @property
    def status_here(self) -> int | None:
        """HTTP status of the last answer that the calling thread got; `None`: it got none."""
        return self._here.status

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        call: Call,
        *,
        object_id: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        may_go: Callable[[], None] = _always,
    ) -> dict[str, Any] | None:
        """Send one call; the JSON object of its answer, `None` for an empty one.

        `may_go` is asked just before each request, also before each repetition; what it raises
        ends the call.

        Raises:
            SwitError: by what to do about it; see `errors`.

        """
        url = f"{self._hosts[call.host]}{call.path(object_id)}"

        def attempt() -> dict[str, Any] | None:
            token = self._tokens.access_token()
            try:
                return self._exchange(call, url, token, query, body, may_go)
            except SwitUnauthorizedError:
                token = self._tokens.refreshed(token)
            return self._exchange(call, url, token, query, body, may_go)

        return retrying(repeatable=call.repeatable, sleep=self._sleep)(attempt)

    def _exchange(
        self,
        call: Call,
        url: str,
        token: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        may_go: Callable[[], None],
    ) -> dict[str, Any] | None:
        _refuse_damaged(call, token)
        turn = self._pace.wait()
        may_go()
        with self._lock:
            self._sent += 1
        self._here.sent, self._here.status = self._here.sent + 1, None
        response = exchange(
            self._session,
            call=call.name,
            method=call.method,
            url=url,
            timeout_seconds=self._timeout,
            most_bytes=call.most_bytes,
            params=query,
            json=body,
            auth=BearerAuth(token),
        )
        self._here.status = response.status_code
        try:
            answer = read_answer(response, call=call.name, secrets=(token,))
        except SwitThrottledError as error:
            # A wait that nobody will wait for must not hold the others up either.
            asked = error.retry_after
            waited_for = asked is None or asked <= PATIENCE_SECONDS
            self._pace.throttled(turn, asked if waited_for else None)
            raise
        self._pace.succeeded(turn)
        return answer


def _refuse_damaged(call: Call, token: str) -> None:
    """No header can hold it, and the HTTP library would print it whole in its complaint."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SwitUnauthorizedError(
            call=call.name, message="the access token is empty or holds a character no token has"
        )
