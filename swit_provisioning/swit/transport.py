"""Send calls: with token and pace, one token refresh after a 401, and retries."""

import copy
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Self
from urllib.parse import quote

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
"""Total wait of one call between its attempts. A longer `Retry-After` ends the call."""

_MAX_BACKOFF_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of Swit's API."""

    name: str
    method: Literal["GET", "POST", "PATCH"]
    host: Literal["api", "scim"] = "api"
    """Which of Swit's two addresses receives it."""
    repeatable: bool = True
    """Whether it may be sent again if its answer was lost."""
    most_bytes: int = 32 * MIB
    """Maximum size of the decompressed answer. A thousand users in many teams are about 16 MiB."""

    def may_repeat(self, error: SwitUnavailableError, attempt: int) -> bool:
        """True if the call may be sent again after `attempt` attempts and this error."""
        if isinstance(error, SwitThrottledError):
            return attempt < THROTTLED_ATTEMPTS
        # The answer would be too large or too slow again.
        is_endless = isinstance(error, SwitEndlessAnswerError)
        return self.repeatable and not is_endless and attempt < ATTEMPTS

    def path(self, object_id: str = "") -> str:
        """The path below the host's base address; SCIM names the object in the path.

        Raises:
            SwitRejectedError: the id would change the path.

        """
        if self.host == "api":
            return f"/v1/api/{self.name}"
        # Quoting keeps dots, and `/Users/..` is another address.
        if object_id in {"", ".", ".."}:
            message = f"the id {object_id!r} cannot be part of an address. Nothing was sent"
            raise SwitRejectedError(call=self.name, message=message)
        return f"/Users/{quote(object_id, safe='')}"


class _Counts:
    """The requests of all threads, and of each thread: each change is sent by one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent = 0
        self.here = _ThreadCounts()


class _ThreadCounts(threading.local):
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
        """Open no connection yet.

        `base_url` is `https://openapi.swit.io`, `scim_base_url` `https://saml.swit.io/scim/v2`;
        `connections` is the number of calls in flight; `sleep` waits before a repetition.
        """
        self._hosts = {"api": base_url.rstrip("/"), "scim": scim_base_url.rstrip("/")}
        self._tokens = tokens
        self._pace = pace
        self._timeout = timeout_seconds
        self._session = make_session(connections=connections)
        self._counts = _Counts()
        self._check: Callable[[], None] = lambda: None
        self._sleep = sleep

    def only_while(self, check: Callable[[], None]) -> Self:
        """A client that calls `check` before each request. If `check` raises, nothing is sent.

        Both clients share connections, pace and the count of calls, so close only one of them.
        """
        checked = copy.copy(self)
        checked._check = check  # noqa: SLF001 - its own
        return checked

    def __enter__(self) -> Self:
        """Return the client; its connections are closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def calls(self) -> int:
        """The number of API requests, with repetitions and SCIM, without OAuth."""
        return self._counts.sent

    @property
    def calls_here(self) -> int:
        """The number of API requests of the calling thread."""
        return self._counts.here.sent

    @property
    def status_here(self) -> int | None:
        """HTTP status of the last answer to the calling thread; `None` if there was none."""
        return self._counts.here.status

    def send(
        self,
        call: Call,
        *,
        object_id: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Send one call; the JSON object of its answer, `None` for an empty one.

        Raises:
            SwitError: by what to do about it; see `errors`.

        """
        url = f"{self._hosts[call.host]}{call.path(object_id)}"
        request = partial(self._request, call, url=url, query=query, body=body)
        attempt, waited = 0, 0.0
        while True:
            attempt += 1
            try:
                token = self._tokens.access_token()
                try:
                    return request(token)
                except SwitUnauthorizedError:
                    token = self._tokens.refreshed(token)
                return request(token)
            except SwitUnavailableError as error:
                jitter = random.random()  # noqa: S311 # nosec B311 - no secret
                backoff = min(2.0 ** (attempt - 1) + jitter, _MAX_BACKOFF_SECONDS)
                wait = error.retry_after or backoff
                waited += wait
                if not call.may_repeat(error, attempt) or waited > PATIENCE_SECONDS:
                    raise
                words = "%s failed (%s), attempt %d; sent again in %.1f s"
                log.warning(words, error.call, error.status or "no answer", attempt, wait)
                self._sleep(wait)

    def _request(
        self,
        call: Call,
        token: str,
        *,
        url: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> dict[str, Any] | None:
        # No header can hold such a token, and requests would print it in its error.
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            message = "the access token is empty or contains an invalid character"
            raise SwitUnauthorizedError(call=call.name, message=message)
        turn = self._pace.wait()
        self._check()
        here = self._counts.here
        with self._counts.lock:
            self._counts.sent += 1
        here.sent, here.status = here.sent + 1, None
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
        here.status = response.status_code
        try:
            answer = read_answer(response, call=call.name, secrets=(token,))
        except SwitThrottledError as error:
            # A wait that is too long for this call must not delay the other calls either.
            wait = error.retry_after
            is_waited_for = wait is None or wait <= PATIENCE_SECONDS
            self._pace.throttled(turn, wait if is_waited_for else None)
            raise
        self._pace.succeeded(turn)
        return answer
