"""What is sent again, how often, and how long the client waits before it."""

import logging
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from swit_provisioning.swit.errors import (
    SwitEndlessAnswerError,
    SwitThrottledError,
    SwitUnavailableError,
)

ATTEMPTS = 4
"""How often a call is sent that Swit or the network fails."""
THROTTLED_ATTEMPTS = 8
"""How often a call is sent that Swit puts off (429)."""
PATIENCE_SECONDS = 300.0
"""How long one call waits in all; a longer `Retry-After` is not waited for."""

_BACKOFF = wait_exponential_jitter(initial=1, max=30, jitter=1)

log = logging.getLogger(__name__)


def retrying(*, repeatable: bool, sleep: Callable[[float], None]) -> Retrying:
    """A retrier: 429 for every call, other failures only for those that may be sent twice."""

    def worth_it(state: RetryCallState) -> bool:
        error = _error(state)
        if isinstance(error, SwitThrottledError):
            return True
        # An endless answer is endless the next time, too.
        passes = not isinstance(error, SwitEndlessAnswerError)
        return repeatable and passes and isinstance(error, SwitUnavailableError)

    return Retrying(
        retry=worth_it, stop=_enough, wait=_wait, sleep=sleep, before_sleep=_note, reraise=True
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait(state: RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after if isinstance(error, SwitUnavailableError) else None
    return asked or _BACKOFF(state)


def _enough(state: RetryCallState) -> bool:
    throttled = isinstance(_error(state), SwitThrottledError)
    most = THROTTLED_ATTEMPTS if throttled else ATTEMPTS
    waited = state.idle_for + state.upcoming_sleep
    return state.attempt_number >= most or waited > PATIENCE_SECONDS


def _note(state: RetryCallState) -> None:
    error = _error(state)
    if isinstance(error, SwitUnavailableError):
        log.warning(
            "%s failed (%s), attempt %d; sent again in %.1f s",
            error.call,
            error.status or "no answer",
            state.attempt_number,
            state.upcoming_sleep,
        )
