"""Read the whole organisation; what proves that it is the whole stands in `proof`."""

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from swit_provisioning.reconcile.state import SwitState
from swit_provisioning.swit.calls import ORGANIZATION_INFO, USER_INFO
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import (
    SwitIncompleteReadError,
    SwitNotFoundError,
    SwitOtherOrganizationError,
)
from swit_provisioning.swit.models import AuthorisedUser, Organization, User
from swit_provisioning.swit.proof import incomplete, prove_authorised, prove_page, prove_tree
from swit_provisioning.swit.tables import swit_state

PAGE_SIZE = 1000
"""As many users as Swit gives at once."""
TRIES = 3
"""How often the user list is read while it moves."""


def read_organization(
    client: SwitClient, *, expected: str | None = None, page_size: int = PAGE_SIZE
) -> SwitState:
    """Users, teams and memberships of the organisation that the token belongs to.

    `expected` is the id or subdomain of the organisation that is meant. Takes 4 calls for up to
    `page_size` users, and one more for each further page.

    Raises:
        SwitOtherOrganizationError: the token belongs to another organisation than `expected`.
        SwitIncompleteReadError: it is not proved that everything was read.
        SwitError: a call failed.

    """
    me = client.user_info()
    organization = organization_of(client, me, expected=expected)
    users = read_users(client, page_size=page_size)
    teams = client.list_teams()
    prove_authorised(me, users)
    root = prove_tree(teams)
    return swit_state(organization=organization, me=me, users=users, teams=teams, root=root)


def organization_of(
    client: SwitClient, me: AuthorisedUser, *, expected: str | None = None
) -> Organization:
    """The organisation that the token belongs to; `expected` is the one that is meant.

    Raises:
        SwitOtherOrganizationError: it is another one.

    """
    try:
        found = client.organization_info()
    except SwitNotFoundError as error:
        # Older editions of the API don't have the call; only the id is known there.
        if not me.organization_id:
            raise incomplete(USER_INFO, "it names no organisation") from error
        found = Organization(id=me.organization_id)
    wanted = (expected or "").strip()
    if wanted and wanted != found.id and wanted.casefold() != (found.subdomain or "").casefold():
        problem = (
            f"the token belongs to {found.name or 'an organisation'} (id {found.id}, subdomain"
            f" {found.subdomain or 'not known'}), but {wanted} is meant"
        )
        raise SwitOtherOrganizationError(call=ORGANIZATION_INFO.name, message=problem)
    return found


def read_users(client: SwitClient, *, page_size: int = PAGE_SIZE) -> tuple[User, ...]:
    """All accounts, page by page; again from the first if somebody came or went meanwhile.

    Raises as `read_organization`.
    """
    again = Retrying(
        retry=retry_if_exception_type(SwitIncompleteReadError),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )
    return again(_read_pages, client, page_size)


def _read_pages(client: SwitClient, page_size: int) -> tuple[User, ...]:
    users: dict[str, User] = {}
    total: int | None = None
    page = 0
    while total is None or len(users) < total:
        page += 1
        answer = client.list_users(page=page, count=page_size)
        prove_page(answer, page=page, page_size=page_size, before=users.keys(), total=total)
        users.update({user.user_id: user for user in answer.users})
        total = answer.total_rows
    return tuple(users.values())
