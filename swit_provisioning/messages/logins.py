"""A login that will end: told while there is time to log in again. The daemon keeps it alive."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from swit_provisioning.messages.alarms import LOGIN, begin, end
from swit_provisioning.messages.watch import Watch
from swit_provisioning.reconcile.text import clock
from swit_provisioning.resources.swit_access import TokensInStore, oauth_client
from swit_provisioning.settings import Settings
from swit_provisioning.store.errors import TokensUnreadableError
from swit_provisioning.store.store import Store
from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError
from swit_provisioning.swit.oauth import TokenPair
from swit_provisioning.swit.stored_tokens import StoredTokens

DAYS_AHEAD: Final = timedelta(days=3)
"""Of a login that can't be renewed: it is told so long before its end."""
_ASKED_EVERY: Final = timedelta(hours=1)
_HALF: Final = 1 / 2
_EIGHTH: Final = 1 / 8
_WAY_OUT: Final = "Log in again: swit-provisioning login. What is stored is replaced by it."


def look_after_login(store: Store, settings: Settings, watch: Watch, now: datetime) -> Watch:
    """Renew the stored login in good time; tell if that can't be done, and when it is over."""
    pair = _stored(store, settings)
    if pair is None or pair.expires_at is None:
        return watch
    if pair.refresh_token is None:
        _tell_of_the_end(store, settings, pair, pair.expires_at, now)
    elif pair.has_left(_HALF, now):
        _well(store, settings, pair.expires_at)
    elif not (settings.missing("swit", token_stored=True) or _asked_lately(watch, now)):
        _renew(store, settings, pair, pair.expires_at, now)
        return replace(watch, asked=now)
    return watch


def _stored(store: Store, settings: Settings) -> TokenPair | None:
    """The pair, unless nobody needs one; one that can't be read is told."""
    if settings.is_on_bundled_sandbox:
        return None
    try:
        return TokensInStore(store).load()
    except TokensUnreadableError as error:
        begin(store, settings, LOGIN, "unreadable", "the stored login can't be read.", str(error))
        return None


def _asked_lately(watch: Watch, now: datetime) -> bool:
    return watch.asked is not None and now - watch.asked < _ASKED_EVERY


def _tell_of_the_end(
    store: Store, settings: Settings, pair: TokenPair, ends: datetime, now: datetime
) -> None:
    if ends - now > DAYS_AHEAD and pair.has_left(_HALF, now):
        _well(store, settings, ends)
        return
    verb = "ended" if ends <= now else "ends"
    begin(
        store,
        settings,
        LOGIN,
        _about(pair),
        f"the login {verb} on {clock(ends)} and can't be renewed: it has no refresh token.",
        _WAY_OUT,
    )


def _renew(
    store: Store, settings: Settings, pair: TokenPair, ends: datetime, now: datetime
) -> None:
    try:
        StoredTokens(oauth_client(settings), TokensInStore(store)).renew(pair)
    except SwitUnauthorizedError as error:
        verb = "has ended" if ends <= now else f"works until {clock(ends)}"
        said = f"Swit refuses to renew the login; it {verb}."
        begin(store, settings, LOGIN, _about(pair), said, str(error), _WAY_OUT)
    except SwitError as error:
        # Swit may be down for a night; a run tells that by itself.
        if not pair.has_left(_EIGHTH, now):
            said = f"the login ends on {clock(ends)}, and Swit can't be asked to renew it."
            begin(store, settings, LOGIN, _about(pair), said, str(error))
    else:
        renewed = TokensInStore(store).load()
        _well(store, settings, renewed.expires_at if renewed else None)


def _well(store: Store, settings: Settings, ends: datetime | None) -> None:
    until = f", good until {clock(ends)}" if ends else ""
    end(store, settings, LOGIN, f"over: there is a login that works{until}.")


def _about(pair: TokenPair) -> str:
    return pair.obtained_at.isoformat() if pair.obtained_at else "the stored one"
