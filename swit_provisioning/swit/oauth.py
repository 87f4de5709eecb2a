"""OAuth 2: from a log-in to a pair of tokens, and from one pair to the next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from urllib.parse import quote_plus

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from swit_provisioning.swit.answers import read_answer
from swit_provisioning.swit.calls import AUTHORIZE_PATH, MIB, TOKEN_PATH
from swit_provisioning.swit.errors import (
    SwitRejectedError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.session import HttpAnswer, NoAuth, exchange, make_session

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
