"""What the organisation is made of: its users, its teams, and the ledger that holds both.

Plain records and lookups; what may be done to them is in `users.py`, `teams.py` and
`memberships.py`. Every one of those takes the ledger's lock first.
"""

import copy
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from swit_provisioning.sandbox.rules import MEMBER, Behaviour, RefusedError, folded

_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class UserRecord:
    """One account; `teams` in the order joined, `primary` is one of them or `None`."""

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


@dataclass(kw_only=True)
class Records:
    """Everything the organisation knows, and the indexes by address and by team name."""

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
        """The next id, 19 letters and digits: the same history gives the same ids."""
        self.last_number += 1
        return f"240101{self.last_number:09d}{kind:x<4.4}"

    def now(self) -> str:
        """The time of the newest record (ISO 8601, UTC): it counts records, not seconds."""
        return (_FIRST_DAY + timedelta(seconds=self.last_number)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ledger:
    """The records, the lock that guards them, and how the unknown is played."""

    def __init__(self, records: Records, behaviour: Behaviour) -> None:
        """Guard these records, and mark their present state."""
        self.lock = threading.RLock()
        self.behaviour = behaviour
        self.records = records
        self._marked = copy.deepcopy(records)

    def mark(self) -> None:
        """Remember the present state as the one that `reset` goes back to."""
        with self.lock:
            self._marked = copy.deepcopy(self.records)

    def reset(self) -> None:
        """Go back to the state that was marked last."""
        with self.lock:
            self.records = copy.deepcopy(self._marked)

    def user(self, user_id: str) -> UserRecord:
        """The user with this id. Raises `RefusedError` (404)."""
        found = self.records.users.get(user_id)
        if found is None:
            raise RefusedError(404, f"There is no user with the id {user_id}.")
        return found

    def team(self, team_id: str) -> TeamRecord:
        """The team with this id. Raises `RefusedError` (404)."""
        found = self.records.teams.get(team_id)
        if found is None:
            raise RefusedError(404, f"There is no team with the id {team_id}.")
        return found

    def changeable_team(self, team_id: str) -> TeamRecord:
        """The team, unless it is the root or `Unassigned`. Raises `RefusedError` (404, 403)."""
        found = self.team(team_id)
        if team_id in (self.records.root_id, self.records.unassigned_id):
            raise RefusedError(403, f"The team {found.name} can't be changed.")
        return found

    def put_user(self, user: UserRecord) -> UserRecord:
        """Add the account. Raises `RefusedError` (409): its address is taken."""
        self.check_address(user.email)
        self.records.users[user.id] = user
        self.records.emails[folded(user.email)] = user.id
        return user

    def check_address(self, email: str) -> None:
        """Raise `RefusedError` (409) if a user has this address, whatever its case."""
        if folded(email) in self.records.emails:
            raise RefusedError(409, f"{email} is already a user of the organisation.")

    def put_team(self, team: TeamRecord) -> TeamRecord:
        """Add the team as its parent's last child. Raises `RefusedError` (409): name taken."""
        self.check_free(team.name, team.id)
        self.records.teams[team.id] = team
        self.records.team_names[folded(team.name)] = team.id
        if team.parent_id is not None:
            self.team(team.parent_id).children.append(team.id)
        return team

    def check_free(self, name: str, team_id: str) -> None:
        """Raise `RefusedError` (409) if another team has this name, whatever its case."""
        if self.records.team_names.get(folded(name), team_id) != team_id:
            raise RefusedError(409, f"There is already a team called {name}.")
