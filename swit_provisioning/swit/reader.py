"""Read the whole organisation and prove that the read is complete."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from swit_provisioning.planning.policy import ROLES
from swit_provisioning.planning.schemas import SWIT_MEMBERSHIPS, SWIT_TEAMS, SWIT_USERS
from swit_provisioning.planning.snapshots import OrganizationSnapshot, SwitFacts
from swit_provisioning.swit.client import (
    LIST_TEAMS,
    LIST_USERS,
    ORGANIZATION_INFO,
    USER_INFO,
    SwitClient,
)
from swit_provisioning.swit.errors import (
    SwitIncompleteReadError,
    SwitNotFoundError,
    SwitOtherOrganizationError,
    SwitRejectedError,
)
from swit_provisioning.swit.models import AuthorisedUser, Organization, Team, User

ATTEMPTS = 3
"""How often the user list is read if it changes meanwhile."""

_ADMINISTRATORS = frozenset({10, 20})
"""Roles that may read and change all users: master, admin."""
_PAGE_SIZE = 1000
"""The maximum number of users in one answer of Swit."""
_MAX_NAMED = 5


def read_organization(
    client: SwitClient, *, expected: str | None = None, page_size: int = _PAGE_SIZE
) -> OrganizationSnapshot:
    """Users, teams and memberships of the organisation that the token belongs to.

    `expected` is the id or subdomain of the expected organisation. It takes 4 calls for up to
    `page_size` users, and one more for each further page.

    Raises:
        SwitOtherOrganizationError: the token belongs to another organisation than `expected`.
        SwitIncompleteReadError: the read is not proved complete.
        SwitError: a call failed.

    """
    me = client.user_info()
    organization = _organization_of(client, me, expected=expected)
    users = read_users(client, page_size=page_size)
    teams = client.list_teams()
    _prove_authorised(me, users)
    root = _prove_tree(teams)
    team_ids = {team.team_id for team in teams}
    user_ids = {user.user_id for user in users}
    # From both lists: one of them may be shortened or missing.
    named = {(team.team_id, user.user_id) for user in users for team in user.teams or ()}
    named |= {(team.team_id, user_id) for team in teams for user_id in team.user_ids or ()}
    members = {(team, user) for team, user in named if team in team_ids and user in user_ids}
    warnings = []
    if unlisted := sorted({team_id for team_id, _ in named - members}):
        warnings.append(
            "memberships that name a user or a team that Swit does not list are ignored;"
            f" teams: {len(unlisted)} (ids {_some(unlisted)})"
        )
    return OrganizationSnapshot.checked(
        users=SWIT_USERS.frame(
            {
                "user_id": user.user_id,
                "email": user.email,
                "name": user.name,
                "phone_number": user.phone_number,
                "role": user.role,
                "active": user.active,
                "language": user.language,
                "primary_team": next(
                    (t.team_id for t in user.teams or () if t.primary and t.team_id in team_ids),
                    None,
                ),
            }
            for user in users
        ),
        teams=SWIT_TEAMS.frame(
            {
                "team_id": team.team_id,
                "name": team.name,
                # The root may name a parent, such as the organisation's id, that is no team.
                "parent_id": None if team is root else team.parent_id,
                "reference": team.reference,
                "position": position,
                "member_count": team.member_count,
            }
            for position, team in enumerate(teams)
        ),
        memberships=SWIT_MEMBERSHIPS.frame(
            {"team_id": team, "user_id": user} for team, user in sorted(members)
        ),
        facts=SwitFacts(
            organization_id=organization.id,
            organization_name=organization.name or root.name,
            authorised_user_id=me.user_id,
            total_rows=len(users),
            warnings=tuple(warnings),
        ),
    )


@retry(
    retry=retry_if_exception_type(SwitIncompleteReadError),
    stop=stop_after_attempt(ATTEMPTS),
    reraise=True,
)
def read_users(client: SwitClient, *, page_size: int = _PAGE_SIZE) -> tuple[User, ...]:
    """All users. If the list changes while it is read, the read begins again.

    Raises:
        SwitIncompleteReadError: the pages do not fit together: the total changed, a user is on
            two pages, or a page is too short.
        SwitError: a call failed.

    """
    users: dict[str, User] = {}
    total: int | None = None
    page = 0
    while total is None or len(users) < total:
        page += 1
        answer = client.list_users(page=page, count=page_size)
        count = len(answer.users)
        read = len(users) + count
        users.update({user.user_id: user for user in answer.users})
        if total is not None and answer.total_rows != total:
            problem = f"the total changed from {total} to {answer.total_rows} between pages"
        elif repeated := read - len(users):
            problem = f"users that were listed twice: {repeated} (page {page})"
        elif read > answer.total_rows:
            problem = f"Swit listed {read} users, but counts {answer.total_rows}"
        elif count < page_size and read < answer.total_rows:
            problem = f"page {page} is too short: {read} of {answer.total_rows} users were read"
        else:
            total = answer.total_rows
            continue
        raise SwitIncompleteReadError(call=LIST_USERS.name, message=problem)
    return tuple(users.values())


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user that a token belongs to, and the organisation."""

    email: str
    name: str
    role: str | None
    """`master`, `admin`, `member` or `guest`; `None` if Swit does not say."""
    is_administrator: bool
    organization_id: str
    organization_name: str
    subdomain: str | None


