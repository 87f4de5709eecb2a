"""`login`: an administrator lets this program act for them, in any browser, on any machine."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from swit_provisioning.cli.browser_login import BrowserLogin, open_browser
from swit_provisioning.cli.console import errors, output
from swit_provisioning.cli.given_pair import (
    LONGEST_DOCUMENT,
    pair_from_json,
    pair_from_service_accounts,
)
from swit_provisioning.cli.tables import header
from swit_provisioning.resources.login import NewLogin, finish, keep, require_login_settings
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.swit_access import oauth_client
from swit_provisioning.settings import Settings
from swit_provisioning.swit.login import (
    PLANNING_SCOPE,
    WRITING_SCOPE,
    Login,
    ProofKeyRefusedError,
)


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
