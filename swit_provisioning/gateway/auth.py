"""Who may ask: whoever knows the key. Wrong keys are limited, for each address and for all."""

import base64
import hashlib
import ipaddress
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from swit_provisioning.operations.connections import (
    NewLogin,
    finish,
    oauth_client,
    require_login_settings,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.errors import StoreError
from swit_provisioning.swit.auth import (
    WRITING_SCOPE,
    ForeignAnswerError,
    Login,
    LoginError,
    ProofKeyRefusedError,
)
from swit_provisioning.swit.errors import SwitError

SHORTEST_KEY: Final = 16
WRONG_KEYS: Final = 10
"""How many wrong keys an address may send in a row."""
SECONDS_A_KEY: Final = 6.0
"""How long until it may send one more."""
WRONG_KEYS_OF_ALL: Final = 100
"""How many wrong keys all addresses together may send in a row."""
SECONDS_A_KEY_OF_ALL: Final = 1.0
"""How long until one of them may send one more."""

Value = TypeVar("Value")
_MOST_ADDRESSES: Final = 10_000
_IPV6_PREFIX: Final = 64
_MAKE_ONE: Final = 'python3 -P -c "import secrets; print(secrets.token_urlsafe(32))"'


def required_key(settings: Settings) -> str:
    """The key.

    Raises:
        SettingsError: there is none, or one that can be guessed.

    """
    key = settings.operation_auth_key.get_secret_value() if settings.operation_auth_key else ""
    if len(key) >= SHORTEST_KEY:
        return key
    problem = f"has {len(key)} characters, {SHORTEST_KEY} are the least" if key else "is not set"
    raise SettingsError([f"OPERATION_AUTH_KEY {problem}. Make one: {_MAKE_ONE}"])


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why somebody may not go on."""

    status: int
    message: str
    retry_after: int | None = None


class Access:
    """Compares keys in constant time; keeps no more than a number for each address."""

    def __init__(self, key: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the key; `clock` gives seconds."""
        self._digest = _digest(key.encode())
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._of_all = (float(WRONG_KEYS_OF_ALL), 0.0)
        self._known: OrderedDict[str, None] = OrderedDict()
        """Addresses that have sent the right key: strangers' wrong keys don't shut them out."""

    def refusal(self, address: str, key: bytes | None) -> Refusal | None:
        """Why this key of a client at `address` is not taken; `None` where it is right."""
        who, now = _network(address), self._clock()
        left = _refilled(self._buckets.get(who), now, most=WRONG_KEYS, seconds=SECONDS_A_KEY)
        of_all = _refilled(self._of_all, now, most=WRONG_KEYS_OF_ALL, seconds=SECONDS_A_KEY_OF_ALL)
        # Also for the right one: an answer would tell that it is right.
        if left < 1:
            return _too_many("from this address", (1 - left) * SECONDS_A_KEY)
        if of_all < 1 and who not in self._known:
            return _too_many("from all addresses together", (1 - of_all) * SECONDS_A_KEY_OF_ALL)
        if key is None:
            return Refusal(status=401, message="The header x-secret-key is missing.")
        if secrets.compare_digest(_digest(key), self._digest):
            _remember(self._known, who, None)
            return None
        _remember(self._buckets, who, (left - 1, now))
        self._of_all = (max(of_all - 1, 0.0), now)
        return Refusal(status=401, message="The key is wrong: it is not OPERATION_AUTH_KEY.")


def _refilled(
    bucket: tuple[float, float] | None, now: float, *, most: int, seconds: float
) -> float:
    """How many wrong keys are left in a bucket that gains one every so many `seconds`."""
    left, at = bucket or (float(most), now)
    return min(float(most), left + (now - at) / seconds)


def _remember(addresses: OrderedDict[str, Value], who: str, value: Value) -> None:
    """Note an address, and forget the one that was noted longest ago."""
    addresses[who] = value
    addresses.move_to_end(who)
    if len(addresses) > _MOST_ADDRESSES:
        addresses.popitem(last=False)


def _too_many(whose: str, seconds: float) -> Refusal:
    wait = ceil(seconds)
    message = f"Too many wrong keys {whose}. Try again in {wait} seconds."
    return Refusal(status=429, message=message, retry_after=wait)


def _digest(key: bytes) -> bytes:
    """The same length for every key, so that comparing tells no length either."""
    return hashlib.sha256(key).digest()


def _network(address: str) -> str:
    """An IPv6 client has a whole network of addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))


_BEARER: Final = "bearer "


def address_of(request: Request) -> str:
    """The client's address; behind a proxy, the one that the proxy names."""
    return request.client.host if request.client else ""


def header_key(request: Request) -> bytes | None:
    """The key in `x-secret-key`, as the reference program has it, or as a bearer token.

    Prometheus, for one, sends bearer tokens from a file of its own.
    """
    given = request.headers.get("x-secret-key")
    if given is None:
        bearer = request.headers.get("authorization", "")
        given = bearer[len(_BEARER) :].strip() if bearer.lower().startswith(_BEARER) else None
    # As it came over the wire: HTTP has no other encoding for it.
    return None if given is None else given.encode("latin-1")


LOGIN_SECONDS: Final = 600
_MOST: Final = 100
_TICKET_BYTES: Final = 32


class BegunLogins:
    """Ticket (what the cookie holds) -> login. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` gives seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, tuple[float, Login]] = OrderedDict()

    def add(self, login: Login) -> str:
        """Remember a login; the ticket for its browser. The oldest goes where there are many."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        with self._lock:
            self._begun[ticket] = (self._clock() + LOGIN_SECONDS, login)
            if len(self._begun) > _MOST:
                self._begun.popitem(last=False)
        return ticket

    def look(self, ticket: str) -> Login | None:
        """The login of a ticket that has not run out."""
        with self._lock:
            ends, login = self._begun.get(ticket, (0.0, None))
        return login if ends > self._clock() else None

    def end(self, ticket: str) -> bool:
        """Forget it; whether it was still there. Of two callbacks one hears `True`."""
        with self._lock:
            return self._begun.pop(ticket, None) is not None


_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 18px/1.5 system-ui, sans-serif; margin: 12vh auto; max-width: 38rem;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } p { overflow-wrap: anywhere; }
.warning { border-left: .3rem solid #b54708; padding-left: .8rem; }
label, input, button { display: block; font: inherit; }
input { box-sizing: border-box; width: 100%; margin: .3rem 0 1rem; padding: .5rem; }
button { padding: .5rem 1.4rem; }
"""


def page(
    title: str,
    paragraphs: Iterable[str] = (),
    *,
    warnings: Iterable[str] = (),
    form: str = "",
    status: int = 200,
    then: BackgroundTask | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page with a heading and some sentences, escaped here; `form` is HTML of our own.

    `then` is run once it is sent.
    """
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in paragraphs)
    warned = "".join(
        f'<p class="warning" role="alert">{escape(sentence)}</p>' for sentence in warnings
    )
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - swit_provisioning</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{said}{warned}{form}</main></body></html>
"""
    return HTMLResponse(
        html, status_code=status, headers={**_headers(), **(headers or {})}, background=then
    )


def logged_in(login: NewLogin, *, then: BackgroundTask | None = None) -> HTMLResponse:
    """The end of a login that went well."""
    account = login.account
    who = f"{account.email} ({account.role})" if account.role else account.email
    where = account.organization_name or account.organization_id
    sentences = (
        f"{who} of {where} is stored, and renewed by itself from now on.",
        "You may close this page.",
    )
    return page("Logged in", sentences, warnings=login.warnings, then=then)


def login_failed(
    error: Exception, *, status: int = 400, then: BackgroundTask | None = None
) -> HTMLResponse:
    """The end of a login that did not."""
    sentences = ("Nothing was stored; a login that was stored before is still there.",)
    return page("Not logged in", sentences, warnings=[str(error)], status=status, then=then)


def key_form(
    problem: str = "",
    *,
    notes: Iterable[str] = (),
    status: int = 200,
    wait: int | None = None,
) -> HTMLResponse:
    """Asks for the key, before anybody is sent to Swit."""
    form = """<form method="post" action="login">
