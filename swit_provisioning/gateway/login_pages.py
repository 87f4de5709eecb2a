"""`/login` and `/oauth_callback`: an administrator logs in at the gateway (see `logins.py`)."""

import logging
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from swit_provisioning.gateway.access import Access
from swit_provisioning.gateway.asking import address_of, header_key
from swit_provisioning.gateway.logins import LOGIN_SECONDS, BegunLogins
from swit_provisioning.gateway.pages import key_form, logged_in, login_failed
from swit_provisioning.resources.login import NewLogin, finish, require_login_settings
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.swit_access import oauth_client
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.errors import StoreError
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.login import (
    WRITING_SCOPE,
    ForeignAnswerError,
    Login,
    LoginError,
    ProofKeyRefusedError,
)

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
