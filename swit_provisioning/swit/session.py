"""The connection: one `requests` session, what it never does, and what its failures mean.

An exchange has an end: the timeout limits each silence, a deadline the whole exchange, and an
answer is read up to a size. So a server that sends a byte now and then, or a small packed
answer that unpacks to gigabytes, holds nobody up.

Proxies and certificates come from the environment as usual (`HTTPS_PROXY`, `NO_PROXY`,
`REQUESTS_CA_BUNDLE`). No redirect is followed, no cookie kept, no `.netrc` read.
"""

import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection

from swit_provisioning import __version__
from swit_provisioning.swit.errors import SwitEndlessAnswerError, SwitUnavailableError

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