<label for="key">OPERATION_AUTH_KEY</label>
<input id="key" name="key" type="password" autocomplete="off" required autofocus>
<button>Log in to Swit</button></form>"""
    return page(
        "Log in to Swit",
        ["The login is for the nightly sync. Use an administrator's account of the organisation."],
        warnings=[*filter(None, [problem]), *notes],
        form=form,
        status=status,
        headers={"Retry-After": str(wait)} if wait is not None else None,
    )


def _headers() -> dict[str, str]:
    """No script, no frame, no trace in a cache or at the next site: the address holds a code.

    No `form-action`: in Chromium it would also stop the way from the form on to Swit, and to
    whatever sign-on the company has behind it.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


_MOST_FIELDS: Final = 10
COOKIE: Final = "swit_provisioning_login"

log = logging.getLogger(__name__)


class LoginPages:
    """The two addresses, and the logins between them."""

    def __init__(self, settings: Settings, access: Access, *, secure: bool) -> None:
        """`secure`: the browser speaks TLS to whatever is in front, so cookies go over it only."""
        self._settings = settings
        self._access = access
        self._secure = secure
        self._begun = BegunLogins()

    async def ask(self, request: Request) -> Response:
        """`GET /login`: who brings the key in a header goes on at once, others are asked for it."""
        key = header_key(request)
        return key_form(notes=self._notes(request)) if key is None else self._begin(request, key)

    async def begin(self, request: Request) -> Response:
        """`POST /login`: the form with the key."""
        return self._begin(request, _form_key(await request.body()))

    async def callback(self, request: Request) -> Response:
        """`GET /oauth_callback`: the browser is back from Swit."""
        try:
            return await self._come_back(request.cookies.get(COOKIE, ""), request.url.query)
        except (LoginError, SwitError, StoreError) as error:
            return login_failed(error)

    def _begin(self, request: Request, key: bytes) -> Response:
        refused = self._access.refusal(address_of(request), key)
        if refused:
            return key_form(refused.message, status=refused.status, wait=refused.retry_after)
        try:
            require_login_settings(self._settings)
        except SettingsError as error:
            return login_failed(error, status=503)
        return self._send(Login.begin(WRITING_SCOPE))

    def _send(self, login: Login) -> Response:
        """On to Swit, with a ticket to come back with."""
        answer = RedirectResponse(login.address(oauth_client(self._settings)), status_code=303)
        answer.headers["Cache-Control"] = "no-store"
        answer.set_cookie(
            COOKIE,
            self._begun.add(login),
            max_age=LOGIN_SECONDS,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )
        return answer

    async def _come_back(self, ticket: str, query: str) -> Response:
        login = self._begun.look(ticket)
        if login is None:
            raise ForeignAnswerError
        try:
            login.code(query)
        except ForeignAnswerError:
            # Any page may send a browser here: that ends nobody's login.
            raise
        except ProofKeyRefusedError:
            self._begun.end(ticket)
            return self._send(login.without_proof_key())
        except LoginError:
            self._begun.end(ticket)
            raise
        if not self._begun.end(ticket):
            raise ForeignAnswerError
        new = await run_in_threadpool(self._finish, login, query)
        log.info("A login of the organisation %s is stored", new.account.organization_id)
        answer = logged_in(new)
        answer.delete_cookie(COOKIE)
        return answer

    def _finish(self, login: Login, query: str) -> NewLogin:
        with open_store(self._settings) as store:
            return finish(self._settings, store, login, query)

    def _notes(self, request: Request) -> tuple[str, ...]:
        """What keeps a browser from coming back here."""
        back = urlsplit(self._settings.swit_redirect_url)
        if back.netloc == request.headers.get("host"):
            return ()
        note = (
            f"Swit sends your browser back to {back.scheme}://{back.netloc} (SWIT_REDIRECT_URL)."
            " If that is this gateway, open its /login there; if it is not, this login can't end."
        )
        return (note,)


def _form_key(body: bytes) -> bytes:
    try:
        return parse_qs(body, max_num_fields=_MOST_FIELDS).get(b"key", [b""])[0]
    except ValueError:
        # No form of ours.
        return b""
