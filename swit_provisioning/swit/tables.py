"""The frames of an organisation as read, and what about it a person should be warned of."""

from collections.abc import Iterable, Sequence

from swit_provisioning.reconcile.frames import SWIT_MEMBERSHIPS, SWIT_TEAMS, SWIT_USERS
from swit_provisioning.reconcile.state import SwitFacts, SwitState
from swit_provisioning.swit.models import AuthorisedUser, Organization, Team, User
from swit_provisioning.swit.proof import some

Membership = tuple[str, str]
"""Id of the team, id of the user."""


def swit_state(
    *,
    organization: Organization,
    me: AuthorisedUser,
    users: Sequence[User],
    teams: Sequence[Team],
    root: Team,
) -> SwitState:
    """The three frames and their facts, of a read that is proved complete."""
    claimed = _claimed(users, teams)
    user_ids, team_ids = {u.user_id for u in users}, {t.team_id for t in teams}
    members = {(team, user) for team, user in claimed if team in team_ids and user in user_ids}
    return SwitState.checked(
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
    """As either list says: one of them may be shortened, or not there at all."""
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
        # Whatever the root names, the organisation's id for one, is no team.
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
