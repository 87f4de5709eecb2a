"""One HTTP exchange: a `requests` session, a deadline, and an answer of limited size.

The timeout limits each silence, the deadline the whole exchange, and an answer is read up to a
maximum size. A server that sends one byte at a time cannot block a run, and neither can a small
compressed answer that expands to gigabytes.

Proxies and certificates come from the environment (`HTTPS_PROXY`, `NO_PROXY`,
`REQUESTS_CA_BUNDLE`). Redirects are not followed, cookies not stored, `.netrc` not read.
"""

import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection

from swit_provisioning import __version__
from swit_provisioning.swit.errors import SwitEndlessAnswerError, SwitUnavailableError

MIB: Final = 1024 * 1024
DEADLINE_TIMEOUTS: Final = 3
"""The deadline of an exchange, in timeouts."""
# The layer below requests raises a plain ValueError for an invalid address.
EXCHANGE_ERRORS: Final = (requests.RequestException, ValueError)

_CHUNK_BYTES: Final = 64 * 1024
_UNLIMITED_RATIO_BYTES: Final = 8 * MIB
"""An answer up to this size may have any compression ratio."""
_MAX_RATIO: Final = 100
"""Compression ratio of larger answers. Lists of users and teams have 30."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_MAX_REASON_LENGTH: Final = 120


class NoAuth(AuthBase):
    """Sends no credentials. Without any `auth`, requests would send those of `.netrc`."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return r


class BearerAuth(NoAuth):
    """Sends a bearer token. The token is not in the `repr`."""

    def __init__(self, token: str) -> None:
        """Take the token."""
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """A complete answer, decompressed."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


def make_session(*, connections: int) -> requests.Session:
    """A session that keeps `connections` connections open to each host."""
    session = requests.Session()
    adapter = _Adapter(pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = f"swit_provisioning/{__version__}"
    session.headers["Accept"] = "application/json"
    session.headers["Accept-Encoding"] = "gzip"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def exchange(
    session: requests.Session,
    *,
    call: str,
    method: str,
    url: str,
    timeout_seconds: float,
    most_bytes: int,
    **request: Any,  # noqa: ANN401 - passed on to requests
) -> HttpAnswer:
    """Send one request and read its complete answer; `request` are further arguments of requests.

    Raises:
        SwitEndlessAnswerError: the deadline passed, or the answer is too large.
        SwitUnavailableError: there is no answer, or it is incomplete.

    """
    seconds = DEADLINE_TIMEOUTS * timeout_seconds
    with _deadline(seconds) as is_over:
        try:
            with session.request(
                method, url, timeout=timeout_seconds, allow_redirects=False, stream=True, **request
            ) as response:
                content = _read(response, call=call, most_bytes=most_bytes)
        except (*EXCHANGE_ERRORS, urllib3.exceptions.HTTPError, zlib.error) as error:
            if not is_over.is_set():
                message = _problem(url, timeout_seconds, error)
                raise SwitUnavailableError(call=call, message=message) from error
        # Without a Content-Length, an answer that was cut off looks complete.
        if is_over.is_set():
            message = f"the answer of {_host(url)} was not complete after {seconds:g} seconds"
            raise SwitEndlessAnswerError(call=call, message=message)
    return HttpAnswer(status_code=response.status_code, headers=response.headers, content=content)


def _read(response: requests.Response, *, call: str, most_bytes: int) -> bytes:
    """The body, decompressed in small chunks: requests would expand a whole chunk at once."""
    status = response.status_code
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        message = f"the answer is compressed as {encoding[:40]!r}, which was not requested"
        raise SwitUnavailableError(call=call, message=message, status=status)
    decompressor = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    received, content = 0, bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        received += len(chunk)
        while chunk:
            if decompressor is None:
                content += chunk
                chunk = b""
            else:
                content += decompressor.decompress(chunk, _CHUNK_BYTES)
                chunk = decompressor.unconsumed_tail
            limit = most_bytes
            if decompressor is not None:
                limit = min(limit, max(_UNLIMITED_RATIO_BYTES, _MAX_RATIO * received))
            if max(len(content), received) > limit:
                message = (
                    f"the answer is too large: more than {len(content):,} bytes, decompressed from"
                    f" {received:,}; the maximum is {limit:,}"
                )
                raise SwitEndlessAnswerError(call=call, message=message, status=status)
    if decompressor is not None and received:
        content += decompressor.flush()
        if not decompressor.eof:
            raise urllib3.exceptions.ProtocolError
    return bytes(content)


def _problem(url: str, timeout_seconds: float, error: Exception) -> str:
    """Why there is no answer. Not in the words of requests: they contain the whole address."""
    host = _host(url)
    if isinstance(error, ValueError):
        return (
            f"{host or url} is not a valid address. Check SWIT_BASE_URL (such as"
            " https://openapi.swit.io), SWIT_SCIM_BASE_URL and the proxy"
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"no answer from {host} within {timeout_seconds:g} seconds"
    if not isinstance(error, requests.ConnectionError):
        return f"the connection to {host} was interrupted ({type(error).__name__})"
    # The innermost cause, such as `Connection refused`; urllib3 wraps it when it gives up.
    cause: object = error.args[0] if error.args else error
    reason = str(getattr(cause, "reason", None) or cause).rpartition(": ")[2].strip(" '\"")
    reason = reason.rstrip(")'\"") if reason.count(")") > reason.count("(") else reason
    reason = reason if 0 < len(reason) < _MAX_REASON_LENGTH else type(error).__name__
    if isinstance(error, requests.exceptions.SSLError):
        return (
            f"the certificate of {host} is not trusted ({reason}). If a proxy has its own"
            " certificate, name its file in REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return f"no connection to {host} through the proxy in HTTPS_PROXY ({reason})"
    return f"no connection to {host} ({reason})"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


class _UsedSockets(threading.local):
    """The sockets of the exchange that this thread is in; `None` outside an exchange."""

    sockets: list[socket.socket] | None = None

    def add(self, used: socket.socket | None) -> None:
        if used is not None and self.sockets is not None:
            self.sockets.append(used)


_used = _UsedSockets()


@contextmanager
def _deadline(seconds: float) -> Iterator[threading.Event]:
    """Shut down the connections that this thread uses in the block when the time is over."""
    is_over = threading.Event()
    sockets: list[socket.socket] = []
    _used.sockets = sockets

    def shut_down() -> None:
        is_over.set()
        for each in sockets:
            with suppress(OSError):
                # Below TLS: the thread that reads must find its socket unchanged.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
        _used.sockets = None


if TYPE_CHECKING:
    _Connection = HTTPConnection
else:
    _Connection = object


class _ReportsSockets(_Connection):
    """Adds the sockets that a connection uses to `_used`."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _used.add(made)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to urllib3
        # The socket of an earlier exchange, or the TLS socket that replaced the new one.
        _used.add(self.sock)
        super().request(*args, **kwargs)


class _HTTPConnection(_ReportsSockets, HTTPConnection):
    pass


class _HTTPSConnection(_ReportsSockets, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """Uses connections that report their sockets, directly and through a proxy."""

    _CLASSES: Final = {HTTPConnection: _HTTPConnection, HTTPSConnection: _HTTPSConnection}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        # A SOCKS proxy has connections of its own.
        pool.ConnectionCls = self._CLASSES.get(pool.ConnectionCls, pool.ConnectionCls)
        return pool