def authorised_account(client: SwitClient, *, expected: str | None = None) -> Account:
    """The user that the token belongs to (3 or 4 calls); `expected` is its organisation.

    Raises:
        SwitOtherOrganizationError: it belongs to another organisation.
        SwitError: a call failed.

    """
    me = client.user_info()
    organization = _organization_of(client, me, expected=expected)
    # `user.info` does not contain the role.
    role = 0
    try:
        role = client.organization_user_info(me.user_id).role
        if role not in ROLES:
            found = client.list_users(keyword=me.email, count=100).users
            role = next((user.role for user in found if user.user_id == me.user_id), 0)
    except SwitRejectedError:
        pass
    return Account(
        email=me.email,
        name=me.name,
        role=ROLES.get(role),
        is_administrator=role in _ADMINISTRATORS,
        organization_id=organization.id,
        organization_name=organization.name,
        subdomain=organization.subdomain,
    )


def _organization_of(
    client: SwitClient, me: AuthorisedUser, *, expected: str | None
) -> Organization:
    """The organisation that the token belongs to; `expected` is its id or subdomain."""
    try:
        found = client.organization_info()
    except SwitNotFoundError as error:
        # Older editions of the API lack the call; only the id is known.
        if not me.organization_id:
            problem = "the answer contains no organisation"
            raise SwitIncompleteReadError(call=USER_INFO.name, message=problem) from error
        found = Organization(id=me.organization_id)
    wanted = (expected or "").strip()
    if wanted and wanted != found.id and wanted.casefold() != (found.subdomain or "").casefold():
        problem = (
            f"the token belongs to {found.name or 'an organisation'} (id {found.id}, subdomain"
            f" {found.subdomain or 'not known'}), but {wanted} is expected"
        )
        raise SwitOtherOrganizationError(call=ORGANIZATION_INFO.name, message=problem)
    return found


def _prove_authorised(me: AuthorisedUser, users: Sequence[User]) -> None:
    """Prove that the authorised user is in the list, active, and an administrator."""
    mine = next((user for user in users if user.user_id == me.user_id), None)
    if mine is None:
        problem = f"is not among the {len(users)} users"
    elif not mine.active:
        problem = "is not active"
    elif mine.role not in _ADMINISTRATORS:
        problem = f"is not a master or admin (role {mine.role}), so it may not see all users"
    else:
        return
    message = f"the user that the token belongs to (id {me.user_id}) {problem}"
    raise SwitIncompleteReadError(call=LIST_USERS.name, message=message)


def _prove_tree(teams: Sequence[Team]) -> Team:
    """The root team, if every team is there once and has the root above it."""

    def is_root(team: Team) -> bool:
        return team.parent_id is None if team.depth is None else team.depth == 0

    def count(found: Sequence[Team]) -> str:
        names = [team.name or team.team_id for team in found]
        return f"{len(found)} ({_some(names)})" if found else "0"

    by_id = {team.team_id: team for team in teams}
    roots = [team for team in teams if is_root(team)]
    if len(by_id) != len(teams):
        problem = f"teams that were listed twice: {len(teams) - len(by_id)}"
    elif len(roots) != 1:
        problem = f"there must be one root team. Root teams found: {count(roots)}"
    elif lost := [t for t in teams if not is_root(t) and t.parent_id not in by_id]:
        problem = f"teams whose parent is not in the list: {count(lost)}"
    elif cycle := _not_below(roots[0], teams):
        problem = f"teams that form a cycle: {count(cycle)}"
    else:
        return roots[0]
    raise SwitIncompleteReadError(call=LIST_TEAMS.name, message=problem)


def _not_below(root: Team, teams: Sequence[Team]) -> list[Team]:
    """The teams that have no path to the root."""
    children: dict[str | None, list[Team]] = {}
    for team in teams:
        if team is not root:
            children.setdefault(team.parent_id, []).append(team)
    below = {root.team_id}
    waiting = [root]
    while waiting:
        reached = children.get(waiting.pop().team_id, [])
        below.update(team.team_id for team in reached)
        waiting += reached
    return [team for team in teams if team.team_id not in below]


def _some(words: Sequence[str]) -> str:
    """The first few words, and the number of the others."""
    more = len(words) - _MAX_NAMED
    return ", ".join(words[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
