"""Check a new login against the settings and the organisation, then store it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from swit_provisioning.operations.connections import TokensInStore, client_with, oauth_client
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.identities import OtherOrganizationError
from swit_provisioning.state.store import Store
from swit_provisioning.swit.auth import (
    WRITING_SCOPE,
    Login,
    StoredTokens,
    TokenPair,
)
from swit_provisioning.swit.reader import Account, authorised_account

WITHOUT_PKCE: Final = "Swit refused PKCE, so the login was made without it."


@dataclass(frozen=True, kw_only=True)
class NewLogin:
    """A login that was stored."""

    account: Account
    scopes: tuple[str, ...] | None
    """`None` if Swit did not name them."""
    expires_at: datetime | None
    renewable: bool
    warnings: tuple[str, ...]


class _UnstoredPair:
    """A token store in memory, for a pair that must be checked before it is stored."""

    def __init__(self, pair: TokenPair) -> None:
        self.pair = pair

    def load(self) -> TokenPair | None:
        return self.pair

    def save(self, pair: TokenPair) -> None:
        self.pair = pair

    def exclusive(self) -> AbstractContextManager[None]:
        return nullcontext()


def require_login_settings(settings: Settings) -> None:
    """Check that the settings name an OAuth client.

    Raises:
        SettingsError: they name none, its secret would be sent unencrypted, or the settings name
            the sandbox, which needs no login.

    """
    settings.require_encryption()
    if settings.is_on_bundled_sandbox:
        problem = (
            "IS_RUNNING_LOCALLY, SWIT: in test mode the sandbox needs no login; remove"
            " IS_RUNNING_LOCALLY=True or SWIT=sandbox to log in to Swit"
        )
        raise SettingsError([problem])
    named = {
        "SWIT_CLIENT_ID": settings.swit_client_id,
        "SWIT_CLIENT_SECRET": settings.swit_client_secret,
    }
    missing = [name for name, value in named.items() if not value]
    if missing:
        where = "make an app at developers.swit.io/apps"
        raise SettingsError([f"{name} is not set ({where})" for name in missing])


def finish_login(settings: Settings, store: Store, login: Login, query: str) -> NewLogin:
    """Exchange the code in the query of the address that the browser ended on; store the pair.

    Raises:
        LoginError: the answer belongs to another login, or Swit declined.
        SwitError: Swit refuses the code, cannot be reached, or it is another organisation's.
        OtherOrganizationError: the state belongs to another organisation.

    """
    code = login.code(query)
    pair, used_pkce = login.redeem(oauth_client(settings), code)
    scope = login.scope
    return store_login(
        settings, store, pair, scope=scope, notes=() if used_pkce else (WITHOUT_PKCE,)
    )


def store_login(
    settings: Settings,
    store: Store,
    pair: TokenPair,
    *,
    scope: str = WRITING_SCOPE,
    notes: tuple[str, ...] = (),
) -> NewLogin:
    """Store a pair after Swit has confirmed that it belongs to the right organisation.

    `scope` is what the pair should be able to do; `notes` come first in the warnings.

    Raises:
        SwitError: Swit refuses the pair, cannot be reached, or it is another organisation's.
        OtherOrganizationError: the state belongs to another organisation.

    """
    unstored = _UnstoredPair(pair)
    with client_with(settings, StoredTokens(oauth_client(settings), unstored)) as client:
        account = authorised_account(client, expected=settings.expected_organization)
    bound = store.organization.bound_to()
    if bound not in {None, account.organization_id}:
        raise OtherOrganizationError(bound_to=str(bound), found=account.organization_id)
    pair = unstored.pair
    # A run that refreshes the old pair now must not overwrite the new one.
    with store.tokens.exclusive():
        TokensInStore(store).save(pair)
    scopes = tuple(sorted(pair.scope.replace(",", " ").split())) if pair.scope else None
    return NewLogin(
        account=account,
        scopes=scopes,
        expires_at=pair.expires_at,
        renewable=pair.refresh_token is not None,
        warnings=(*notes, *_warnings(account, pair, scopes, scope.split())),
    )


def _warnings(
    account: Account, pair: TokenPair, scopes: tuple[str, ...] | None, wanted: list[str]
) -> Iterator[str]:
    if account.role is None:
        yield (
            "Swit did not name the role of this account, so it is probably no administrator: every"
            " run would stop. Log in as a master or admin."
        )
    elif not account.is_administrator:
        yield (
            f"This account is a {account.role} and no administrator. Only an administrator can read"
            " and change all users, so every run would stop. Log in as a master or admin."
        )
    missing = [scope for scope in wanted if scopes is not None and scope not in scopes]
    if missing == ["admin:write"]:
        yield "Without the scope admin:write it can make plans, but send no changes."
    elif missing:
        yield f"The scopes {' '.join(missing)} are missing: every run would stop."
    if pair.refresh_token is None:
        yield "There is no refresh token with it: when it expires, you have to log in again."
