"""Parse the answers of Swit: a JSON object, or an error by its status or `code`."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from swit_provisioning.swit.errors import (
    SwitError,
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.http import HttpAnswer

_MAX_MESSAGE_LENGTH: Final = 300
_MAX_TEXT_BYTES: Final = 4000
"""Enough for a message."""
_MAX_CODE_DIGITS: Final = 9
_KINDS: Final[Mapping[int, type[SwitError]]] = {
    HTTPStatus.UNAUTHORIZED: SwitUnauthorizedError,
    HTTPStatus.NOT_FOUND: SwitNotFoundError,
    HTTPStatus.REQUEST_TIMEOUT: SwitUnavailableError,
    HTTPStatus.TOO_MANY_REQUESTS: SwitThrottledError,
}
"""Errors by status. Every other 4xx is a `SwitRejectedError`."""
_MARKUP: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def read_answer(
    response: HttpAnswer, *, call: str, secrets: Iterable[str] = ()
) -> dict[str, Any] | None:
    """The JSON object of an answer; `None` if it is empty (204).

    Raises:
        SwitError: the subclass that fits the status, also for HTTP 200 with a `code` other than
            200, and for a body that is no JSON object. Its message contains none of `secrets`.

    """
    status = response.status_code
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):  # no JSON, or nested too deeply
        body = None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise _error(response, body, call=call, meaning=status, secrets=secrets)
    if not response.content.strip():
        return None
    if not isinstance(body, dict):
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
        message = (
            f"the answer is not a complete JSON object ({kind}, {len(response.content)} bytes)."
            " It may be the page of a proxy"
        )
        raise SwitUnavailableError(call=call, message=message, status=status)
    code = _code(body)
    if code not in {None, int(HTTPStatus.OK)}:
        raise _error(response, body, call=call, meaning=code or 0, secrets=secrets)
    return body


def retry_after(response: HttpAnswer) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or an HTTP date, RFC 9110); `None` without it."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        when = _date(value)
        # Compared with Swit's own clock if it sends a Date: ours may be wrong.
        now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
        seconds = (when - now).total_seconds() if when else math.nan
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def error_words(body: object, text: str, secrets: Iterable[str] = ()) -> str:
    """The message of an error body, shortened and without `secrets`; else the `text`."""
    secrets = tuple(filter(None, secrets))
    for secret in secrets:
        text = text.replace(secret, "***")
    words = _MARKUP.sub(" ", text)
    if isinstance(body, Mapping):
        error = body.get("error")
        inner = error.get("message") if isinstance(error, Mapping) else None
        # `detail` is SCIM's (RFC 7644).
        values = (
            body.get("message"),
            inner,
            body.get("error_description"),
            error,
            body.get("detail"),
        )
        found = (value.strip() for value in values if isinstance(value, str))
        words = next(filter(None, found), words)
    for secret in secrets:
        words = words.replace(secret, "***")
    words = " ".join(words.split())
    words = "".join(letter for letter in words if letter.isprintable())
    if len(words) > _MAX_MESSAGE_LENGTH:
        return f"{words[:_MAX_MESSAGE_LENGTH]}..."
    return words or "no reason given"


def _error(
    response: HttpAnswer, body: object, *, call: str, meaning: int, secrets: Iterable[str]
) -> SwitError:
    """The error for `meaning`: the HTTP status, or the `code` of a 200."""
    status = response.status_code
    text = response.content[:_MAX_TEXT_BYTES].decode("utf-8", errors="replace")
    message = error_words(body, text, secrets)
    if meaning != status:
        message = f"code {meaning}: {message}"
    kind = _KINDS.get(meaning, SwitRejectedError)
    if HTTPStatus.MULTIPLE_CHOICES <= meaning < HTTPStatus.BAD_REQUEST:
        kind = SwitUnavailableError
        message = "a redirect, which is not followed. Check SWIT_BASE_URL and the proxy"
    elif 500 <= meaning < 600:  # noqa: PLR2004 - 5xx
        kind = SwitUnavailableError
    return kind(call=call, message=message, status=status, retry_after=retry_after(response))


def _code(body: Mapping[str, Any]) -> int | None:
    """The `code` of an answer, limited to nine digits."""
    code = body.get("code")
    if isinstance(code, str) and code.strip().isdecimal():
        return int(code.strip()[:_MAX_CODE_DIGITS])
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    return code if abs(code) < 10**_MAX_CODE_DIGITS else 10**_MAX_CODE_DIGITS - 1


def _date(value: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
