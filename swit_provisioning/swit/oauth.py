"""OAuth 2: from a log-in to a pair of tokens, and one refresh at a time when Swit refuses one."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import quote_plus

import requests
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from swit_provisioning.swit.answers import read_answer
from swit_provisioning.swit.calls import AUTHORIZE_PATH, TOKEN_PATH
from swit_provisioning.swit.errors import (
    SwitRejectedError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.session import EXCHANGE_ERRORS, NoAuth, make_session, unreachable

_CALL = "oauth/token"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """An access token, what refreshes it, until when it lives, and what it may do."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """UTC; `None` where nobody said. Swit's live 7 days."""
    scope: str | None = None
    """Separated by spaces: `user:read admin:read`; `None` where nobody said."""


class TokenSource(Protocol):
    """Where the client takes its token from."""

    def access_token(self) -> str:
        """The token to send."""

    def refreshed(self, refused: str) -> str:
        """Another token than the one that Swit refused; `SwitUnauthorizedError` if none is left."""


class TokenStore(Protocol):
    """Where a pair rests between runs."""

    def load(self) -> TokenPair | None:
        """The pair saved last."""

    def save(self, pair: TokenPair) -> None:
        """Keep a pair instead of the one before."""

    def exclusive(self) -> AbstractContextManager[object]:
        """Only one, of all threads and processes, is in here at a time."""


class OAuthClient:
    """Speaks to Swit's OAuth server: authorization code and refresh, client secret in the form."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        redirect_url: str,
        *,
        timeout_seconds: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Connect nothing yet; `redirect_url` is one that is registered with Swit."""
        self._base_url = base_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_url = redirect_url
        self._timeout = timeout_seconds
        self._now = now

    def authorize_url(self, state: str, scope: str, *, verifier: str | None = None) -> str:
        """Where a browser goes to log in; `state` comes back with the code (RFC 6749, 10.12).

        `verifier` is a proof key (RFC 7636): its hash goes along, it itself to `exchange`.
        """
        challenge = create_s256_code_challenge(verifier) if verifier else None
        address = prepare_grant_uri(
            f"{self._base_url}{AUTHORIZE_PATH}",
            client_id=self._client_id,
            response_type="code",
            redirect_uri=self._redirect_url,
            scope=scope,
            state=state,
            code_challenge=challenge,
            code_challenge_method="S256" if challenge else None,
        )
        return str(address)

    def exchange(self, code: str, *, verifier: str | None = None) -> TokenPair:
        """The pair for the code that a log-in brought, with the proof key that it began with.

        Raises:
            SwitUnauthorizedError: Swit refuses code or client: log in again, check the settings.
            SwitUnavailableError: no usable answer.

        """
        form = prepare_token_request(
            "authorization_code",
            redirect_uri=self._redirect_url,
            code=code,
            code_verifier=verifier,
            client_id=self._client_id,
            client_secret=self._client_secret,
        )
        return self._request(form, secrets=tuple(filter(None, (code, verifier))))

    def refresh(self, refresh_token: str) -> TokenPair:
        """The next pair; it keeps `refresh_token` where the answer brings no new one.

        Raises:
            SwitUnauthorizedError: Swit refuses it: log in again.
            SwitUnavailableError: no usable answer.

        """
        form = prepare_token_request(
            "refresh_token",
            refresh_token=refresh_token,
            client_id=self._client_id,
            client_secret=self._client_secret,
        )
        pair = self._request(form, secrets=(refresh_token,))
        return pair if pair.refresh_token else replace(pair, refresh_token=refresh_token)

    def _request(self, form: str, *, secrets: tuple[str, ...]) -> TokenPair:
        hidden = (*secrets, self._client_secret)
        hidden = (*hidden, *map(quote_plus, hidden))
        try:
            answer = read_answer(self._post(form), call=_CALL, secrets=hidden)
        except SwitRejectedError as error:
            words = f"{error.message} (check SWIT_CLIENT_ID and SWIT_CLIENT_SECRET too)"
            raise SwitUnauthorizedError(call=_CALL, message=words, status=error.status) from error
        return self._pair(answer or {})

    def _post(self, form: str) -> requests.Response:
        url = f"{self._base_url}{TOKEN_PATH}"
        try:
            with make_session(connections=1) as session:
                return session.post(
                    url,
                    data=form,
                    headers={"Content-Type": _FORM},
                    auth=NoAuth(),
                    timeout=self._timeout,
                    allow_redirects=False,
                )
        except EXCHANGE_ERRORS as error:
            raise unreachable(
                call=_CALL, url=url, timeout_seconds=self._timeout, error=error
            ) from error

    def _pair(self, answer: Mapping[str, object]) -> TokenPair:
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise SwitUnavailableError(call=_CALL, message="the answer holds no access token")
        scope = answer.get("scope")
        return TokenPair(
            access_token=access,
            refresh_token=refresh if isinstance(refresh, str) and refresh else None,
            expires_at=self._expiry(answer.get("expires_in")),
            scope=scope if isinstance(scope, str) and scope else None,
        )

    def _expiry(self, seconds: object) -> datetime | None:
        try:
            return self._now() + timedelta(seconds=float(str(seconds)))
        except (ValueError, OverflowError):
            return None


class StoredTokens:
    """The tokens of the store, or the first pair where it holds none; refreshed once for all."""

    def __init__(
        self, oauth: OAuthClient, store: TokenStore, first: TokenPair | None = None
    ) -> None:
        """Read nothing yet. Once a pair is stored it is newer than `first`, and wins."""
        self._oauth = oauth
        self._store = store
        self._first = first
        self._pair: TokenPair | None = None
        self._dead_refresh_token: str | None = None

    def access_token(self) -> str:
        """The token to send.

        Raises:
            SwitUnauthorizedError: nobody has logged in yet.

        """
        pair = self._pair or self._load()
        self._pair = pair
        return pair.access_token or self.refreshed(pair.access_token)

    def refreshed(self, refused: str) -> str:
        """Another token than `refused`: one that somebody else got meanwhile, or a new one.

        Raises:
            SwitUnauthorizedError: there is no refresh token, or Swit refuses it.
            SwitUnavailableError: Swit can't be asked now.

        """
        with self._store.exclusive():
            pair = self._load()
            if pair.access_token == refused:
                pair = self._refresh(pair)
                # First of all: the old refresh token may be dead already.
                self._store.save(pair)
            self._pair = pair
            return pair.access_token

    def _load(self) -> TokenPair:
        pair = self._store.load() or self._first
        if pair is None:
            words = "no token is stored, and SWIT_ACCESS_TOKEN is not set"
            raise SwitUnauthorizedError(call=_CALL, message=words)
        return pair

    def _refresh(self, pair: TokenPair) -> TokenPair:
        if not pair.refresh_token:
            words = "the access token is refused, and there is no refresh token with it"
            raise SwitUnauthorizedError(call=_CALL, message=words)
        if pair.refresh_token == self._dead_refresh_token:
            words = "the refresh token was refused before"
            raise SwitUnauthorizedError(call=_CALL, message=words)
        try:
            return self._oauth.refresh(pair.refresh_token)
        except SwitUnauthorizedError:
            # Every call in flight comes here; Swit is asked once.
            self._dead_refresh_token = pair.refresh_token
            # A pair set anew in the settings is the way out when the stored one has died.
            if self._first is not None and self._first != pair and self._first.access_token:
                return self._first
            raise
