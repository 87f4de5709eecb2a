"""Sends calls: token, pace, one refresh after a 401, retries of what may succeed later."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from swit_provisioning.swit.answers import read_answer
from swit_provisioning.swit.auth import TokenSource
from swit_provisioning.swit.errors import (
    SwitEndlessAnswerError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.http import MIB, BearerAuth, exchange, make_session
from swit_provisioning.swit.rate_limit import Pace

ATTEMPTS: Final = 4
"""How often a call is sent if Swit or the network fails."""
THROTTLED_ATTEMPTS: Final = 8
"""How often a call is sent if Swit answers 429."""
PATIENCE_SECONDS: Final = 300.0
"""How long one call waits between attempts in all; a longer `Retry-After` is not waited for."""

_BACKOFF: Final = wait_exponential_jitter(initial=1, max=30, jitter=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of Swit's API."""

    name: str
    method: Literal["GET", "POST", "PATCH"]
    host: Literal["api", "scim"] = "api"
    """Which of Swit's two addresses it goes to."""
    repeatable: bool = True
    """Whether it may be sent again if its answer was lost."""
    most_bytes: int = 32 * MIB
    """Maximum size of the unpacked answer. A thousand users in many teams are about 16 MiB."""

    def path(self, object_id: str = "") -> str:
        """The path below the host's base address; SCIM names the object in the path.

        Raises:
            SwitRejectedError: the id would change the path.

        """
        if self.host == "api":
            return f"/v1/api/{self.name}"
        # Quoting keeps dots, and `/Users/..` is another address.
        if object_id in {"", ".", ".."}:
            message = f"the id {object_id!r} cannot be part of an address; nothing was sent"
            raise SwitRejectedError(call=self.name, message=message)
        return f"/Users/{quote(object_id, safe='')}"


class _ThreadCounts(threading.local):
    """The requests of one thread: each change is sent by one thread."""

    sent: int = 0
    status: int | None = None


class Transport:
    """Sends calls for several threads over one session, and counts the requests."""

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
        """Open no connection yet; `sleep` waits between attempts (seconds)."""
        self._hosts = {"api": base_url.rstrip("/"), "scim": scim_base_url.rstrip("/")}
        self._tokens = tokens
        self._pace = pace
        self._timeout = timeout_seconds
        self._sleep = sleep
        self._session = make_session(connections=connections)
        self._lock = threading.Lock()
        self._sent = 0
        self._here = _ThreadCounts()

    @property
    def sent(self) -> int:
        """The number of requests, including repetitions."""
        with self._lock:
            return self._sent

    @property
    def sent_here(self) -> int:
        """The number of requests of the calling thread, including repetitions."""
        return self._here.sent

    @property
    def status_here(self) -> int | None:
        """HTTP status of the last answer to the calling thread; `None` if there was none."""
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
        may_go: Callable[[], None] = lambda: None,
    ) -> dict[str, Any] | None:
        """Send one call; the JSON object of its answer, `None` for an empty one.

        `may_go` is called just before each request and each repetition; an error that it raises
        ends the call.

        Raises:
            SwitError: by what to do about it; see `errors`.

        """
        request = partial(
            self._request,
            call,
            url=f"{self._hosts[call.host]}{call.path(object_id)}",
            query=query,
            body=body,
            may_go=may_go,
        )

        def attempt() -> dict[str, Any] | None:
            token = self._tokens.access_token()
            try:
                return request(token)
            except SwitUnauthorizedError:
                token = self._tokens.refreshed(token)
            return request(token)

        def is_worth_repeating(state: RetryCallState) -> bool:
            error = _failure(state)
            if error is None or isinstance(error, SwitThrottledError):
                return error is not None
            # An endless answer would be endless again.
            return call.repeatable and not isinstance(error, SwitEndlessAnswerError)

        retry = Retrying(
            retry=is_worth_repeating,
            stop=_is_last_attempt,
            wait=_wait,
            sleep=self._sleep,
            before_sleep=_log_repetition,
            reraise=True,
        )
        return retry(attempt)

    def _request(
        self,
        call: Call,
        token: str,
        *,
        url: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        may_go: Callable[[], None],
    ) -> dict[str, Any] | None:
        # No header can hold such a token, and requests would print it in its error.
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            message = "the access token is empty or contains a character that no token has"
            raise SwitUnauthorizedError(call=call.name, message=message)
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
            # A wait that is too long for this call must not hold the other calls either.
            wait = error.retry_after
            is_waited_for = wait is None or wait <= PATIENCE_SECONDS
            self._pace.throttled(turn, wait if is_waited_for else None)
            raise
        self._pace.succeeded(turn)
        return answer


def _failure(state: RetryCallState) -> SwitUnavailableError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, SwitUnavailableError) else None


def _wait(state: RetryCallState) -> float:
    error = _failure(state)
    return (error and error.retry_after) or _BACKOFF(state)


def _is_last_attempt(state: RetryCallState) -> bool:
    is_throttled = isinstance(_failure(state), SwitThrottledError)
    most = THROTTLED_ATTEMPTS if is_throttled else ATTEMPTS
    waited = state.idle_for + state.upcoming_sleep
    return state.attempt_number >= most or waited > PATIENCE_SECONDS


def _log_repetition(state: RetryCallState) -> None:
    if error := _failure(state):
        log.warning(
            "%s failed (%s), attempt %d; sent again in %.1f s",
            error.call,
            error.status or "no answer",
            state.attempt_number,
            state.upcoming_sleep,
        )
