"""A login in a browser of this machine: wait at `SWIT_REDIRECT_URL` for what it comes back with."""

import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from swit_provisioning.gateway.listening import ListenError, bracketed, is_loopback, listen
from swit_provisioning.gateway.pages import logged_in, login_failed, page
from swit_provisioning.resources.login import NewLogin, finish
from swit_provisioning.resources.swit_access import oauth_client
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.errors import StoreError
from swit_provisioning.store.store import Store
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.login import (
    ForeignAnswerError,
    Login,
    LoginError,
    ProofKeyRefusedError,
)

_HTTP_PORT: Final = 80


class BrowserLogin:
    """One login, from the first address to what is stored."""

    def __init__(self, settings: Settings, store: Store, scope: str) -> None:
        """Begin it; nobody is asked yet."""
        self._settings, self._store = settings, store
        self._oauth = oauth_client(settings)
        self._login = Login.begin(scope)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._outcome: NewLogin | Exception | None = None

    @property
    def address(self) -> str:
        """Where the browser goes first."""
        return self._login.address(self._oauth)

    def wait(self, seconds: float, *, begin: Callable[[], None]) -> NewLogin:
        """Listen, `begin`, and wait until the browser has come back.

        Raises:
            SettingsError: `SWIT_REDIRECT_URL` is no address of this machine.
            ListenError: nothing can listen there.
            LoginError: nobody came back in time, or Swit did not agree.
            SwitError: Swit refuses the code, can't be asked, or is another organisation's.
            StoreError: it can't be stored.

        """
        sockets, path = _callback(self._settings.swit_redirect_url)
        with _serving(Route(path, self._answer, methods=["GET"]), sockets):
            begin()
            self._over.wait(seconds)
        with self._lock:
            outcome = self._outcome
        if outcome is None:
            message = (
                f"Nobody came back from Swit within {seconds:g} seconds. Begin anew; where no"
                " browser can reach this machine: swit-provisioning login --paste"
            )
            raise LoginError(message)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _answer(self, request: Request) -> Response:
        # One at a time: a browser may ask twice, and a code is good once.
        with self._lock:
            if self._outcome is not None:
                return page("This login is over", ["You may close this page."], status=409)
            return self._outcome_of(request.url.query)

    def _outcome_of(self, query: str) -> Response:
        over = BackgroundTask(self._over.set)
        try:
            self._outcome = finish(self._settings, self._store, self._login, query)
        except ForeignAnswerError as error:
            # Any page may send a browser here: that ends nobody's login.
            return login_failed(error)
        except ProofKeyRefusedError:
            self._login = self._login.without_proof_key()
            return RedirectResponse(self.address, status_code=303)
        except (LoginError, SwitError, StoreError) as error:
            self._outcome = error
            return login_failed(error, then=over)
        return logged_in(self._outcome, then=over)


def open_browser(address: str) -> None:
    """Open an address in this machine's browser, if it has one; never wait for it."""
    # A browser that was not running may not give the terminal back before it is closed.
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _callback(redirect_url: str) -> tuple[list[socket.socket], str]:
    parts = urlsplit(redirect_url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(host):
        problem = (
            f"SWIT_REDIRECT_URL: {redirect_url} is no http address of this machine alone, so"
            " nothing can wait for the browser there. Log in with: swit-provisioning login"
            " --paste (or, where the gateway answers there, at its address /login)"
        )
        raise SettingsError([problem])
    port = parts.port or _HTTP_PORT
    try:
        return listen(host, port), parts.path or "/"
    except ListenError as error:
        message = (
            f"{error} Is the gateway running? Then log in at"
            f" http://{bracketed(host)}:{port}/login. Else: swit-provisioning login --paste"
        )
        raise ListenError(message) from error


@contextlib.contextmanager
def _serving(route: Route, sockets: list[socket.socket]) -> Iterator[None]:
    config = uvicorn.Config(
        Starlette(routes=[route]),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,), name="login", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
