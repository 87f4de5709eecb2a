"""OAuth 2: from a log-in to a pair of tokens, and from one pair to the next."""

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol, Self
from urllib.parse import parse_qs, quote_plus

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from swit_provisioning.swit.errors import (
    SwitError,
    SwitRejectedError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.http import (
    AUTHORIZE_PATH,
    MIB,
    TOKEN_PATH,
    HttpAnswer,
    NoAuth,
    error_words,
    exchange,
    make_session,
    read_answer,
)

OAUTH_CALL = "oauth/token"
_FORM = "application/x-www-form-urlencoded"
_LEFT_OF_LIFE: Final = 1 / 5
"""A pair with less than that is renewed: of Swit's seven days, well over one."""


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """An access token, what refreshes it, until when it lives, and what it may do."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """UTC; `None` where nobody said. Swit's live 7 days."""
    scope: str | None = None
    """Separated by spaces: `user:read admin:read`; `None` where nobody said."""
    obtained_at: datetime | None = field(default=None, compare=False)
    """UTC; `None` where nobody knows."""

    def is_ending(self, now: datetime) -> bool:
        """Whether most of its life is over, where it is known how long that is."""
        return not self.has_left(_LEFT_OF_LIFE, now)

    def has_left(self, share: float, now: datetime) -> bool:
        """Whether that share of its life is left, as far as it is known how long that is."""
        if self.expires_at is None or self.obtained_at is None:
            return True
        return self.expires_at - now >= share * (self.expires_at - self.obtained_at)


class TokenSource(Protocol):
    """Where the client takes its token from."""

    def access_token(self) -> str:
        """The token to send."""

    def refreshed(self, refused: str) -> str:
        """Another token than the one that Swit refused; `SwitUnauthorizedError` if none is left."""


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
            answer = read_answer(self._post(form), call=OAUTH_CALL, secrets=hidden)
        except SwitRejectedError as error:
            words = f"{error.message} (check SWIT_CLIENT_ID and SWIT_CLIENT_SECRET too)"
            raise SwitUnauthorizedError(
                call=OAUTH_CALL, message=words, status=error.status
            ) from error
        return self._pair(answer or {})

    def _post(self, form: str) -> HttpAnswer:
        url = f"{self._base_url}{TOKEN_PATH}"
        with make_session(connections=1) as session:
            return exchange(
                session,
                call=OAUTH_CALL,
                method="POST",
                url=url,
                timeout_seconds=self._timeout,
                most_bytes=MIB,
                data=form,
                headers={"Content-Type": _FORM},
                auth=NoAuth(),
            )

    def _pair(self, answer: Mapping[str, object]) -> TokenPair:
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise SwitUnavailableError(call=OAUTH_CALL, message="the answer holds no access token")
        scope = answer.get("scope")
        return TokenPair(
            access_token=access,
            refresh_token=refresh if isinstance(refresh, str) and refresh else None,
            expires_at=self._expiry(answer.get("expires_in")),
            scope=scope if isinstance(scope, str) and scope else None,
            obtained_at=self._now(),
        )

    def _expiry(self, seconds: object) -> datetime | None:
        try:
            return self._now() + timedelta(seconds=float(str(seconds)))
        except (ValueError, OverflowError):
            return None


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


PLANNING_SCOPE: Final = "user:read admin:read"
"""What a machine needs that only plans."""
WRITING_SCOPE: Final = f"{PLANNING_SCOPE} admin:write"
"""What a machine needs that sends changes."""

_STATE_BYTES: Final = 32
# 43 characters, the least that RFC 7636 allows, hold 32 bytes.
_VERIFIER_BYTES: Final = 32


_PROOF_KEY: Final = re.compile(r"code_?challenge|code_?verifier|pkce|proof.?key", re.IGNORECASE)
_UNKNOWN: Final = re.compile(
    r"unknown|not (?:known|supported|allowed|recogni[sz]ed|expected)"
    r"|un(?:supported|recogni[sz]ed|expected)",
    re.IGNORECASE,
)


class LoginError(Exception):
    """A login did not come to its end; the message says why, and what to do. No secret in it."""


class ForeignAnswerError(LoginError):
    """The answer does not belong to this login: its state is another one."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "This address does not belong to the login that was begun: its state is another one."
            " Use the whole address that the browser ended on, or begin anew."
        )


class LoginDeclinedError(LoginError):
    """Swit, or the person there, did not agree."""

    def __init__(self, said: str) -> None:
        """Repeat what Swit said."""
        super().__init__(
            f"Swit did not agree: {said}. Log in as an administrator, agree to what is asked, and"
            " check that the app at developers.swit.io/apps has these scopes."
        )


class ProofKeyRefusedError(LoginDeclinedError):
    """Swit refused the request, perhaps for its proof key (PKCE): try again without."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login that was begun. Who knows its state could end it, so it shows in no `repr`."""

    scope: str
    state: str = field(repr=False)
    verifier: str | None = field(repr=False)
    """The proof key (RFC 7636); `None` where Swit is known not to take one."""

    @classmethod
    def begin(cls, scope: str, *, proof_key: bool = True) -> Self:
        """A new one, with a state that nobody can guess."""
        return cls(
            scope=scope,
            state=secrets.token_urlsafe(_STATE_BYTES),
            verifier=secrets.token_urlsafe(_VERIFIER_BYTES) if proof_key else None,
        )

    def without_proof_key(self) -> "Login":
        """The same begun anew, for a Swit that takes no proof key."""
        return Login.begin(self.scope, proof_key=False)

    def address(self, oauth: OAuthClient) -> str:
        """Where the browser goes."""
        return oauth.authorize_url(self.state, self.scope, verifier=self.verifier)

    def code(self, query: str) -> str:
        """The code in the query of the address that the browser ended on.

        Raises:
            ForeignAnswerError: it belongs to another login, or to none.
            ProofKeyRefusedError: Swit may not take the proof key; begin again without.
            LoginDeclinedError: there is no code in it; the message says what Swit said.

        """
        answer = parse_qs(query)
        states = answer.get("state", [])
        if len(states) != 1 or not secrets.compare_digest(states[0].encode(), self.state.encode()):
            raise ForeignAnswerError
        codes = answer.get("code", [])
        if len(codes) == 1 and "error" not in answer:
            return codes[0]
        said = _said(answer)
        is_invalid = answer.get("error") == ["invalid_request"]
        if self.verifier is not None and is_invalid and _PROOF_KEY.search(said):
            raise ProofKeyRefusedError(said)
        raise LoginDeclinedError(said)

    def redeem(self, oauth: OAuthClient, code: str) -> tuple[TokenPair, bool]:
        """The pair for the code, and whether Swit took the proof key.

        Raises:
            SwitError: Swit refuses the code, or can't be asked.

        """
        try:
            return oauth.exchange(code, verifier=self.verifier), self.verifier is not None
        except SwitUnauthorizedError as error:
            # A code that does not fit its proof key may be another login's: that stays refused.
            is_refused = error.status == HTTPStatus.BAD_REQUEST
            if self.verifier is None or not is_refused or not _is_unknown(error.message):
                raise
            try:
                return oauth.exchange(code), False
            except SwitUnauthorizedError:
                # The first refusal says more: by now the code may be used up.
                raise error from None


def _is_unknown(said: str) -> bool:
    """Whether Swit says that it does not know proof keys, rather than that this one is wrong."""
    return bool(_PROOF_KEY.search(said) and _UNKNOWN.search(said))


def _said(answer: Mapping[str, list[str]]) -> str:
    words = {name: texts[0] for name, texts in answer.items() if name.startswith("error")}
    said = error_words(words, "") if words else "there is no code in the address"
    return said.removesuffix(".")
