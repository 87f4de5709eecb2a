"""The connection: one `requests` session, what it never does, and what its failures mean.

An exchange has an end: the timeout limits each silence, a deadline the whole exchange, and an
answer is read up to a size. So a server that sends a byte now and then, or a small packed
answer that unpacks to gigabytes, holds nobody up.

Proxies and certificates come from the environment as usual (`HTTPS_PROXY`, `NO_PROXY`,
`REQUESTS_CA_BUNDLE`). No redirect is followed, no cookie kept, no `.netrc` read.
"""

import json
import logging
import math
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, wait_exponential_jitter
from urllib3.connection import HTTPConnection, HTTPSConnection

from swit_provisioning import __version__
from swit_provisioning.swit.errors import (
    SwitEndlessAnswerError,
    SwitError,
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)

DEADLINE_TIMEOUTS: Final = 3
"""How long a whole exchange may take, in timeouts."""

_LONGEST_REASON = 120
_PIECE: Final = 64 * 1024
_PLAIN: Final = 8 * 1024 * 1024
"""An answer up to this size may be packed as tightly as it likes."""
_MOST_PACKED: Final = 100
"""How many times its packed size a larger answer may have. Lists of users and teams have 30."""
_GZIP: Final = 16 + zlib.MAX_WBITS

# An address that can't be is a plain ValueError in the layer below requests.
EXCHANGE_ERRORS = (requests.RequestException, ValueError)


class NoAuth(AuthBase):
    """Sends nothing. With no `auth` at all, requests would send what `.netrc` holds."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return r


class BearerAuth(NoAuth):
    """Sends a bearer token; a `.netrc` entry for Swit's host can't replace it."""

    def __init__(self, token: str) -> None:
        """Take the token; it shows in no `repr`."""
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """One whole answer, unpacked."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class _Sockets(threading.local):
    """The sockets that the exchange of this thread uses; `None` outside of one."""

    used: list[socket.socket] | None = None

    def note(self, used: socket.socket | None) -> None:
        if used is not None and self.used is not None:
            self.used.append(used)


_sockets = _Sockets()


class _HTTPConnection(HTTPConnection):
    """Tells which socket it uses."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _sockets.note(made)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as urllib3 has them
        # An open connection of an earlier exchange makes no new socket.
        _sockets.note(self.sock)
        super().request(*args, **kwargs)


class _HTTPSConnection(HTTPSConnection):
    """The same over TLS, whose socket takes the place of the first one."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _sockets.note(made)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as urllib3 has them
        _sockets.note(self.sock)
        super().request(*args, **kwargs)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    """Makes connections that tell which socket they use, directly and through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as it has them
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - as it has them
        manager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("http"):
            manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager


def exchange(
    session: requests.Session,
    *,
    call: str,
    method: str,
    url: str,
    timeout_seconds: float,
    most_bytes: int,
    **request: Any,  # noqa: ANN401 - as requests has them
) -> HttpAnswer:
    """Send one request and read its whole answer; `request` is what requests takes besides.

    Raises:
        SwitEndlessAnswerError: it took too long in all, or the answer is too large.
        SwitUnavailableError: there is no answer, or it broke off.

    """
    seconds = DEADLINE_TIMEOUTS * timeout_seconds
    host = urlsplit(url).netloc.rpartition("@")[2]
    with _deadline(seconds) as is_over:
        try:
            with session.request(
                method, url, timeout=timeout_seconds, allow_redirects=False, stream=True, **request
            ) as response:
                content = _read(response, call=call, most_bytes=most_bytes)
        except (*EXCHANGE_ERRORS, urllib3.exceptions.HTTPError, zlib.error) as error:
            if not is_over.is_set():
                raise unreachable(
                    call=call, url=url, timeout_seconds=timeout_seconds, error=error
                ) from error
        # Where the length was not told, an answer that was cut off looks whole.
        if is_over.is_set():
            words = f"the answer of {host} was not complete after {seconds:g} seconds"
            raise SwitEndlessAnswerError(call=call, message=words)
    return HttpAnswer(status_code=response.status_code, headers=response.headers, content=content)


@contextmanager
def _deadline(seconds: float) -> Iterator[threading.Event]:
    """Cut the connections that this thread uses in the block once the time is over."""
    is_over = threading.Event()
    used: list[socket.socket] = []
    _sockets.used = used

    def cut() -> None:
        is_over.set()
        for each in used:
            with suppress(OSError):
                # Below TLS: the thread that reads must find its socket as it left it.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
        _sockets.used = None


def _read(response: requests.Response, *, call: str, most_bytes: int) -> bytes:
    """The body, unpacked here: a library would unpack a whole piece, however much that is."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        words = f"the answer is packed as {encoding[:40]!r}, which was not asked for"
        raise SwitUnavailableError(call=call, message=words, status=response.status_code)
    unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    packed, content = 0, bytearray()
    while piece := response.raw.read(_PIECE, decode_content=False):
        packed += len(piece)
        while piece:
            if unpacker is None:
                content += piece
                piece = b""
            else:
                content += unpacker.decompress(piece, _PIECE)
                piece = unpacker.unconsumed_tail
            is_bomb = unpacker and len(content) > max(_PLAIN, _MOST_PACKED * packed)
            if max(len(content), packed) > most_bytes or is_bomb:
                words = (
                    f"the answer is too large: more than {len(content):,} bytes, unpacked from"
                    f" {packed:,}; {most_bytes:,} are read at most"
                )
                raise SwitEndlessAnswerError(call=call, message=words, status=response.status_code)
    if unpacker is not None and packed:
        content += unpacker.flush()
        if not unpacker.eof:
            raise urllib3.exceptions.ProtocolError
    return bytes(content)


