"""The login page of the gateway, and the pages that end a login here and in the command `login`.

An attacker who sends another person's browser to the callback fails: a login belongs to the
browser that has its cookie, the answer must carry its state, and each login ends once. The key is
checked before the browser is sent to Swit.
"""

import base64
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from html import escape
from typing import Final
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from swit_provisioning.gateway.access import KeyCheck, client_address, form_fields, header_key
from swit_provisioning.operations.connections import oauth_client
from swit_provisioning.operations.new_login import NewLogin, finish_login, require_login_settings
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.database import StoreError
from swit_provisioning.swit.auth import (
    WRITING_SCOPE,
    ForeignAnswerError,
    Login,
    LoginError,
    PkceRefusedError,
)
from swit_provisioning.swit.errors import SwitError

LOGIN_SECONDS: Final = 600
COOKIE: Final = "swit_provisioning_login"

_MAX_LOGINS: Final = 100
_TICKET_BYTES: Final = 32
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
_FORM: Final = """<form method="post" action="login">
<label for="key">OPERATION_AUTH_KEY</label>
<input id="key" name="key" type="password" autocomplete="off" required autofocus>
<button>Log in to Swit</button></form>"""

log = logging.getLogger(__name__)


class StartedLogins:
    """Logins that wait for their browser to come back, by the ticket in the browser's cookie."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` returns seconds."""
        self._clock = clock
        self._logins: OrderedDict[str, tuple[float, Login]] = OrderedDict()

    def add(self, login: Login) -> str:
        """Remember a login for ten minutes; its ticket. The oldest of too many is forgotten."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        self._logins[ticket] = (self._clock() + LOGIN_SECONDS, login)
        if len(self._logins) > _MAX_LOGINS:
            self._logins.popitem(last=False)
        return ticket

    def get(self, ticket: str) -> Login | None:
        """The login of a ticket that has not expired."""
        ends, login = self._logins.get(ticket, (0.0, None))
        return login if ends > self._clock() else None

    def remove(self, ticket: str) -> None:
        """Forget a login."""
        self._logins.pop(ticket, None)


class LoginPages:
    """`/login` and `/oauth_callback`."""

    def __init__(self, settings: Settings, keys: KeyCheck, *, secure: bool) -> None:
        """`secure`: the browser uses TLS, so cookies are for TLS only."""
        self._settings = settings
        self._keys = keys
        self._secure = secure
        self._started = StartedLogins()

    async def ask(self, request: Request) -> Response:
        """`GET /login`: a form that asks for the key; with the key in a header, start at once."""
        key = header_key(request)
        return (
            key_form(note=self._redirect_note(request))
            if key is None
            else self._start(request, key)
        )

    async def begin(self, request: Request) -> Response:
        """`POST /login`: the form with the key."""
        form = await form_fields(request)
        return self._start(request, form.get("key", "").encode("utf-8", "replace"))

    async def callback(self, request: Request) -> Response:
        """`GET /oauth_callback`: the browser comes back from Swit."""
        try:
            return await self._finish(request.cookies.get(COOKIE, ""), request.url.query)
        except (LoginError, SwitError, StoreError) as error:
            return login_failed(error)

    def _start(self, request: Request, key: bytes) -> Response:
        refused = self._keys.refusal(client_address(request), key)
        if refused:
            form = key_form(refused.message, status=refused.status)
            form.headers.update(refused.headers)
            return form
        try:
            require_login_settings(self._settings)
        except SettingsError as error:
            return login_failed(error, status=503)
        return self._send_to_swit(Login.begin(WRITING_SCOPE))

    def _send_to_swit(self, login: Login) -> Response:
        answer = RedirectResponse(login.address(oauth_client(self._settings)), status_code=303)
        answer.headers["Cache-Control"] = "no-store"
        answer.set_cookie(
            COOKIE,
            self._started.add(login),
            max_age=LOGIN_SECONDS,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )
        return answer

    async def _finish(self, ticket: str, query: str) -> Response:
        login = self._started.get(ticket)
        if login is None:
            raise ForeignAnswerError
        try:
            login.code(query)
        except ForeignAnswerError:
            # Any page can send a browser here; the login goes on.
            raise
        except PkceRefusedError:
            self._started.remove(ticket)
            return self._send_to_swit(login.without_pkce())
        except LoginError:
            self._started.remove(ticket)
            raise
        # Removed before the first wait, so of two callbacks only one gets here.
        self._started.remove(ticket)

        def finish() -> NewLogin:
            with open_store(self._settings) as store:
                return finish_login(self._settings, store, login, query)

        new = await run_in_threadpool(finish)
        log.info("A login of the organisation %s is stored", new.account.organization_id)
        answer = logged_in(new)
        answer.delete_cookie(COOKIE)
        return answer

    def _redirect_note(self, request: Request) -> str:
        """A note if `SWIT_REDIRECT_URL` leads somewhere else than this request; else empty."""
        back = urlsplit(self._settings.swit_redirect_url)
        if back.netloc == request.headers.get("host"):
            return ""
        return (
            f"Swit sends your browser back to {back.scheme}://{back.netloc} (SWIT_REDIRECT_URL)."
            " If that is this gateway, open its /login there. If it is not, this login cannot end."
        )


def page(
    title: str,
    paragraphs: Iterable[str] = (),
    *,
    warnings: Iterable[str] = (),
    form: str = "",
    status: int = 200,
    then: BackgroundTask | None = None,
) -> HTMLResponse:
    """A page of escaped sentences and a `form` in HTML; `then` runs after it was sent.

    No script, no frame, no copy in a cache, no referrer: the address contains a code. There is
    no `form-action` in the policy, because Chromium would also apply it to the redirects to Swit
    and to the company's sign-on.
    """
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in paragraphs)
    alerts = "".join(
        f'<p class="warning" role="alert">{escape(sentence)}</p>' for sentence in warnings
    )
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - swit_provisioning</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{lines}{alerts}{form}</main></body></html>
"""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
    headers = {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(html, status_code=status, headers=headers, background=then)


def logged_in(login: NewLogin, *, then: BackgroundTask | None = None) -> HTMLResponse:
    """The last page of a successful login."""
    account = login.account
    user = f"{account.email} ({account.role})" if account.role else account.email
    organization = account.organization_name or account.organization_id
    sentences = (
        f"The login of {user} of {organization} is stored and will be renewed automatically.",
        "You may close this page.",
    )
    return page("Logged in", sentences, warnings=login.warnings, then=then)


def login_failed(
    error: Exception, *, status: int = 400, then: BackgroundTask | None = None
) -> HTMLResponse:
    """The last page of a login that failed."""
    sentences = ("Nothing was stored. A login that was stored before is still there.",)
    return page("Not logged in", sentences, warnings=[str(error)], status=status, then=then)


def key_form(problem: str = "", *, note: str = "", status: int = 200) -> HTMLResponse:
    """The form that asks for the key."""
    return page(
        "Log in to Swit",
        ["The nightly sync uses this login. Log in as an administrator of the organisation."],
        warnings=filter(None, (problem, note)),
        form=_FORM,
        status=status,
    )
