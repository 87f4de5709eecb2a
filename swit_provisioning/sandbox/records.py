"""Users, teams and the organisation as the sandbox stores them, and its variable behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

Pkce = Literal["checked", "ignored", "refused at authorize", "refused at token"]
MASTER, ADMIN, MEMBER, GUEST = 10, 20, 30, 40


class RefusedError(Exception):
    """A refused call: an HTTP status, a message, and headers of the answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the parts of the answer."""
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The sandbox's behaviour in cases for which Swit's behaviour is not known."""

    parent_deletion: Literal["cascade", "orphan", "reject"] = "cascade"
    """Children of a deleted team are deleted, move to its parent, or prevent the deletion (400)."""
    inactive_members: Literal["stay", "leave"] = "stay"
    """Deactivated users stay in their teams, or leave them and cannot be added."""
    lost_primary: Literal["next", "none"] = "next"
    """Primary team of a user who left the old one: the next team, or none."""
    repeated_membership: Literal["accepted", "refused"] = "accepted"
    """Adding a member again, or removing a user who is not a member, succeeds or fails."""
    teamless: Literal["unassigned", "nowhere"] = "unassigned"
    """Users without a team are shown as members of `Unassigned`, or of no team."""
    refreshing: Literal["rotates", "stays"] = "rotates"
    """`stays`: a refresh returns no new refresh token, and the old one stays valid."""
    pkce: Pkce = "checked"
    """The answer to PKCE (RFC 7636), which Swit does not document."""
    scim: bool = True
    """Whether SCIM is enabled for the organisation; otherwise every SCIM call is a 403."""
    longest_name: int | None = None
    longest_reference: int | None = None
    """Characters; `None`: any length."""
    too_long: Literal["refused", "cut"] = "refused"
    """A longer text is refused (400), or shortened."""
    most_user_ids: int | None = None
    """Maximum number of users in a membership call (else 400); `None`: any number."""
    seats: int | None = None
    """Maximum number of active users (else 403); `None`: any number."""


_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class UserRecord:
    """One user; `teams` in the order joined, `primary` is one of them or `None`."""

    id: str
    email: str
    name: str
    created: str
    phone_number: str | None = None
    role: int = MEMBER
    active: bool = True
    language: str = "en"
    timezone: str = "UTC"
    primary: str | None = None
    teams: dict[str, None] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The user as JSON values."""
        return {
            "id": self.id,
            "email": self.email,
            "name": self.name,
            "phone_number": self.phone_number,
            "role": self.role,
            "active": self.active,
            "language": self.language,
            "timezone": self.timezone,
            "teams": list(self.teams),
            "primary_team": self.primary,
        }


@dataclass(kw_only=True)
class TeamRecord:
    """One team; `children` in the order shown, `users` in the order joined."""

    id: str
    name: str
    created: str
    parent_id: str | None
    reference: str | None = None
    children: list[str] = field(default_factory=list)
    users: dict[str, None] = field(default_factory=dict)

    def document(self, depth: int) -> dict[str, Any]:
        """The team as JSON values; `depth` is the number of teams above it."""
        return {
            "id": self.id,
            "name": self.name,
            "parent_id": self.parent_id,
            "reference": self.reference,
            "depth": depth,
            "user_ids": list(self.users),
        }


@dataclass(kw_only=True)
class Records:
    """All records of the organisation, with indexes by address and team name."""

    name: str
    subdomain: str
    organization_id: str = ""
    root_id: str = ""
    unassigned_id: str = ""
    authorised_user_id: str = ""
    last_number: int = 0
    users: dict[str, UserRecord] = field(default_factory=dict)
    teams: dict[str, TeamRecord] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    team_names: dict[str, str] = field(default_factory=dict)

    def new_id(self, kind: str) -> str:
        """The next id, 19 letters and digits. The same calls in order give the same ids."""
        self.last_number += 1
        return f"240101{self.last_number:09d}{kind:x<4.4}"

    def now(self) -> str:
        """The time of the newest record (ISO 8601, UTC): it counts records, not seconds."""
        return (_FIRST_DAY + timedelta(seconds=self.last_number)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def organization(self) -> dict[str, str]:
        """The organisation itself as JSON values."""
        return {"id": self.organization_id, "name": self.name, "subdomain": self.subdomain}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The records in a document that `dataclasses.asdict` made."""
        users = {key: UserRecord(**value) for key, value in document["users"].items()}
        teams = {key: TeamRecord(**value) for key, value in document["teams"].items()}
        return cls(**{**document, "users": users, "teams": teams})