def make_session(*, connections: int) -> requests.Session:
    """A session that keeps as many connections open to each host as calls are in flight."""
    session = requests.Session()
    adapter = _Adapter(pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = f"swit_provisioning/{__version__}"
    session.headers["Accept"] = "application/json"
    session.headers["Accept-Encoding"] = "gzip"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def unreachable(
    *, call: str, url: str, timeout_seconds: float, error: Exception
) -> SwitUnavailableError:
    """The error for a request without an answer.

    The words are our own: those of requests hold the whole address, so what was searched for.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(error, ValueError):
        words = (
            f"{host or url} is no address that can be used; check SWIT_BASE_URL,"
            " SWIT_SCIM_BASE_URL and the proxy, such as https://openapi.swit.io"
        )
    elif isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        words = f"no answer from {host} within {timeout_seconds:g} seconds"
    elif isinstance(error, requests.exceptions.SSLError):
        words = (
            f"the certificate of {host} is not trusted ({_reason(error)}); where a proxy has its"
            " own, name its file in REQUESTS_CA_BUNDLE"
        )
    elif isinstance(error, requests.exceptions.ProxyError):
        words = f"no way to {host} through the proxy that HTTPS_PROXY names ({_reason(error)})"
    elif isinstance(error, requests.ConnectionError):
        words = f"no connection to {host} ({_reason(error)})"
    else:
        words = f"the exchange with {host} broke off ({type(error).__name__})"
    return SwitUnavailableError(call=call, message=words)


def _reason(error: requests.RequestException) -> str:
    """The innermost cause: `Connection refused`, without addresses of objects or paths."""
    cause: object = error.args[0] if error.args else error
    # urllib3 wraps the cause once more when it gives up.
    words = str(getattr(cause, "reason", None) or cause).rpartition(": ")[2].strip(" '\"")
    words = words.removesuffix(")") if words.count(")") > words.count("(") else words
    return words if words and len(words) < _LONGEST_REASON else type(error).__name__


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


AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: `host` says which of Swit's two addresses it goes to."""

    name: str
    method: Literal["GET", "POST", "PATCH"]
    host: Literal["api", "scim"] = "api"
    repeatable: bool = True
    most_bytes: int = 32 * MIB
    """How large an answer may be, unpacked. A thousand users in many teams are about 16 MiB."""

    def path(self, object_id: str = "") -> str:
        """Its path below the host's base address; SCIM names the object in the path.

        Raises:
            SwitRejectedError: the id would change the path.

        """
        if self.host == "scim":
            # Quoting leaves dots as they are, and `/Users/..` is the address above.
            if object_id in {"", ".", ".."}:
                message = f"the id {object_id!r} cannot be part of an address; nothing was sent"
                raise SwitRejectedError(call=self.name, message=message)
            return f"/Users/{quote(object_id, safe='')}"
        return f"/v1/api/{self.name}"


def _calls_read(name: str, *, most_bytes: int = 32 * MIB) -> Call:
    return Call(name=name, method="GET", most_bytes=most_bytes)


def _write(name: str, *, repeatable: bool = True) -> Call:
    return Call(name=name, method="POST", repeatable=repeatable)


USER_INFO = _calls_read("user.info")
ORGANIZATION_INFO = _calls_read("organization.info")
ORGANIZATION_USER_INFO = _calls_read("organization.user.info")
LIST_USERS = _calls_read("organization.user.list")
# All teams with all members in one answer: 5,000,000 memberships are about 120 MiB.
LIST_TEAMS = _calls_read("user.team.list", most_bytes=256 * MIB)

CREATE_USER = _write("organization.user.create", repeatable=False)
UPDATE_USER = Call(name="SCIM Users", method="PATCH", host="scim")
DEACTIVATE_USER = _write("organization.user.deactivate")
ACTIVATE_USER = _write("organization.user.activate")
REMOVE_USER = _write("organization.user.remove")

CREATE_TEAM = _write("team.create", repeatable=False)
UPDATE_TEAM = _write("team.update")
DELETE_TEAM = _write("team.delete")
SORT_TEAMS = _write("team.sort")
ADD_TEAM_USERS = _write("team.user.add", repeatable=False)
REMOVE_TEAM_USERS = _write("team.user.remove", repeatable=False)
UPDATE_PRIMARY_TEAM = _write("team.user.primary.update")
