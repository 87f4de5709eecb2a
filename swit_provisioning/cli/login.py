"""`login`: an administrator lets this program act for them, in any browser, on any machine."""

import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from swit_provisioning.cli.console import errors
from swit_provisioning.resources.connections import open_store
from swit_provisioning.resources.swit_access import (
    TokensInStore,
    oauth_client,
    swit_connection,
)
from swit_provisioning.sandbox.tokens import DEFAULT_SCOPE
from swit_provisioning.settings import Settings, SettingsError


def log_in(settings: Settings, *, ask: Callable[[], str]) -> int:
    """Print where to log in, take the address the browser ended on, store the tokens.

    Raises:
        SettingsError: the OAuth client is not set, or the address is not the one of this login.

    """
    settings.require("swit", token_stored=True)
    console = errors()
    state = secrets.token_urlsafe(16)
    oauth = oauth_client(settings)
    console.print("Open this address as an administrator of the organisation:")
    console.print(
        oauth.authorize_url(state=state, scope=DEFAULT_SCOPE),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"The browser ends on {settings.swit_redirect_url}?code=... "
        "(that nothing answers there does not matter)."
    )
    pair = oauth.exchange(_code(ask(), state))
    with open_store(settings) as store:
        TokensInStore(store).save(pair)
        with swit_connection(settings, store) as client:
            me = client.user_info()
    console.print(f"Stored: the login of {me.email}.", markup=False)
    return 0


def _code(address: str, state: str) -> str:
    """The code in the address; only if it belongs to the login that was begun here."""
    answer = parse_qs(urlsplit(address.strip()).query)
    if answer.get("state") != [state]:
        problem = (
            "the address is not of this login (its state differs); paste it whole, or begin anew"
        )
        raise SettingsError([problem])
    if "code" not in answer:
        said = " ".join(answer.get("error_description", answer.get("error", ["no code in it"])))
        raise SettingsError([f"Swit did not agree: {said}. Begin anew: swit-provisioning login"])
    return answer["code"][0]
