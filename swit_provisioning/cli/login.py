"""`login`: an administrator lets this program act for them, in any browser, on any machine."""

import contextlib
import socket
import sqlite3
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import uvicorn
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from swit_provisioning.cli.errors import UnusableInputError
from swit_provisioning.cli.framework import errors, output
from swit_provisioning.cli.render import header
from swit_provisioning.gateway.auth import logged_in, login_failed, page
from swit_provisioning.gateway.server import ListenError, bracketed, is_loopback, listen
from swit_provisioning.operations.connections import (
    NewLogin,
    finish,
    keep,
    oauth_client,
    require_login_settings,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.errors import StoreError
from swit_provisioning.state.store import Store
from swit_provisioning.swit.auth import (
    PLANNING_SCOPE,
    WRITING_SCOPE,
    ForeignAnswerError,
    Login,
    LoginError,
    ProofKeyRefusedError,
    TokenPair,
)
from swit_provisioning.swit.errors import SwitError

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


LONGEST_DOCUMENT: Final = 64 * 1024
"""Characters that are read of standard input."""

_ACCOUNT: Final = "service_account"
"""The one name under which the reference program stores its pair."""

_LIFETIME: Final = timedelta(days=7)
"""How long Swit's access tokens live; the reference program notes only when it got one."""

_EXAMPLE: Final = '{"access_token": "...", "refresh_token": "..."}'
_ANEW: Final = "Log in anew: swit-provisioning login"
_NAME_THE_FILE: Final = (
    "Name the reference program's database: swit-provisioning login --import service_accounts.db"
)
_Token = Annotated[str, Field(min_length=1)]


class _Document(BaseModel):
    """The token endpoint's answer, or what `expires_at` says better."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: _Token
    refresh_token: _Token | None = None
    expires_in: float | None = Field(default=None, gt=0, le=10 * 365 * 24 * 3600)
    expires_at: AwareDatetime | None = None
    scope: str | None = None


def pair_from_json(text: str, *, now: datetime) -> TokenPair:
    """The pair in a JSON document.

    Raises:
        UnusableInputError: it is none; nothing of it is repeated.

    """
    if len(text) > LONGEST_DOCUMENT:
        problem = "it is longer than any pair"
        raise _no_pair(problem)
    try:
        found = _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _no_pair(f"{where}: {first['msg']}" if where else "it is no JSON object") from None
    ends = found.expires_at or (now + timedelta(seconds=found.expires_in or 0))
    return TokenPair(
        access_token=found.access_token,
        refresh_token=found.refresh_token,
        expires_at=ends if found.expires_at or found.expires_in else None,
        scope=found.scope or None,
    )


def pair_from_service_accounts(path: Path) -> TokenPair:
    """The pair in the reference program's `service_accounts.db`; the file is only read.

    Its table `service_accounts` has a row for each `username`, with `access_token`,
    `refresh_token` and `updated_at` (UTC); the program itself knows one: `service_account`.

    Raises:
        UnusableInputError: there is no such file, or no usable row in it.

    """
    rows = _rows(path)
    if len(rows) > 1:
        rows = [row for row in rows if row[0] == _ACCOUNT]
    if len(rows) != 1:
        problem = f"{path} holds no login: its table service_accounts has no row {_ACCOUNT}"
        raise UnusableInputError(problem, way_out=_ANEW)
    _, access, refresh, updated = rows[0]
    if not isinstance(access, str) or not access:
        problem = f"{path} holds no login: its access_token is empty"
        raise UnusableInputError(problem, way_out=_ANEW)
    return TokenPair(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        expires_at=_end(updated),
    )


def _rows(path: Path) -> list[tuple[object, ...]]:
    wanted = "SELECT username, access_token, refresh_token, updated_at FROM service_accounts"
    if not path.is_file():
        problem = f"{path} is no file"
        raise UnusableInputError(problem, way_out=_NAME_THE_FILE)
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(wanted).fetchall()
    except sqlite3.Error as error:
        problem = f"{path} can't be read as the reference program's service_accounts.db: {error}"
        raise UnusableInputError(problem, way_out=_NAME_THE_FILE) from error


def _end(updated: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(updated)).replace(tzinfo=UTC) + _LIFETIME
    except ValueError:
        return None


def _no_pair(problem: str) -> UnusableInputError:
    said = f"Standard input holds no pair of tokens: {problem}"
    return UnusableInputError(said, way_out=f"Give one such as {_EXAMPLE}")


def log_in(settings: Settings, *, read_only: bool, wait_seconds: float) -> int:
    """Open a browser, wait at `SWIT_REDIRECT_URL` for it to come back, store the login."""
    require_login_settings(settings)
    with open_store(settings) as store:
        login = BrowserLogin(settings, store, _scope(read_only=read_only))

        def begin() -> None:
            _say_address(
                errors(), "A browser opens; if none does, open this address", login.address
            )
            open_browser(login.address)

        made = login.wait(wait_seconds, begin=begin)
    return _report(settings, made)


def log_in_by_pasting(settings: Settings, *, read_only: bool, ask: Callable[[], str]) -> int:
    """Print where to log in, in any browser anywhere; take the address that it ended on."""
    require_login_settings(settings)
    console = errors()
    login = Login.begin(_scope(read_only=read_only))
    with open_store(settings) as store:
        while True:
            lead = "Open this address as an administrator of the organisation"
            _say_address(console, lead, login.address(oauth_client(settings)))
            end = f"{settings.swit_redirect_url}?code=..."
            _say(console, f"It ends on {end} (that nothing answers there does not matter).")
            try:
                query = urlsplit(ask().strip()).query
                made = finish(settings, store, login, query)
            except ProofKeyRefusedError:
                console.print("Swit takes no proof key (PKCE). Once more, without one.")
                login = login.without_proof_key()
            else:
                return _report(settings, made)


def log_in_from_stdin(settings: Settings) -> int:
    """Store the pair that standard input holds as JSON."""
    require_login_settings(settings)
    pair = pair_from_json(sys.stdin.read(LONGEST_DOCUMENT + 1), now=datetime.now(UTC))
    with open_store(settings) as store:
        made = keep(settings, store, pair)
    return _report(settings, made)


def import_login(settings: Settings, file: Path) -> int:
    """Store the pair of the reference program."""
    require_login_settings(settings)
    pair = pair_from_service_accounts(file)
    with open_store(settings) as store:
        made = keep(settings, store, pair)
    code = _report(settings, made)
    _say(
        output(),
        "The reference program must not run any more: the first refresh here may end its login."
        f" Then remove {file}: it holds the tokens in clear.",
    )
    return code


def _scope(*, read_only: bool) -> str:
    return PLANNING_SCOPE if read_only else WRITING_SCOPE


def _say_address(console: Console, lead: str, address: str) -> None:
    _say(console, f"{lead}:")
    _say(console, address)


def _report(settings: Settings, login: NewLogin) -> int:
    """Say who is authorised, for what and for how long, and what is wrong with it."""
    account, console = login.account, output()
    header(
        console,
        settings,
        organization=account.organization_name or account.organization_id,
        directory="not read",
    )
    ends = f"{login.expires_at:%Y-%m-%d %H:%M} UTC" if login.expires_at else "Swit did not say"
    renewed = ", renewed by itself before that" if login.renewable else ""
    where = ", subdomain ".join(filter(None, (account.organization_id, account.subdomain)))
    for line in (
        f"Authorised: {' '.join(filter(None, (account.name, f'<{account.email}>')))}",
        f"Role: {account.role or 'not told'}",
        f"Organisation id: {where}",
        f"Scopes: {'not told' if login.scopes is None else ' '.join(login.scopes)}",
        f"Expires: {ends}{renewed}",
    ):
        _say(console, line)
    for warning in login.warnings:
        _say(errors(), f"Warning: {warning}", style="yellow")
    return 0


def _say(console: Console, line: str, *, style: str | None = None) -> None:
    """A line as it is, however long: an address must not be broken."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
