"""The sandbox's OAuth server: one client, its codes and tokens, and their scopes."""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import RefusedError
from swit_provisioning.sandbox.replies import Arguments, Reply

SANDBOX_CLIENT_ID = "sandbox-client"
SANDBOX_CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - not a secret
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
    """What a code or a token allows, and until when (seconds since 1970)."""

    scopes: frozenset[str]
    expires_at: float

    @property
    def bot(self) -> bool:
        """True if it belongs to the app and the organisation, not to a person."""
        return "app:install" in self.scopes

    @property
    def scope(self) -> str:
        """The scopes, separated by spaces."""
        return " ".join(sorted(self.scopes))


@dataclass(frozen=True, kw_only=True)
class _Code:
    redirect_url: str
    grant: Grant
    challenge: str | None
    """The PKCE challenge of the login, if it sent one."""


class Tokens:
    """The codes and tokens of the sandbox.

    The client, its addresses and `expires_in` (seconds, for new tokens) can be changed at any time.
    """

    def __init__(self, organisation: Organisation) -> None:
        """Start without codes and tokens."""
        self.client_id, self.client_secret = SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
        self.redirect_urls: tuple[str, ...] = SANDBOX_REDIRECT_URLS
        self.expires_in = WEEK_SECONDS
        self._organisation = organisation
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}

    def authorize(self, arguments: Arguments) -> Reply:
        """Redirect the browser with a code, as if a person had pressed "Allow".

        Raises:
            RefusedError: 400, the client is unknown or the address not registered. Other errors
                are added to the redirect address, as OAuth requires.

        """
        redirect_url = arguments.text("redirect_uri")
        if arguments.text("client_id") != self.client_id:
            raise RefusedError(400, "The client_id is unknown.")
        if redirect_url not in self.redirect_urls:
            raise RefusedError(400, f"The redirect_uri {redirect_url} is not registered.")
        pkce = self._organisation.behaviour.pkce
        challenge = None if pkce == "ignored" else arguments.optional_text("code_challenge")
        answer = {}
        if arguments.optional_text("response_type") != "code":
            answer["error"] = "unsupported_response_type"
        elif challenge and pkce == "refused at authorize":
            answer["error"] = "invalid_request"
            answer["error_description"] = "The parameter code_challenge is not known."
        elif challenge and arguments.optional_text("code_challenge_method") != "S256":
            answer["error"] = "invalid_request"
            answer["error_description"] = "The code_challenge_method must be S256."
        else:
            try:
                answer["code"] = self.code_for(
                    redirect_url=redirect_url,
                    scope=arguments.optional_text("scope") or DEFAULT_SCOPE,
                    challenge=challenge if pkce == "checked" else None,
                )
            except RefusedError as refused:
                answer["error"] = "invalid_scope"
                answer["error_description"] = refused.message
        state = arguments.optional_text("state")
        if state is not None:
            answer["state"] = state
        return Reply(
            status=302, raw=b"", headers={"Location": f"{redirect_url}?{urlencode(answer)}"}
        )

    def answer(self, arguments: Arguments) -> Reply:
        """A pair of tokens for a code or for a refresh token.

        Raises:
            RefusedError: 401 for the client, 400 for the code, the refresh token or the grant
                type.

        """
        client = (arguments.optional_text("client_id"), arguments.optional_text("client_secret"))
        if client != (self.client_id, self.client_secret):
            raise RefusedError(401, "The client_id or the client_secret is wrong.")
        grant_type = arguments.text("grant_type")
        if grant_type == "authorization_code":
            body = self._exchange(arguments)
        elif grant_type == "refresh_token":
            body = self._renew(arguments.text("refresh_token"))
        else:
            raise RefusedError(400, f"The grant_type {grant_type} is not supported.")
        return Reply(body=body, headers={"Cache-Control": "no-store"})

    def code_for(self, *, redirect_url: str, scope: str, challenge: str | None = None) -> str:
        """A code that can be exchanged once. Raises `RefusedError` (400) for a wrong scope."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = _Code(
            redirect_url=redirect_url,
            grant=_grant(scope, seconds=_CODE_SECONDS),
            challenge=challenge,
        )
        return code

    def issue(self, scope: str = DEFAULT_SCOPE) -> dict[str, Any]:
        """A new pair as the token endpoint returns it. Raises `RefusedError` (400)."""
        grant = _grant(scope, seconds=self.expires_in)
        records = self._organisation.records
        payload = {
            "iss": "swit-sandbox",
            "sub": records.organization_id if grant.bot else records.authorised_user_id,
            "cmp_id": records.organization_id,
            "apps_id": self.client_id,
            "iat": int(time.time()),
            "exp": int(grant.expires_at),
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, payload)]
        access = ".".join([*map(_base64, parts), secrets.token_urlsafe(32)])
        refresh = secrets.token_urlsafe(32)
        self._access[access] = self._refresh[refresh] = grant
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh,
            "scope": grant.scope,
        }

    def grant_of(self, authorization: str | None) -> Grant:
        """The grant of an `Authorization` header. Raises `RefusedError` (401)."""
        kind, _, token = (authorization or "").partition(" ")
        grant = self._access.get(token.strip()) if kind.lower() == "bearer" else None
        if grant is None or grant.expires_at <= time.time():
            raise RefusedError(401, "The access token is not valid or has expired.")
        return grant

    def expire_access_tokens(self) -> None:
        """Invalidate every access token, as after seven days."""
        self._access.clear()

    def revoke_all(self) -> None:
        """Invalidate every token, so that a new login is needed."""
        self._access.clear()
        self._refresh.clear()
        self._codes.clear()

    def _exchange(self, arguments: Arguments) -> dict[str, Any]:
        """Tokens for a code that is unused, not expired, for this address and with its verifier."""
        verifier = arguments.optional_text("code_verifier")
        if verifier is not None and self._organisation.behaviour.pkce == "refused at token":
            raise RefusedError(400, "The parameter code_verifier is not known.")
        redirect_url = arguments.text("redirect_uri")
        code = self._codes.pop(arguments.text("code"), None)
        if (
            code is None
            or code.redirect_url != redirect_url
            or code.grant.expires_at <= time.time()
        ):
            raise RefusedError(400, "The code is unknown, used, or for another redirect_uri.")
        if code.challenge is not None:
            # S256 (RFC 7636).
            hashed = _base64(hashlib.sha256((verifier or "").encode()).digest())
            if hashed != code.challenge:
                raise RefusedError(400, "The code_verifier does not match the code_challenge.")
        return self.issue(code.grant.scope)

    def _renew(self, refresh_token: str) -> dict[str, Any]:
        """New tokens for a refresh token. By default that token is then invalid."""
        grant = self._refresh.pop(refresh_token, None)
        if grant is None:
            raise RefusedError(400, "The refresh token is not valid.")
        answer = self.issue(grant.scope)
        if self._organisation.behaviour.refreshing == "stays":
            del self._refresh[answer.pop("refresh_token")]
            self._refresh[refresh_token] = grant
        return answer


def _grant(scope: str, *, seconds: float) -> Grant:
    scopes = frozenset(scope.split())
    if not scopes or not scopes <= set(SCOPES):
        raise RefusedError(400, f"The scope must be some of: {' '.join(SCOPES)}.")
    return Grant(scopes=scopes, expires_at=time.time() + seconds)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
