"""Whose token it is: the account, its role, and its organisation."""

from dataclasses import dataclass

from swit_provisioning.reconcile.policy import ROLES
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitRejectedError
from swit_provisioning.swit.models import AuthorisedUser
from swit_provisioning.swit.proof import ADMINISTRATORS
from swit_provisioning.swit.reading import organization_of

_ENOUGH_OF_A_KEYWORD = 100


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account that a token acts for."""

    email: str
    name: str
    role: str | None
    """`master`, `admin`, `member` or `guest`; `None` where Swit does not tell this account."""
    is_administrator: bool
    organization_id: str
    organization_name: str
    subdomain: str | None


def authorised_account(client: SwitClient, *, expected: str | None = None) -> Account:
    """Ask Swit whose token it is; `expected` is the organisation that is meant (3 or 4 calls).

    Raises:
        SwitOtherOrganizationError: it belongs to another organisation.
        SwitError: Swit can't be asked.

    """
    me = client.user_info()
    organization = organization_of(client, me, expected=expected)
    role = _role(client, me)
    return Account(
        email=me.email,
        name=me.name,
        role=ROLES.get(role),
        is_administrator=role in ADMINISTRATORS,
        organization_id=organization.id,
        organization_name=organization.name,
        subdomain=organization.subdomain,
    )


def _role(client: SwitClient, me: AuthorisedUser) -> int:
    """The role's number, 0 where Swit does not tell: `user.info` has none."""
    try:
        role = client.organization_user_info(me.user_id).role
        if role in ROLES:
            return role
        found = client.list_users(keyword=me.email, count=_ENOUGH_OF_A_KEYWORD).users
    except SwitRejectedError:
        return 0
    return next((user.role for user in found if user.user_id == me.user_id), 0)
