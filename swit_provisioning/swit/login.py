"""One login: where the browser is sent, and what the address it ended on is worth."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import parse_qs

from swit_provisioning.swit.answers import error_words
from swit_provisioning.swit.errors import SwitUnauthorizedError
from swit_provisioning.swit.oauth import OAuthClient, TokenPair

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
