"""Turn one HTTP response into JSON, or into the error that says what to do."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from swit_provisioning.swit.errors import (
    SwitError,
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.session import HttpAnswer

_LONGEST_MESSAGE = 300
_LONGEST_CODE = 9
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def read_answer(
    response: HttpAnswer, *, call: str, secrets: Iterable[str] = ()
) -> dict[str, Any] | None:
    """The JSON object of an answer, `None` for an empty one (204).

    Raises:
        SwitError: the subclass that fits the status; also for HTTP 200 with a `code` other than
            200, and for a body that is no JSON object. `secrets` are left out of its message.

    """
    status = response.status_code
    body = _json(response.content)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise _refusal(response, body, call=call, meaning=status, secrets=secrets)
    if not response.content.strip():
        return None
    if not isinstance(body, dict):
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
        words = (
            f"the answer is not a whole JSON object ({kind}, {len(response.content)} bytes);"
            " a proxy's page, or broken off"
        )
        raise SwitUnavailableError(call=call, message=words, status=status)
    code = _code(body)
    if code not in {None, int(HTTPStatus.OK)}:
        raise _refusal(response, body, call=call, meaning=code or 0, secrets=secrets)
    return body


def retry_after(response: HttpAnswer) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or an HTTP date, RFC 9110), if it is there."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        when = _date(value)
        # Against Swit's own clock, where it tells: ours may be wrong.
        now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
        seconds = (when - now).total_seconds() if when else math.nan
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def error_words(body: object, text: str, secrets: Iterable[str] = ()) -> str:
    """What an error body says: `message`, `error.message`, `error_description`, `error`, text."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    words = _MARKUP.sub(" ", text)
    if isinstance(body, Mapping):
        words = next(filter(None, map(_string, _candidates(body))), words)
    for secret in filter(None, secrets):
        words = words.replace(secret, "***")
    words = " ".join(words.split())
    words = "".join(letter for letter in words if letter.isprintable())
    if len(words) > _LONGEST_MESSAGE:
        return f"{words[:_LONGEST_MESSAGE]}..."
    return words or "no reason given"


def _candidates(body: Mapping[str, Any]) -> Iterable[object]:
    error = body.get("error")
    yield body.get("message")
    yield error.get("message") if isinstance(error, Mapping) else None
    yield body.get("error_description")
    yield error
    yield body.get("detail")  # SCIM's own (RFC 7644)


def _string(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _refusal(
    response: HttpAnswer,
    body: object,
    *,
    call: str,
    meaning: int,
    secrets: Iterable[str],
) -> SwitError:
    """The error for what `meaning` says: the HTTP status, or the `code` of a 200."""
    status = response.status_code
    # Enough for a message; a whole page is never searched for its encoding.
    text = response.content[:4000].decode("utf-8", errors="replace")
    words = error_words(body, text, secrets)
    if meaning != status:
        words = f"code {meaning}: {words}"
    if HTTPStatus.MULTIPLE_CHOICES <= meaning < HTTPStatus.BAD_REQUEST:
        words = "sent on to another address, which is not followed; check SWIT_BASE_URL, the proxy"
        return SwitUnavailableError(call=call, message=words, status=status)
    if meaning == HTTPStatus.TOO_MANY_REQUESTS:
        after = retry_after(response)
        return SwitThrottledError(call=call, message=words, status=status, retry_after=after)
    if meaning == HTTPStatus.REQUEST_TIMEOUT or 500 <= meaning < 600:  # noqa: PLR2004 - 5xx
        after = retry_after(response)
        return SwitUnavailableError(call=call, message=words, status=status, retry_after=after)
    if meaning == HTTPStatus.UNAUTHORIZED:
        return SwitUnauthorizedError(call=call, message=words, status=status)
    if meaning == HTTPStatus.NOT_FOUND:
        return SwitNotFoundError(call=call, message=words, status=status)
    return SwitRejectedError(call=call, message=words, status=status)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    # A body may be nested deeper than Python follows.
    except (ValueError, RecursionError):
        return None


def _code(body: Mapping[str, Any]) -> int | None:
    """The `code` of an answer; one that is too long to be a code is cut."""
    code = body.get("code")
    if isinstance(code, str) and code.strip().isdecimal():
        return int(code.strip()[:_LONGEST_CODE])
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    return code if abs(code) < 10**_LONGEST_CODE else 10**_LONGEST_CODE - 1


def _date(value: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
