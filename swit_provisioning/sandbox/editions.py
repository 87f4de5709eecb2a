"""Users and teams in the format of each edition of Swit's API.

`old` is the API as documented until February 2024, `new` since then. `production` is the API as a
program in production sees it: mixed field names, and a list with one user instead of a user. A
field without a value is null in `old` and empty in the others, as that program requires.
"""

from typing import Any, Literal, get_args

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.records import TeamRecord, UserRecord

Edition = Literal["old", "new", "production"]
EDITIONS: tuple[Edition, ...] = get_args(Edition)
Json = dict[str, Any]


class Shapes:
    """Formats the organisation's records for one edition."""

    def __init__(self, organisation: Organisation, edition: Edition) -> None:
        """Take the organisation and the edition."""
        self._organisation = organisation
        self.edition = edition

    def user(self, user: UserRecord) -> Json:
        """One user, in every edition."""
        return {
            "user_id": user.id,
            "user_name": user.name,
            "email": user.email,
            "role": user.role,
            "status": "off",
            "is_active": user.active,
            "language": user.language,
            "timezone": user.timezone,
            "timezone_auto_flag": 2,
            "msg": "At the sandbox",
            "mode": "default",
            "photo": "",
            "bg_color": "#00B1B8",
            "created": user.created,
            "last_activity": user.created,
            "team": [
                {
                    "team_id": team.id,
                    "team_name": team.name,
                    "created": team.created,
                    "main_dept_yn": "Y" if is_primary else "N",
                }
                for team, is_primary in self._organisation.teams_shown(user)
            ],
            "tel": self._or_empty(user.phone_number),
        }

    def listed_user(self, user: UserRecord) -> Json:
        """One user in a list."""
        return {"user": self.user(user)} if self.edition == "old" else self.user(user)

    def single_user(self, user: UserRecord) -> Json:
        """The `data` of a call for one user."""
        shape = self.user(user)
        return {"user": [shape] if self.edition == "production" else shape}

    def authorised_user(self, user: UserRecord) -> Json:
        """The `data` of the authorised user: other field names, and no role."""
        shape = {
            "id": user.id,
            "name": user.name,
            "user_email": user.email,
            "cmp_id": self._organisation.records.organization_id,
            "color": "#00B1B8",
            "language": user.language,
            "photo": "",
            "status": int(user.active),
            "status_msg": "",
            "timezone": user.timezone,
            "tel": self._or_empty(user.phone_number),
        }
        return {"user": shape}

    def listed_team(self, team: TeamRecord) -> Json:
        """One team in the list, with its members."""
        members = self._organisation.members_shown(team)
        shape = self._team(team, prefix="" if self.edition == "old" else "team_")
        return {**shape, "member_cnt": len(members), "users": members}

    def created_team(self, team: TeamRecord) -> Json:
        """The `data` after a team was created."""
        if self.edition == "production":
            return self._team(team, prefix="team_")
        return self.updated_team(team)

    def updated_team(self, team: TeamRecord) -> Json:
        """The `data` after a team was updated."""
        return {"data": self.listed_team(team)} if self.edition == "old" else self._team(team)

    def touched_team(self, team: TeamRecord) -> Json | None:
        """The `data` after a deletion or a change of members: a team in `old`, else null."""
        return self.updated_team(team) if self.edition == "old" else None

    def _team(self, team: TeamRecord, *, prefix: str = "") -> Json:
        return {
            f"{prefix}id": team.id,
            f"{prefix}name": team.name,
            "parent_id": self._or_empty(team.parent_id),
            "depth": self._organisation.depth(team),
            "reference": self._or_empty(team.reference),
        }

    def _or_empty(self, value: str | None) -> str | None:
        return value or (None if self.edition == "old" else "")
