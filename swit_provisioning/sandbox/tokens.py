"""The OAuth client, codes, access and refresh tokens, and their scopes."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from swit_provisioning.sandbox.model import RefusedError
from swit_provisioning.sandbox.organisation import Organisation

SANDBOX_CLIENT_ID = "sandbox-client"
SANDBOX_CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - for everyone
SANDBOX_REDIRECT_URLS = (
    "http://127.0.0.1:5000/oauth_callback",
    "http://localhost:5000/oauth_callback",
)
SCOPES = ("user:read", "admin:read", "admin:write", "app:install")
DEFAULT_SCOPE = "user:read admin:read admin:write"
WEEK_SECONDS = 604_800
_CODE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The user and the scopes of a token. A bot's token belongs to no person."""

    user_id: str
    scopes: frozenset[str]
    expires_at: float

    @property
    def bot(self) -> bool:
        """True if the token belongs to the app and the organisation."""
        return "app:install" in self.scopes


@dataclass(frozen=True, kw_only=True)
class _Code:
    redirect_url: str
    grant: Grant
    challenge: str | None


class Tokens:
    """The codes and tokens of the sandbox. Thread-safe; times are seconds of `clock`.

    `expires_in` can be changed at any time; it applies to new tokens.
    """

    def __init__(
        self,
        organisation: Organisation,
        *,
        redirect_urls: Collection[str] = SANDBOX_REDIRECT_URLS,
        expires_in: int = WEEK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept one client; tokens are valid for `expires_in` seconds."""
        self.client_id = SANDBOX_CLIENT_ID
        self.client_secret = SANDBOX_CLIENT_SECRET
        self.redirect_urls = tuple(redirect_urls)
        self.expires_in = expires_in
        self._organisation = organisation
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}

    def code_for(self, *, redirect_url: str, scope: str, challenge: str | None = None) -> str:
        """A code that can be exchanged once. Raises `RefusedError` (400) for a wrong scope.

        `challenge` is the PKCE challenge of the login, if it sent one.
        """
        grant = self._grant(scope, seconds=_CODE_SECONDS)
        code = secrets.token_urlsafe(16)
        with self._lock:
            self._codes[code] = _Code(redirect_url=redirect_url, grant=grant, challenge=challenge)
        return code

    def exchange(
        self, *, code: str, redirect_url: str, verifier: str | None = None
    ) -> dict[str, Any]:
        """The tokens for a code.

        Raises:
            RefusedError: 400: used, expired, for another address, or with a wrong verifier.

        """
        with self._lock:
            found = self._codes.pop(code, None)
        known = found is not None and found.redirect_url == redirect_url
        if found is None or not known or found.grant.expires_at <= self._clock():
            raise RefusedError(400, "The code is unknown, used, or for another redirect_uri.")
        if found.challenge is not None and found.challenge != _challenge(verifier or ""):
            raise RefusedError(400, "The code_verifier does not fit the code_challenge.")
        return self.issue(" ".join(sorted(found.grant.scopes)))

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens for a refresh token, which is then invalid unless `Behaviour` keeps it.

        Raises:
            RefusedError: 400, the token is unknown or has been used.

        """
        stays = self._organisation.behaviour.refreshing == "stays"
        with self._lock:
            grant = self._refresh.get(refresh_token)
            if grant is None:
                raise RefusedError(400, "The refresh token is not valid.")
            if not stays:
                del self._refresh[refresh_token]
        answer = self.issue(" ".join(sorted(grant.scopes)))
        if stays:
            with self._lock:
                del self._refresh[answer.pop("refresh_token")]
        return answer

    def issue(self, scope: str = DEFAULT_SCOPE) -> dict[str, Any]:
        """A new pair as the token endpoint returns it. Raises `RefusedError` (400)."""
        grant = self._grant(scope, seconds=self.expires_in)
        access, refresh = self._jwt(grant), secrets.token_urlsafe(32)
        with self._lock:
            self._access[access] = grant
            self._refresh[refresh] = grant
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh,
            "scope": " ".join(sorted(grant.scopes)),
        }

    def grant_of(self, authorization: str | None) -> Grant:
        """The grant of an `Authorization` header. Raises `RefusedError` (401)."""
        kind, _, token = (authorization or "").partition(" ")
        with self._lock:
            grant = self._access.get(token.strip()) if kind.lower() == "bearer" else None
        if grant is None or grant.expires_at <= self._clock():
            raise RefusedError(401, "The access token is not valid or has expired.")
        return grant

    def expire_access_tokens(self) -> None:
        """Invalidate every access token, as after seven days."""
        with self._lock:
            self._access.clear()

    def revoke_all(self) -> None:
        """Invalidate every token, so that a new login is needed."""
        with self._lock:
            self._access.clear()
            self._refresh.clear()
            self._codes.clear()

    def _grant(self, scope: str, *, seconds: float) -> Grant:
        asked = frozenset(scope.split())
        unknown = sorted(asked - set(SCOPES))
        if unknown or not asked:
            raise RefusedError(400, f"The scope must be some of: {' '.join(SCOPES)}.")
        return Grant(
            user_id=self._organisation.authorised_user_id,
            scopes=asked,
            expires_at=self._clock() + seconds,
        )

    def _jwt(self, grant: Grant) -> str:
        organization_id = self._organisation.records.organization_id
        payload = {
            "iss": "swit-sandbox",
            "sub": organization_id if grant.bot else grant.user_id,
            "cmp_id": organization_id,
            "apps_id": self.client_id,
            "iat": int(self._clock()),
            "exp": int(grant.expires_at),
        }
        signature = secrets.token_urlsafe(32)
        return f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(payload)}.{signature}"


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636)."""
    return _base64(hashlib.sha256(verifier.encode()).digest())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
