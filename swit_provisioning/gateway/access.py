"""Who may call the gateway, and how much it reads of a request before it refuses.

Connection limits and slow clients are the reverse proxy's: see `deploy/nginx`.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, cast
from urllib.parse import parse_qs

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from swit_provisioning.settings import Settings, SettingsError

MIN_KEY_LENGTH: Final = 16
MAX_BODY_BYTES: Final = 64 * 1024
"""The longest form that the gateway asks for has a few hundred bytes."""
BODY_SECONDS: Final = 10.0

MAX_NAME_LENGTH: Final = 200
"""The most characters of an approver's name."""

_NAMED_APPROVER: Final = "swit_provisioning.approver"
_MAX_CLIENTS: Final = 10_000
_MAX_FORM_FIELDS: Final = 10
_IPV6_PREFIX: Final = 64
_BEARER: Final = "bearer "
_MAKE_A_KEY: Final = 'python3 -P -c "import secrets; print(secrets.token_urlsafe(32))"'


def required_key(settings: Settings) -> str:
    """`OPERATION_AUTH_KEY`.

    Raises:
        SettingsError: it is not set, or too short.

    """
    return usable_key("OPERATION_AUTH_KEY", settings.operation_auth_key)


def usable_key(setting: str, secret: SecretStr | None) -> str:
    """The key that a setting contains.

    Raises:
        SettingsError: it is not set, or too short.

    """
    key = secret.get_secret_value() if secret else ""
    if len(key) >= MIN_KEY_LENGTH:
        return key
    problem = f"has {len(key)} characters, the minimum is {MIN_KEY_LENGTH}" if key else "is not set"
    raise SettingsError([f"{setting} {problem}. Make one: {_MAKE_A_KEY}"])


def client_address(request: Request) -> str:
    """The client's IP address; behind a trusted proxy, the one that the proxy names."""
    return request.client.host if request.client else ""


def header_key(request: Request) -> bytes | None:
    """The key in `x-secret-key` (the reference program's header) or in a bearer token."""
    given = request.headers.get("x-secret-key")
    if given is None:
        bearer = request.headers.get("authorization", "")
        given = bearer[len(_BEARER) :].strip() if bearer.lower().startswith(_BEARER) else None
    # Starlette decodes headers as Latin-1, so this restores the bytes that were sent.
    return None if given is None else given.encode("latin-1")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The answer to a request without the right key."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers of the answer."""


class WrongKeyLimit:
    """Allows `burst` wrong keys in a row for each client, and one more every `seconds`."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """The number of clients that are remembered."""
        return len(self._clients)

    def wait(self, client: str, now: float) -> float:
        """Seconds until the client may try another key; 0: now."""
        return max(0.0, (1 - self._remaining(client, now)) * self._seconds)

    def count(self, client: str, now: float) -> None:
        """Count one wrong key."""
        self._clients[client] = (max(self._remaining(client, now) - 1, 0.0), now)
        self._clients.move_to_end(client)
        if len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)

    def _remaining(self, client: str, now: float) -> float:
        remaining, since = self._clients.get(client, (float(self._burst), now))
        return min(float(self._burst), remaining + (now - since) / self._seconds)


class KeyCheck:
    """Compares keys in constant time and limits wrong ones, for each client and for all together.

    A client is an IPv4 address or an IPv6 /64 network. A client that has sent the right key is
    not affected by the wrong keys of others. While a limit is exceeded the right key is refused,
    too: otherwise the answer would reveal that a guess is right.
    """

    def __init__(
        self,
        key: str,
        *,
        setting: str = "OPERATION_AUTH_KEY",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the key and the setting that contains it; `clock` returns seconds."""
        self._setting = setting
        self._digest = hashlib.sha256(key.encode()).digest()
        self._clock = clock
        self.by_client = WrongKeyLimit(10, 6.0)
        self.by_all = WrongKeyLimit(100, 1.0)
        self.known_clients: OrderedDict[str, None] = OrderedDict()

    def refusal(self, address: str, key: bytes | None) -> Refusal | None:
        """The refusal of a key sent from `address`; `None` if the key is right."""
        client, now = address, self._clock()
        with contextlib.suppress(ValueError):
            parsed = ipaddress.ip_address(address)
            if isinstance(parsed, ipaddress.IPv6Address):
                client = str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
        if wait := self.by_client.wait(client, now):
            return _too_many("from this address", wait)
        if client not in self.known_clients and (wait := self.by_all.wait("", now)):
            return _too_many("from all addresses together", wait)
        if key is None:
            return Refusal(status=401, message="The header x-secret-key is missing.")
        if secrets.compare_digest(hashlib.sha256(key).digest(), self._digest):
            self.known_clients[client] = None
            self.known_clients.move_to_end(client)
            if len(self.known_clients) > _MAX_CLIENTS:
                self.known_clients.popitem(last=False)
            return None
        self.by_client.count(client, now)
        self.by_all.count("", now)
        return Refusal(status=401, message=f"The key is wrong: it is not {self._setting}.")


def _too_many(origin: str, seconds: float) -> Refusal:
    wait = ceil(seconds)
    message = f"Too many wrong keys {origin}. Try again in {wait} seconds."
    return Refusal(status=429, message=message, headers={"Retry-After": str(wait)})


class ForwardedHeaders:
    """ASGI middleware behind a proxy: takes the client's address and the approver from its headers.

    Both are accepted from the trusted proxies only. The approver's header has to come once: a proxy
    that adds its header to one that the client sent would make two.
    """

    def __init__(self, app: ASGIApp, *, trusted: str, approver_header: str | None) -> None:
        """`trusted`: addresses and networks of the proxies, separated by commas."""
        self._next = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=trusted)
        self._header = approver_header.lower().encode() if approver_header else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._header is not None and scope["type"] == "http":
            client = scope.get("client")
            given = [value for name, value in scope["headers"] if name.lower() == self._header]
            if client and client[0] in self._next.trusted_hosts and len(given) == 1:
                scope = {**scope, _NAMED_APPROVER: given[0].decode("utf-8", "replace")}
        await self._next(cast("Any", scope), cast("Any", receive), cast("Any", send))


def forwarded_approver(request: Request) -> str | None:
    """The person whom a trusted proxy names in `APPROVER_HEADER`; `None` if there is none."""
    named = str(request.scope.get(_NAMED_APPROVER, "")).strip()
    return named if named and len(named) <= MAX_NAME_LENGTH and named.isprintable() else None


class BodyLimit:
    """ASGI middleware: reads each request's body before the application sees the request.

    A body that is too long (413) or too slow (408) is refused and the connection closed, because
    the next request on it could only be found by reading the rest of the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more and len(body) <= MAX_BODY_BYTES:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            words = f"The body did not arrive within {BODY_SECONDS:g} seconds."
            await _refuse_body(408, words)(scope, receive, send)
            return
        if len(body) > MAX_BODY_BYTES:
            words = f"The body is longer than {MAX_BODY_BYTES} bytes."
            await _refuse_body(413, words)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def _refuse_body(status: int, message: str) -> JSONResponse:
    headers = {"Connection": "close"}
    return JSONResponse({"message": message}, status_code=status, headers=headers)


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a posted form, each with its first value; none of a form that is malformed."""
    # As text: of bytes, `parse_qs` refuses every value that is not ASCII.
    body = (await request.body()).decode("ascii", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
