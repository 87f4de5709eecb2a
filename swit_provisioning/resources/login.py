"""A new login: made sure whose it is before it takes the place of the one that is stored."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from swit_provisioning.resources.swit_access import TokensInStore, client_with, oauth_client
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.errors import OtherOrganizationError
from swit_provisioning.store.store import Store
from swit_provisioning.swit.account import Account, authorised_account
from swit_provisioning.swit.login import PLANNING_SCOPE, WRITING_SCOPE, Login
from swit_provisioning.swit.oauth import TokenPair
from swit_provisioning.swit.stored_tokens import StoredTokens

NO_PROOF_KEY: Final = "Swit took no proof key (PKCE), so the login was made without one."


@dataclass(frozen=True, kw_only=True)
class NewLogin:
    """A login that was stored."""

    account: Account
    scopes: tuple[str, ...] | None
    """`None` where Swit did not say."""
    expires_at: datetime | None
    renewable: bool
    warnings: tuple[str, ...]


def require_login_settings(settings: Settings) -> None:
    """Make sure that there is an OAuth client to log in with.

    Raises:
        SettingsError: it is not set, it would be sent unencrypted, or nobody needs to log in.

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


def finish(settings: Settings, store: Store, login: Login, query: str) -> NewLogin:
    """Turn the query of the address that the browser ended on into a stored login.

    Raises:
        LoginError: it is not of this login, or Swit did not agree.
        SwitError: Swit refuses the code, can't be asked, or is another organisation's.
        OtherOrganizationError: the state belongs to another organisation.

    """
    code = login.code(query)
    pair, proven = login.redeem(oauth_client(settings), code)
    notes = () if proven else (NO_PROOF_KEY,)
    return keep(settings, store, pair, notes=notes, planning_only=login.scope == PLANNING_SCOPE)


def keep(
    settings: Settings,
    store: Store,
    pair: TokenPair,
    *,
    notes: tuple[str, ...] = (),
    planning_only: bool = False,
) -> NewLogin:
    """Store a pair, once it is known to be of the organisation that is meant.

    Raises:
        SwitError: Swit does not take it, can't be asked, or is another organisation's.
        OtherOrganizationError: the state belongs to another organisation.

    """
    hand = _Hand(pair)
    with client_with(settings, StoredTokens(oauth_client(settings), hand)) as client:
        account = authorised_account(client, expected=settings.expected_organization)
    bound = store.organization.bound_to()
    if bound not in {None, account.organization_id}:
        raise OtherOrganizationError(bound_to=str(bound), found=account.organization_id)
    # A run that refreshes right now must not put the old pair back over this one.
    with store.tokens.exclusive():
        TokensInStore(store).save(hand.pair)
    return _new_login(account, hand.pair, notes, planning_only=planning_only)


class _Hand:
    """A pair that nobody has stored yet, refreshed where it has run out."""

    def __init__(self, pair: TokenPair) -> None:
        self.pair = pair

    def load(self) -> TokenPair | None:
        return self.pair

    def save(self, pair: TokenPair) -> None:
        self.pair = pair

    def exclusive(self) -> AbstractContextManager[None]:
        return nullcontext()


def _new_login(
    account: Account, pair: TokenPair, notes: tuple[str, ...], *, planning_only: bool
) -> NewLogin:
    scopes = tuple(sorted(pair.scope.replace(",", " ").split())) if pair.scope else None
    wanted = (PLANNING_SCOPE if planning_only else WRITING_SCOPE).split()
    return NewLogin(
        account=account,
        scopes=scopes,
        expires_at=pair.expires_at,
        renewable=pair.refresh_token is not None,
        warnings=(*notes, *_warnings(account, pair, scopes, wanted)),
    )


def _warnings(
    account: Account, pair: TokenPair, scopes: tuple[str, ...] | None, wanted: list[str]
) -> Iterator[str]:
    if account.role is None:
        yield (
            "Swit does not tell this account's role, so it is hardly an administrator: every run"
            " would stop. Log in as a master or admin."
        )
    elif not account.is_administrator:
        yield (
            f"This account is a {account.role} and no administrator: Swit shows and changes"
            " everybody for an administrator only, so every run would stop. Log in as a master or"
            " admin."
        )
    missing = [scope for scope in wanted if scopes is not None and scope not in scopes]
    if missing == ["admin:write"]:
        yield "Without the scope admin:write it can plan, but send nothing."
    elif missing:
        yield f"It misses the scopes {' '.join(missing)}: every run would stop."
    if pair.refresh_token is None:
        yield "There is no refresh token with it: when it ends, somebody has to log in again."
