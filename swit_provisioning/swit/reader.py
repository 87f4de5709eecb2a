"""Read the whole organisation and prove that the read is complete."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from swit_provisioning.planning.model import ROLES
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
from swit_provisioning.swit.models import AuthorisedUser, Organization, Team, User, UserPage
from swit_provisioning.swit.transport import Call

ADMINISTRATORS = frozenset({10, 20})
"""Roles that may read and change all users: master, admin."""

_NAMED = 5


def incomplete(call: Call, problem: str) -> SwitIncompleteReadError:
    """The error for a read that is not proved complete."""
    return SwitIncompleteReadError(call=call.name, message=problem)


def prove_page(
    answer: UserPage, *, page: int, page_size: int, before: Collection[str], total: int | None
) -> None:
    """Prove that a page fits those before it: `before` are their ids, `total` their total.

    Raises:
        SwitIncompleteReadError: the total changed, a user came twice, there are too many users,
            or the page is short and not the last.

    """
    ids = [user.user_id for user in answer.users]
    read = len(before) + len(ids)
    if total is not None and answer.total_rows != total:
        problem = f"the total went from {total} to {answer.total_rows} while paging"
    elif twice := len(ids) - len(set(ids).difference(before)):
        problem = f"users that came twice: {twice} (page {page})"
    elif read > answer.total_rows:
        problem = f"{read} users came where Swit counts {answer.total_rows}"
    elif len(ids) < page_size and read < answer.total_rows:
        problem = f"page {page} came short: {read} of {answer.total_rows} users were read"
    else:
        return
    raise incomplete(LIST_USERS, problem)


def prove_authorised(me: AuthorisedUser, users: Sequence[User]) -> None:
    """Prove that the authorising account is in the list, active, and an administrator.

    Raises:
        SwitIncompleteReadError: it is not.

    """
    mine = next((user for user in users if user.user_id == me.user_id), None)
    if mine is None:
        problem = f"is not among the {len(users)} users"
    elif not mine.active:
        problem = "is not active"
    elif mine.role not in ADMINISTRATORS:
        problem = f"is no master or admin (its role is {mine.role}), so it may not see everybody"
    else:
        return
    raise incomplete(
        LIST_USERS, f"the account that the token belongs to (id {me.user_id}) {problem}"
    )


def prove_tree(teams: Sequence[Team]) -> Team:
    """The root team, if every team is there once and has the root above it.

    Raises:
        SwitIncompleteReadError: the teams are not one tree.

    """
    by_id = {team.team_id: team for team in teams}
    roots = [team for team in teams if _is_root(team)]
    if len(by_id) != len(teams):
        problem = f"teams that came twice: {len(teams) - len(by_id)}"
    elif len(roots) != 1:
        problem = f"there must be one root team, found: {_count(roots)}"
    elif lost := [t for t in teams if not _is_root(t) and t.parent_id not in by_id]:
        problem = f"teams whose parent is not in the list: {_count(lost)}"
    elif ring := [team for team in teams if not _hangs_from(roots[0], team, by_id)]:
        problem = f"teams below each other in a ring: {_count(ring)}"
    else:
        return roots[0]
    raise incomplete(LIST_TEAMS, problem)


def some(words: Sequence[str]) -> str:
    """The first few words, and the number of the others."""
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_root(team: Team) -> bool:
    return team.parent_id is None if team.depth is None else team.depth == 0


def _hangs_from(root: Team, team: Team, by_id: Mapping[str, Team]) -> bool:
    for _ in by_id:
        if team is root:
            return True
        team = by_id[team.parent_id or root.team_id]
    return team is root


def _count(teams: Sequence[Team]) -> str:
    names = some([team.name or team.team_id for team in teams])
    return f"{len(teams)} ({names})" if teams else "0"


Membership = tuple[str, str]
"""Team id, user id."""


def swit_state(
    *,
    organization: Organization,
    me: AuthorisedUser,
    users: Sequence[User],
    teams: Sequence[Team],
    root: Team,
) -> OrganizationSnapshot:
    """The frames and facts of a read that was proved complete."""
    claimed = _claimed(users, teams)
    user_ids, team_ids = {u.user_id for u in users}, {t.team_id for t in teams}
    members = {(team, user) for team, user in claimed if team in team_ids and user in user_ids}
    return OrganizationSnapshot.checked(
        users=SWIT_USERS.frame(_user_row(user, team_ids) for user in users),
        teams=SWIT_TEAMS.frame(_team_row(t, n, root) for n, t in enumerate(teams)),
        memberships=SWIT_MEMBERSHIPS.frame(
            {"team_id": team, "user_id": user} for team, user in sorted(members)
        ),
        facts=SwitFacts(
            organization_id=organization.id,
            organization_name=organization.name or root.name,
            authorised_user_id=me.user_id,
            total_rows=len(users),
            warnings=tuple(_unknown(claimed - members)),
        ),
    )


def _claimed(users: Sequence[User], teams: Sequence[Team]) -> set[Membership]:
    """The memberships in either list: one of them may be shortened or missing."""
    by_user = {(team.team_id, user.user_id) for user in users for team in user.teams or ()}
    by_team = {(team.team_id, user) for team in teams for user in team.user_ids or ()}
    return by_user | by_team


def _user_row(user: User, team_ids: set[str]) -> dict[str, object]:
    primary = (t.team_id for t in user.teams or () if t.primary and t.team_id in team_ids)
    return {
        "user_id": user.user_id,
        "email": user.email,
        "name": user.name,
        "phone_number": user.phone_number,
        "role": user.role,
        "active": user.active,
        "language": user.language,
        "primary_team": next(primary, None),
    }


def _team_row(team: Team, position: int, root: Team) -> dict[str, object]:
    return {
        "team_id": team.team_id,
        "name": team.name,
        # The root may name a parent, such as the organisation's id, that is no team.
        "parent_id": None if team is root else team.parent_id,
        "reference": team.reference,
        "position": position,
        "member_count": team.member_count,
    }


def _unknown(pairs: Iterable[Membership]) -> Iterable[str]:
    teams = sorted({team for team, _ in pairs})
    if teams:
        yield (
            "memberships that name a user or a team that Swit does not list are left out;"
            f" teams: {len(teams)} (ids {some(teams)})"
        )


PAGE_SIZE = 1000
"""The maximum number of users in one answer of Swit."""
ATTEMPTS = 3
"""How often the user list is read if it changes meanwhile."""


def read_organization(
    client: SwitClient, *, expected: str | None = None, page_size: int = PAGE_SIZE
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
    organization = organization_of(client, me, expected=expected)
    users = read_users(client, page_size=page_size)
    teams = client.list_teams()
    prove_authorised(me, users)
    root = prove_tree(teams)
    return swit_state(organization=organization, me=me, users=users, teams=teams, root=root)


def organization_of(
    client: SwitClient, me: AuthorisedUser, *, expected: str | None = None
) -> Organization:
    """The organisation that the token belongs to; `expected` is its id or subdomain.

    Raises:
        SwitOtherOrganizationError: it is another one.

    """
    try:
        found = client.organization_info()
    except SwitNotFoundError as error:
        # Older editions of the API lack the call; only the id is known.
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
    """All accounts, page by page; from the first page again if the list changed meanwhile.

    Raises as `read_organization`.
    """
    again = Retrying(
        retry=retry_if_exception_type(SwitIncompleteReadError),
        stop=stop_after_attempt(ATTEMPTS),
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


_KEYWORD_PAGE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account that a token acts for."""

    email: str
    name: str
    role: str | None
    """`master`, `admin`, `member` or `guest`; `None` if Swit does not say."""
    is_administrator: bool
    organization_id: str
    organization_name: str
    subdomain: str | None


def authorised_account(client: SwitClient, *, expected: str | None = None) -> Account:
    """The account that the token belongs to (3 or 4 calls); `expected` is its organisation.

    Raises:
        SwitOtherOrganizationError: it belongs to another organisation.
        SwitError: a call failed.

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
    """The number of the role; 0 if Swit does not say. `user.info` does not contain it."""
    try:
        role = client.organization_user_info(me.user_id).role
        if role in ROLES:
            return role
        found = client.list_users(keyword=me.email, count=_KEYWORD_PAGE_SIZE).users
    except SwitRejectedError:
        return 0
    return next((user.role for user in found if user.user_id == me.user_id), 0)
