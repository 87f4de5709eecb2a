"""OAuth 2 with Swit: log in, exchange the code for tokens, store and refresh them."""

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol, Self
from urllib.parse import parse_qs, quote_plus

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from swit_provisioning.swit.answers import error_words, read_answer
from swit_provisioning.swit.errors import (
    SwitError,
    SwitRejectedError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.http import MIB, NoAuth, exchange, make_session

OAUTH_CALL: Final = "oauth/token"
PLANNING_SCOPE: Final = "user:read admin:read"
"""The scopes that a machine needs to make plans."""
WRITING_SCOPE: Final = f"{PLANNING_SCOPE} admin:write"
"""The scopes that a machine needs to send changes."""

_RENEWAL_SHARE: Final = 1 / 5
"""A token is renewed when less than this share of its lifetime remains."""
_RENEWAL_RETRY: Final = timedelta(minutes=10)
"""Time between a failed renewal and the next attempt, while the old token is still valid."""
_RANDOM_BYTES: Final = 32
"""Makes 43 characters, the minimum length of a PKCE verifier (RFC 7636)."""
_PKCE_ERROR: Final = re.compile(r"code_?challenge|code_?verifier|pkce|proof.?key", re.IGNORECASE)
_UNSUPPORTED_ERROR: Final = re.compile(
    r"unknown|not (?:known|supported|allowed|recogni[sz]ed|expected)"
    r"|un(?:supported|recogni[sz]ed|expected)",
    re.IGNORECASE,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """An access token and the refresh token that renews it. The tokens are not in the `repr`."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """UTC; `None` if unknown. Swit's access tokens are valid for 7 days."""
    scope: str | None = None
    """Separated by spaces, such as `user:read admin:read`; `None` if unknown."""
    obtained_at: datetime | None = field(default=None, compare=False)
    """UTC; `None` if unknown."""

    def has_left(self, share: float, now: datetime) -> bool:
        """True if at least `share` of the lifetime remains, or if the lifetime is unknown."""
        if self.expires_at is None or self.obtained_at is None:
            return True
        return self.expires_at - now >= share * (self.expires_at - self.obtained_at)


class TokenSource(Protocol):
    """Gives the client its access token."""

    def access_token(self) -> str:
        """The token to send."""

    def refreshed(self, refused: str) -> str:
        """A token other than `refused`, which Swit did not accept.

        Raises:
            SwitUnauthorizedError: there is none.

        """


class TokenStore(Protocol):
    """Keeps one pair between runs."""

    def load(self) -> TokenPair | None:
        """The stored pair."""

    def save(self, pair: TokenPair) -> None:
        """Replace the stored pair."""

    def exclusive(self) -> AbstractContextManager[object]:
        """A lock among all threads and processes that use the store."""


@dataclass(frozen=True)
class OAuthClient:
    """Calls Swit's OAuth server. The client secret is sent in the form."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_url: str
    """Must be registered with Swit."""
    timeout_seconds: float = field(default=30.0, kw_only=True)
    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC), kw_only=True)

    def authorize_url(self, state: str, scope: str, *, verifier: str | None = None) -> str:
        """The address where the browser logs in.

        Swit returns `state` with the code (RFC 6749, 10.12). With a PKCE `verifier` (RFC 7636)
        the address carries its hash; pass the verifier itself to `exchange`.
        """
        challenge = create_s256_code_challenge(verifier) if verifier else None
        address = prepare_grant_uri(
            self._url("authorize"),
            client_id=self.client_id,
            response_type="code",
            redirect_uri=self.redirect_url,
            scope=scope,
            state=state,
            code_challenge=challenge,
            code_challenge_method="S256" if challenge else None,
        )
        return str(address)

    def exchange(self, code: str, *, verifier: str | None = None) -> TokenPair:
        """Exchange the code of a login for a pair.

        Raises:
            SwitUnauthorizedError: Swit refuses the code, the verifier or the client.
            SwitUnavailableError: there is no usable answer.

        """
        return self._request(
            "authorization_code",
            hidden=(code, verifier or ""),
            redirect_uri=self.redirect_url,
            code=code,
            code_verifier=verifier,
        )

    def refresh(self, refresh_token: str) -> TokenPair:
        """The next pair. It keeps `refresh_token` if the answer contains no new one.

        Raises:
            SwitUnauthorizedError: Swit refuses the refresh token.
            SwitUnavailableError: there is no usable answer.

        """
        pair = self._request("refresh_token", hidden=(refresh_token,), refresh_token=refresh_token)
        return pair if pair.refresh_token else replace(pair, refresh_token=refresh_token)

    def _request(self, grant: str, *, hidden: tuple[str, ...], **fields: str | None) -> TokenPair:
        form = prepare_token_request(
            grant, **fields, client_id=self.client_id, client_secret=self.client_secret
        )
        hidden = (*filter(None, hidden), self.client_secret)
        with make_session(connections=1) as session:
            response = exchange(
                session,
                call=OAUTH_CALL,
                method="POST",
                url=self._url("token"),
                timeout_seconds=self.timeout_seconds,
                most_bytes=MIB,
                data=form,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                auth=NoAuth(),
            )
        try:
            answer = read_answer(
                response, call=OAUTH_CALL, secrets=(*hidden, *map(quote_plus, hidden))
            )
        except SwitRejectedError as error:
            words = f"{error.message} (check SWIT_CLIENT_ID and SWIT_CLIENT_SECRET too)"
            raise SwitUnauthorizedError(
                call=OAUTH_CALL, message=words, status=error.status
            ) from error
        return self._pair(answer or {})

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/oauth/{path}"

    def _pair(self, answer: Mapping[str, object]) -> TokenPair:
        def text(name: str) -> str | None:
            value = answer.get(name)
            return value if isinstance(value, str) and value else None

        access_token = text("access_token")
        if access_token is None:
            raise SwitUnavailableError(
                call=OAUTH_CALL, message="the answer contains no access token"
            )
        now = self.now()
        try:
            expires_at = now + timedelta(seconds=float(str(answer.get("expires_in"))))
        except (ValueError, OverflowError):
            expires_at = None
        return TokenPair(
            access_token=access_token,
            refresh_token=text("refresh_token"),
            expires_at=expires_at,
            scope=text("scope"),
            obtained_at=now,
        )


class StoredTokens:
    """The stored pair, or the first pair of the settings. Refreshed once for all users of it."""

    def __init__(
        self, oauth: OAuthClient, store: TokenStore, first: TokenPair | None = None
    ) -> None:
        """Read nothing yet. A stored pair takes precedence over `first`."""
        self._oauth = oauth
        self._store = store
        self._first = first
        self._pair: TokenPair | None = None
        self._dead_refresh_token: str | None = None
        self._renew_from: datetime | None = None

    def access_token(self) -> str:
        """The token to send. It is renewed first if its lifetime is nearly over.

        Raises:
            SwitUnauthorizedError: nobody has logged in.

        """
        pair = self._pair or self._load()
        self._pair = pair
        if not pair.access_token:
            return self.refreshed(pair.access_token)
        now = self._oauth.now()
        waits = self._renew_from is not None and now < self._renew_from
        if waits or not pair.refresh_token or pair.has_left(_RENEWAL_SHARE, now):
            return pair.access_token
        try:
            self.renew(pair)
        except SwitError as error:
            self._renew_from = now + _RENEWAL_RETRY
            until = f"{pair.expires_at:%Y-%m-%d %H:%M} UTC"
            log.warning("The login, valid until %s, could not be renewed: %s", until, error)
        return self._pair.access_token

    def refreshed(self, refused: str) -> str:
        """A token other than `refused`: one that another process obtained, or a new one.

        Raises:
            SwitUnauthorizedError: there is no refresh token, or Swit refuses it.
            SwitUnavailableError: Swit cannot be reached now.

        """
        with self._store.exclusive():
            pair = self._load()
            if pair.access_token == refused:
                try:
                    pair = self._refresh(pair)
                except SwitUnauthorizedError:
                    # A new pair in the settings replaces a stored pair that no longer works.
                    if self._first is None or self._first == pair or not self._first.access_token:
                        raise
                    pair = self._first
                    self._store.save(pair)
            self._pair = pair
            return pair.access_token

    def renew(self, ending: TokenPair) -> None:
        """Replace `ending` by a new pair, unless another process has done so.

        Raises:
            SwitUnauthorizedError: there is no refresh token, or Swit refuses it.
            SwitUnavailableError: Swit cannot be reached now.

        """
        with self._store.exclusive():
            pair = self._load()
            if pair.access_token == ending.access_token:
                pair = self._refresh(pair)
            self._pair = pair

    def _load(self) -> TokenPair:
        pair = self._store.load() or self._first
        if pair is None:
            words = "no token is stored, and SWIT_ACCESS_TOKEN is not set"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        return pair

    def _refresh(self, pair: TokenPair) -> TokenPair:
        """The next pair, stored.

        Swit sends each pair only once. The old pair is saved before the request, which proves that
        the store accepts writes. The new pair is saved first of all after it.
        """
        if not pair.refresh_token:
            words = "Swit refuses the access token, and no refresh token is stored"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        if pair.refresh_token == self._dead_refresh_token:
            words = "Swit has refused the refresh token"
            raise SwitUnauthorizedError(call=OAUTH_CALL, message=words)
        self._store.save(pair)
        try:
            new = self._oauth.refresh(pair.refresh_token)
        except SwitUnauthorizedError:
            # All calls in flight come here, but only one asks Swit.
            self._dead_refresh_token = pair.refresh_token
            raise
        self._store.save(new)
        return new


class LoginError(Exception):
    """A login failed. The message says why and what to do; it contains no secret."""


class ForeignAnswerError(LoginError):
    """The answer contains the state of another login."""

    def __init__(self) -> None:
        """Make the message."""
        super().__init__(
            "This address belongs to another login: its state is not the one that was sent. Use the"
            " whole address of the page where the browser ended, or start again."
        )


class LoginDeclinedError(LoginError):
    """Swit, or the person who logged in, declined."""

    def __init__(self, answer: str) -> None:
        """Repeat Swit's `answer`."""
        super().__init__(
            f"Swit declined the login: {answer}. Log in as an administrator, allow the access, and"
            " check that the app at developers.swit.io/apps has these scopes."
        )


class PkceRefusedError(LoginDeclinedError):
    """Swit refused the request because of PKCE: start again without it."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login that was started. Its state and verifier are secret."""

    scope: str
    state: str = field(repr=False)
    verifier: str | None = field(repr=False)
    """The PKCE verifier (RFC 7636); `None` if Swit refused PKCE."""

    @classmethod
    def begin(cls, scope: str, *, pkce: bool = True) -> Self:
        """A new login with a random state."""
        return cls(
            scope=scope,
            state=secrets.token_urlsafe(_RANDOM_BYTES),
            verifier=secrets.token_urlsafe(_RANDOM_BYTES) if pkce else None,
        )

    def without_pkce(self) -> "Login":
        """A new login with the same scope and without PKCE."""
        return Login.begin(self.scope, pkce=False)

    def address(self, oauth: OAuthClient) -> str:
        """The address where the browser logs in."""
        return oauth.authorize_url(self.state, self.scope, verifier=self.verifier)

    def code(self, query: str) -> str:
        """The code in the query of the address that the browser ended on.

        Raises:
            ForeignAnswerError: the answer belongs to another login.
            PkceRefusedError: Swit refused PKCE; start again without it.
            LoginDeclinedError: there is no code; the message contains Swit's answer.

        """
        answer = parse_qs(query)
        states = answer.get("state", [])
        if len(states) != 1 or not secrets.compare_digest(states[0].encode(), self.state.encode()):
            raise ForeignAnswerError
        codes = answer.get("code", [])
        if len(codes) == 1 and "error" not in answer:
            return codes[0]
        words = {name: texts[0] for name, texts in answer.items() if name.startswith("error")}
        reason = error_words(words, "") if words else "there is no code in the address"
        is_invalid = answer.get("error") == ["invalid_request"]
        if self.verifier is not None and is_invalid and _PKCE_ERROR.search(reason):
            raise PkceRefusedError(reason.removesuffix("."))
        raise LoginDeclinedError(reason.removesuffix("."))

    def redeem(self, oauth: OAuthClient, code: str) -> tuple[TokenPair, bool]:
        """The pair for the code, and whether Swit accepted PKCE.

        Raises:
            SwitError: Swit refuses the code, or cannot be reached.

        """
        try:
            return oauth.exchange(code, verifier=self.verifier), self.verifier is not None
        except SwitUnauthorizedError as error:
            # Only if Swit does not support PKCE. A code that does not match its verifier may come
            # from another login, and must not be used.
            is_unsupported = (
                error.status == HTTPStatus.BAD_REQUEST
                and _PKCE_ERROR.search(error.message)
                and _UNSUPPORTED_ERROR.search(error.message)
            )
            if self.verifier is None or not is_unsupported:
                raise
            try:
                return oauth.exchange(code), False
            except SwitUnauthorizedError:
                # The first error is the useful one: the code may be used up by now.
                raise error from None
