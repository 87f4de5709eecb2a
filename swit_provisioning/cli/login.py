"""`login`: store an administrator's login, made in a browser or given as a pair of tokens."""

import socket
import sqlite3
import sys
import threading
import webbrowser
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import click
import uvicorn
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from swit_provisioning.cli.console import errors, output, print_header, print_text
from swit_provisioning.cli.framework import UnusableInputError, refuse_together
from swit_provisioning.gateway.login_pages import logged_in, login_failed, page
from swit_provisioning.gateway.serve import ListenError, bracketed, is_loopback, listen
from swit_provisioning.operations.connections import oauth_client
from swit_provisioning.operations.new_login import (
    NewLogin,
    finish_login,
    require_login_settings,
    store_login,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.store import Store
from swit_provisioning.swit import auth
from swit_provisioning.swit.errors import SwitError

MAX_JSON_LENGTH: Final = 64 * 1024
"""Characters that are read from standard input."""

_HTTP_PORT: Final = 80
_EXAMPLE: Final = '{"access_token": "...", "refresh_token": "..."}'
_REFERENCE_ACCOUNT: Final = "service_account"
"""The user name under which the reference program stores its pair."""
_TOKEN_LIFETIME: Final = timedelta(days=7)
"""The reference program stores only when it obtained a token."""
_NAME_THE_FILE: Final = (
    "Name the reference program's database: swit-provisioning login --import service_accounts.db"
)


def login(
    settings: Settings,
    *,
    paste: bool,
    from_stdin: bool,
    import_from: Path | None,
    read_only: bool,
    wait_seconds: int,
) -> int:
    """Store a login: made in a browser here or elsewhere, or a given pair of tokens."""
    refuse_together(**{"paste": paste, "from_stdin": from_stdin, "import": import_from})
    if read_only and (from_stdin or import_from):
        message = "--read-only does not apply to an existing pair of tokens. Leave it out."
        raise click.UsageError(message)
    require_login_settings(settings)
    pair = None
    if from_stdin:
        pair = pair_from_json(sys.stdin.read(MAX_JSON_LENGTH + 1), now=datetime.now(UTC))
    elif import_from is not None:
        pair = pair_from_service_accounts(import_from)
    scope = auth.PLANNING_SCOPE if read_only else auth.WRITING_SCOPE
    with open_store(settings) as store:
        if pair is not None:
            new = store_login(settings, store, pair)
        elif paste:
            new = _paste(settings, store, auth.Login.begin(scope))
        else:
            new = BrowserLogin(settings, store, scope).wait(wait_seconds)
    _print_login(settings, new)
    if import_from is not None:
        print_text(
            output(),
            "Stop the reference program: the first refresh here may end its login. Then remove"
            f" {import_from}: it contains the tokens in plain text.",
        )
    return 0


def _paste(settings: Settings, store: Store, login: auth.Login) -> NewLogin:
    """Print the address to open in any browser, and ask for the address that it ended on."""
    while True:
        print_text(errors(), "Open this address as an administrator of the organisation:")
        print_text(errors(), login.address(oauth_client(settings)))
        end = f"{settings.swit_redirect_url}?code=..."
        print_text(errors(), f"It ends on {end} (an error page there does not matter).")
        address = str(click.prompt("The address it ended on", err=True))
        try:
            return finish_login(settings, store, login, urlsplit(address.strip()).query)
        except auth.PkceRefusedError:
            print_text(errors(), "Swit refuses PKCE. Log in once more, without it.")
            login = login.without_pkce()


def _print_login(settings: Settings, login: NewLogin) -> None:
    """Print whose login it is, what it may do, when it expires, and its warnings."""
    account, console = login.account, output()
    organization = account.organization_name or account.organization_id
    print_header(console, settings, organization=organization, directory="not read")
    ends = f"{login.expires_at:%Y-%m-%d %H:%M} UTC" if login.expires_at else "Swit did not say"
    renewed = ", renewed automatically before that" if login.renewable else ""
    ids = ", subdomain ".join(filter(None, (account.organization_id, account.subdomain)))
    for line in (
        f"Authorised: {' '.join(filter(None, (account.name, f'<{account.email}>')))}",
        f"Role: {account.role or 'unknown'}",
        f"Organisation id: {ids}",
        f"Scopes: {'unknown' if login.scopes is None else ' '.join(login.scopes)}",
        f"Expires: {ends}{renewed}",
    ):
        print_text(console, line)
    for warning in login.warnings:
        print_text(errors(), f"Warning: {warning}", style="yellow")


class BrowserLogin:
    """A login whose browser comes back to `SWIT_REDIRECT_URL` on this machine."""

    def __init__(self, settings: Settings, store: Store, scope: str) -> None:
        self._settings, self._store = settings, store
        self._login = auth.Login.begin(scope)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._outcome: NewLogin | Exception | None = None

    def wait(self, seconds: float) -> NewLogin:
        """Listen, open the browser, and wait until it has come back.

        Raises:
            SettingsError: `SWIT_REDIRECT_URL` is not an http address of this machine.
            ListenError: nothing can listen there.
            LoginError: the browser did not come back in time, or Swit declined.
            SwitError: Swit refuses the code, cannot be reached, or it is another organisation's.
            StoreError: the login cannot be stored.

        """
        sockets, path = _listen_for_callback(self._settings.swit_redirect_url)
        config = uvicorn.Config(
            Starlette(routes=[Route(path, self._answer, methods=["GET"])]),
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
            address = self._login.address(oauth_client(self._settings))
            print_text(errors(), "A browser opens. If it does not, open this address:")
            print_text(errors(), address)
            # In a thread, because a browser may keep the terminal until it is closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            self._over.wait(seconds)
        finally:
            server.should_exit = True
            thread.join()
        with self._lock:
            outcome = self._outcome
        if outcome is None:
            message = (
                f"The browser did not come back from Swit within {seconds:g} seconds. Start again."
                " If no browser can reach this machine: swit-provisioning login --paste"
            )
            raise auth.LoginError(message)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _answer(self, request: Request) -> Response:
        # One at a time: a browser may ask twice, and a code can be used once.
        with self._lock:
            if self._outcome is not None:
                return page("This login is over", ["You may close this page."], status=409)
            over = BackgroundTask(self._over.set)
            try:
                self._outcome = finish_login(
                    self._settings, self._store, self._login, request.url.query
                )
            except auth.ForeignAnswerError as error:
                # Any page can send a browser here; the login goes on.
                return login_failed(error)
            except auth.PkceRefusedError:
                self._login = self._login.without_pkce()
                address = self._login.address(oauth_client(self._settings))
                return RedirectResponse(address, status_code=303)
            except (auth.LoginError, SwitError, StoreError) as error:
                self._outcome = error
                return login_failed(error, then=over)
            return logged_in(self._outcome, then=over)


def _listen_for_callback(redirect_url: str) -> tuple[list[socket.socket], str]:
    """Sockets that listen at the redirect address, and its path."""
    parts = urlsplit(redirect_url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(host):
        problem = (
            f"SWIT_REDIRECT_URL: {redirect_url} is no http address of this machine, so this command"
            " cannot wait for the browser there. Log in with: swit-provisioning login --paste (or,"
            " if the gateway answers there, at its address /login)"
        )
        raise SettingsError([problem])
    port = parts.port or _HTTP_PORT
    try:
        return listen(host, port), parts.path or "/"
    except ListenError as error:
        message = (
            f"{error} If the gateway uses it, log in at http://{bracketed(host)}:{port}/login."
            " Otherwise: swit-provisioning login --paste"
        )
        raise ListenError(message) from error


_Token = Annotated[str, Field(min_length=1)]


class _PairDocument(BaseModel):
    """The token endpoint's answer; `expires_at` takes precedence over `expires_in`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: _Token
    refresh_token: _Token | None = None
    expires_in: float | None = Field(default=None, gt=0, le=10 * 365 * 24 * 3600)
    expires_at: AwareDatetime | None = None
    scope: str | None = None


def pair_from_json(text: str, *, now: datetime) -> auth.TokenPair:
    """The pair in a JSON document.

    Raises:
        UnusableInputError: the document contains no pair; the message repeats nothing of it.

    """
    problem = "it is longer than any pair" if len(text) > MAX_JSON_LENGTH else ""
    try:
        found = None if problem else _PairDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        found, problem = None, f"{where}: {first['msg']}" if where else "it is no JSON object"
    if found is None:
        message = (
            f"Standard input contains no pair of tokens: {problem}. Give one such as\n{_EXAMPLE}"
        )
        raise UnusableInputError(message) from None
    expires_at = found.expires_at
    if expires_at is None and found.expires_in:
        expires_at = now + timedelta(seconds=found.expires_in)
    return auth.TokenPair(
        access_token=found.access_token,
        refresh_token=found.refresh_token,
        expires_at=expires_at,
        scope=found.scope or None,
    )


def pair_from_service_accounts(path: Path) -> auth.TokenPair:
    """The pair in the reference program's `service_accounts.db`, which is only read.

    Its table `service_accounts` has `username`, `access_token`, `refresh_token` and `updated_at`
    (UTC). The program uses one row: `service_account`.

    Raises:
        UnusableInputError: there is no such file, or no usable row in it.

    """
    if not path.is_file():
        message = f"{path} is not a file. {_NAME_THE_FILE}"
        raise UnusableInputError(message)
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            rows = database.execute(
                "SELECT username, access_token, refresh_token, updated_at FROM service_accounts"
            ).fetchall()
    except sqlite3.Error as error:
        message = (
            f"{path} cannot be read as the reference program's service_accounts.db: {error}."
            f" {_NAME_THE_FILE}"
        )
        raise UnusableInputError(message) from error
    if len(rows) > 1:
        rows = [row for row in rows if row[0] == _REFERENCE_ACCOUNT]
    _, access, refresh, updated = rows[0] if len(rows) == 1 else (None,) * 4
    if not isinstance(access, str) or not access:
        no_row = f"its table service_accounts has no row {_REFERENCE_ACCOUNT}"
        problem = "its access_token is empty" if len(rows) == 1 else no_row
        message = f"{path} contains no login: {problem}. Log in again: swit-provisioning login"
        raise UnusableInputError(message)
    try:
        expires_at = datetime.fromisoformat(str(updated)).replace(tzinfo=UTC) + _TOKEN_LIFETIME
    except ValueError:
        expires_at = None
    return auth.TokenPair(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        expires_at=expires_at,
    )
