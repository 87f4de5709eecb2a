"""Users and teams as each edition of Swit's API writes them.

`old` is the API as described until February 2024, `new` since then, `production` as a program in
use has seen it: mixed names, a single user as a list of one. A field without a value is null in
`old` and empty in the others, because the models of the known production client require it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from swit_provisioning.sandbox.http import Arguments, Reply
from swit_provisioning.sandbox.model import RefusedError, TeamRecord, UserRecord
from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning.sandbox.tokens import Grant

Edition = Literal["old", "new", "production"]
EDITIONS: tuple[Edition, ...] = ("old", "new", "production")
Json = dict[str, Any]


class Shapes:
    """Writes the organisation's records in one edition."""

    def __init__(self, organisation: Organisation, edition: Edition) -> None:
        """Take the organisation and the edition."""
        self._organisation = organisation
        self.edition = edition

    def user(self, user: UserRecord) -> Json:
        """One user, as every edition writes them."""
        written = {
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
                    "main_dept_yn": "Y" if primary else "N",
                }
                for team, primary in self._organisation.memberships.teams_of(user)
            ],
        }
        return {**written, "tel": self._or_empty(user.phone_number)}

    def listed_user(self, user: UserRecord) -> Json:
        """One user in a list."""
        return {"user": self.user(user)} if self.edition == "old" else self.user(user)

    def single_user(self, user: UserRecord) -> Json:
        """The `data` of one user's information."""
        written = self.user(user)
        return {"user": [written] if self.edition == "production" else written}

    def authorised_user(self, user: UserRecord) -> Json:
        """The `data` of the authorising account: other field names, and no role."""
        written = {
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
        }
        return {"user": {**written, "tel": self._or_empty(user.phone_number)}}

    def organization(self) -> Json:
        """The `data` of the organisation."""
        records = self._organisation.records
        return {
            "id": records.organization_id,
            "name": records.name,
            "subdomain": records.subdomain,
        }

    def listed_team(self, team: TeamRecord, depth: int) -> Json:
        """One team in the list, with its members."""
        members = self._organisation.memberships.members(team)
        named = self._named(team, team_prefix=self.edition != "old")
        place = self._place(team, depth)
        return {**named, **place, "member_cnt": len(members), "users": members}

    def created_team(self, team: TeamRecord) -> Any:  # noqa: ANN401 - as JSON has it
        """The `data` after a team was created."""
        return self._written_team(team, team_prefix=self.edition == "production")

    def updated_team(self, team: TeamRecord) -> Any:  # noqa: ANN401 - as JSON has it
        """The `data` after a team was updated."""
        return self._written_team(team, team_prefix=False)

    def touched_team(self, team: TeamRecord) -> Any:  # noqa: ANN401 - as JSON has it
        """The `data` after a deletion or a change of members: a team in `old`, else null."""
        return self.updated_team(team) if self.edition == "old" else None

    def _written_team(self, team: TeamRecord, *, team_prefix: bool) -> Json:
        depth = self._organisation.teams.depth(team)
        if self.edition == "old":
            return {"data": self.listed_team(team, depth)}
        return {**self._named(team, team_prefix=team_prefix), **self._place(team, depth)}

    def _named(self, team: TeamRecord, *, team_prefix: bool) -> Json:
        if team_prefix:
            return {"team_id": team.id, "team_name": team.name}
        return {"id": team.id, "name": team.name}

    def _place(self, team: TeamRecord, depth: int) -> Json:
        return {
            "parent_id": self._or_empty(team.parent_id),
            "depth": depth,
            "reference": self._or_empty(team.reference),
        }

    def _or_empty(self, value: str | None) -> str | None:
        return value or (None if self.edition == "old" else "")


READ = frozenset({"user:read"})
READ_OR_ADMIN = frozenset({"user:read", "admin:read"})
WRITE = frozenset({"admin:write"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call on its way to be carried out. The organisation's lock is held."""

    organisation: Organisation
    shapes: Shapes
    arguments: Arguments
    grant: Grant


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the API: how it is made, which scopes allow it (any of them), what it does."""

    method: Literal["GET", "POST", "PATCH"]
    scopes: frozenset[str]
    work: Callable[[Asked], Reply]
    bot: bool = True
    """Whether a token that belongs to the app, not to a person, may make it."""

    def check(self, grant: Grant) -> None:
        """Raise `RefusedError` (403) if this token may not make the call."""
        if not grant.scopes & self.scopes:
            needed = " or ".join(sorted(self.scopes))
            raise RefusedError(403, f"The access token lacks the scope {needed}.")
        if grant.bot and not self.bot:
            raise RefusedError(403, "This call can't be made with an app's token.")


def data(value: object) -> Reply:
    """A 200 with the value under `data`."""
    return Reply(body={"data": value})


NO_CONTENT = Reply(status=204)
