"""The pair of tokens in use: from the store, refreshed once for all, well before it ends."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from swit_provisioning.swit.errors import SwitError, SwitUnauthorizedError
from swit_provisioning.swit.oauth import OAUTH_CALL, OAuthClient, TokenPair

_TRY_AGAIN: Final = timedelta(minutes=10)
"""After a renewal that failed while the pair still lives."""

log = logging.getLogger(__name__)


class TokenStore(Protocol):
    """Where a pair rests between runs."""

    def load(self) -> TokenPair | None:
        """The pair saved last."""

    def save(self, pair: TokenPair) -> None:
        """Keep a pair instead of the one before."""

    def exclusive(self) -> AbstractContextManager[object]:
        """Only one, of all threads and processes, is in here at a time."""


class StoredTokens:
    """The tokens of the store, or the first pair where it holds none; refreshed once for all."""

    def __init__(
        self,
        oauth: OAuthClient,
        store: TokenStore,
        first: TokenPair | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read nothing yet. Once a pair is stored it is newer than `first`, and wins."""
        self._oauth = oauth
        self._store = store
        self._first = first
        self._now = now
        self._pair: TokenPair | None = None
        self._dead_refresh_token: str | None = None
        self._renew_from: datetime | None = None

    def access_token(self) -> str:
        """The token to send; a new one where the old one has not long to live.

        Raises:
            SwitUnauthorizedError: nobody has logged in yet.

        """
        pair = self._pair or self._load()
        self._pair = pair
        if not pair.access_token:
            return self.refreshed(pair.access_token)
        return self._renewed(pair) if self._is_due(pair) else pair.access_token

    def refreshed(self, refused: str) -> str:
        """Another token than `refused`: one that somebody else got meanwhile, or a new one.

        Raises:
            SwitUnauthorizedError: there is no refresh token, or Swit refuses it.
            SwitUnavailableError: Swit can't be asked now.

        """
        with self._store.exclusive():
            pair = self._load()
            if pair.access_token == refused:
                try:
                    pair = self._refresh(pair)
                except SwitUnauthorizedError:
                    # A pair set anew in the settings is the way out when the stored one has died.
                    if self._first is None or self._first == pair or not self._first.access_token:
                        raise
                    pair = self._first
                    self._store.save(pair)
            self._pair = pair
            return pair.access_token

    def renew(self, ending: TokenPair) -> None:
        """Get the pair after this one, unless somebody has got it meanwhile.

        Raises:
            SwitUnauthorizedError: there is no refresh token, or Swit refuses it.
            SwitUnavailableError: Swit can't be asked now.

        """
        with self._store.exclusive():
            pair = self._load()
            if pair.access_token == ending.access_token:
                pair = self._refresh(pair)
            self._pair = pair

    def _renewed(self, ending: TokenPair) -> str:
        """The next token. If none is to be had now, the old one will still do."""
        try:
            self.renew(ending)
        except SwitError as error:
            self._renew_from = self._now() + _TRY_AGAIN
            until = f"{ending.expires_at:%Y-%m-%d %H:%M} UTC"
            log.warning("The login, good until %s, could not be renewed: %s", until, error)
            return ending.access_token
        return (self._pair or ending).access_token

    def _is_due(self, pair: TokenPair) -> bool:
        now = self._now()
        waits = self._renew_from is not None and now < self._renew_from
        return not waits and bool(pair.refresh_token) and pair.is_ending(now)

    def _load(self) -> TokenPair:
        pair = self._store.load() or self._first
        if pair is None:
            words = "no token is stored, and SWIT_ACCESS_TOKEN is not set"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        return pair

    def _refresh(self, pair: TokenPair) -> TokenPair:
        """The next pair, stored. Swit gives it once: so first the store must take what is there."""
        if not pair.refresh_token:
            words = "the access token is refused, and there is no refresh token with it"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        if pair.refresh_token == self._dead_refresh_token:
            words = "the refresh token was refused before"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        self._store.save(pair)
        try:
            new = self._oauth.refresh(pair.refresh_token)
        except SwitUnauthorizedError:
            # Every call in flight comes here; Swit is asked once.
            self._dead_refresh_token = pair.refresh_token
            raise
        # First of all: the old refresh token may be dead already.
        self._store.save(new)
        return new
