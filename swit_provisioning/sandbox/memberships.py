"""Who is in which team: adding, removing, the primary team, and what a list shows of it."""

from collections.abc import Callable, Sequence

from swit_provisioning.sandbox.records import Ledger, TeamRecord, UserRecord
from swit_provisioning.sandbox.rules import RefusedError

_Change = Callable[[TeamRecord, UserRecord], bool]


class Memberships:
    """The memberships of one organisation. Every method takes the ledger's lock."""

    def __init__(self, ledger: Ledger) -> None:
        """Change the memberships in this ledger."""
        self._ledger = ledger

    def add(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Make these users members; a user's first team becomes the primary team.

        Who can't be added is passed over silently, as Swit does: success means that at least
        one could.

        Raises:
            RefusedError: 404 for the team, or when none of the users could be added; 403 for the
                root and `Unassigned`; 400 for no users or too many.

        """
        self._each(team_id, user_ids, self._join)

    def remove(self, team_id: str, user_ids: Sequence[str]) -> None:
        """End these memberships; partial success and refusals as in `add`."""
        self._each(team_id, user_ids, self._part)

    def make_primary(self, team_id: str, user_id: str) -> None:
        """Make one of the user's own teams the primary one. Raises `RefusedError` (404, 400)."""
        with self._ledger.lock:
            user, team = self._ledger.user(user_id), self._ledger.team(team_id)
            if team_id not in user.teams:
                raise RefusedError(400, f"The user {user_id} is not in the team {team.name}.")
            user.primary = team_id

    def members(self, team: TeamRecord) -> list[str]:
        """The ids that a list shows for this team."""
        with self._ledger.lock:
            if team.id != self._ledger.records.unassigned_id:
                return list(team.users)
            if self._ledger.behaviour.teamless == "nowhere":
                return []
            return [user.id for user in self._ledger.records.users.values() if not user.teams]

    def teams_of(self, user: UserRecord) -> list[tuple[TeamRecord, bool]]:
        """The teams that a list shows for this user, each with whether it is the primary one."""
        with self._ledger.lock:
            records = self._ledger.records
            if user.teams:
                return [(records.teams[each], each == user.primary) for each in user.teams]
            if self._ledger.behaviour.teamless == "nowhere":
                return []
            return [(records.teams[records.unassigned_id], True)]

    def drop(self, team: TeamRecord, user: UserRecord) -> None:
        """End one membership and settle what becomes the primary team."""
        team.users.pop(user.id, None)
        user.teams.pop(team.id, None)
        if user.primary == team.id:
            follows = self._ledger.behaviour.lost_primary == "next"
            user.primary = next(iter(user.teams), None) if follows else None

    def _each(self, team_id: str, user_ids: Sequence[str], change: _Change) -> None:
        with self._ledger.lock:
            team = self._ledger.changeable_team(team_id)
            most = self._ledger.behaviour.most_user_ids
            if not user_ids:
                raise RefusedError(400, "user_ids must name at least one user.")
            if most is not None and len(user_ids) > most:
                raise RefusedError(400, f"user_ids must not name more than {most} users.")
            users = self._ledger.records.users
            known = [users[each] for each in user_ids if each in users]
            worked = [change(team, user) for user in known]
            if not any(worked):
                raise RefusedError(404, f"None of the users could be changed in {team.name}.")

    def _join(self, team: TeamRecord, user: UserRecord) -> bool:
        behaviour = self._ledger.behaviour
        if user.id in team.users:
            return behaviour.repeated_membership == "accepted"
        if not user.active and behaviour.inactive_members == "leave":
            return False
        team.users[user.id] = None
        user.teams[team.id] = None
        if user.primary is None:
            user.primary = team.id
        return True

    def _part(self, team: TeamRecord, user: UserRecord) -> bool:
        if user.id not in team.users:
            return self._ledger.behaviour.repeated_membership == "accepted"
        self.drop(team, user)
        return True
