"""The organisation: its parts, methods for tests to fill it, and its state as JSON values."""

from collections.abc import Iterable
from typing import Any

from swit_provisioning.sandbox.model import (
    ADMIN,
    MASTER,
    MEMBER,
    Behaviour,
    Ledger,
    Records,
    TeamRecord,
    UserRecord,
)
from swit_provisioning.sandbox.teams import Memberships, Teams
from swit_provisioning.sandbox.users import Users

UNASSIGNED = "Unassigned"


class Organisation:
    """One Swit organisation in memory. Thread-safe.

    A new one has the root team, `Unassigned` under it, and one administrator, who owns all
    tokens. `users`, `teams` and `memberships` refuse what Swit refuses (`RefusedError`).
    """

    def __init__(
        self,
        *,
        name: str = "Sandbox Organisation",
        subdomain: str = "sandbox",
        admin_email: str = "admin@sandbox.example",
        admin_name: str = "Sandbox Administrator",
        behaviour: Behaviour | None = None,
    ) -> None:
        """Create the organisation; the root team has its name."""
        self._ledger = Ledger(Records(name=name, subdomain=subdomain), behaviour or Behaviour())
        self.memberships = Memberships(self._ledger)
        self.users = Users(self._ledger, self.memberships)
        self.teams = Teams(self._ledger, self.memberships)
        self.lock = self._ledger.lock
        self._found(admin_email=admin_email, admin_name=admin_name)
        self.mark()

    @property
    def behaviour(self) -> Behaviour:
        """The behaviour where Swit's own is not known."""
        return self._ledger.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._ledger.behaviour = behaviour

    @property
    def records(self) -> Records:
        """The ids and records of the organisation. Hold `lock` while reading."""
        return self._ledger.records

    @property
    def authorised_user_id(self) -> str:
        """The administrator who owns all tokens."""
        return self.records.authorised_user_id

    def add_user(
        self,
        email: str,
        name: str | None = None,
        *,
        phone_number: str | None = None,
        role: int = MEMBER,
        active: bool = True,
        language: str = "en",
        timezone: str = "UTC",
        teams: Iterable[str] = (),
    ) -> str:
        """Add a user with any role to these teams, the first of them primary; its id.

        Raises:
            RefusedError: the same as for a user created through the API.
            ValueError: a second master.

        """
        with self.lock:
            if role == MASTER and any(u.role == MASTER for u in self.records.users.values()):
                message = "An organisation has one master, and this one has one already."
                raise ValueError(message)
            user = self.users.create(
                email=email,
                name=name or email.partition("@")[0],
                phone_number=phone_number,
                timezone=timezone,
            )
            user.role, user.language = role, language
            for team_id in teams:
                self.memberships.add(team_id, [user.id])
            user.active = active
            return user.id

    def add_team(
        self,
        name: str,
        *,
        parent_id: str | None = None,
        reference: str | None = None,
        user_ids: Iterable[str] = (),
    ) -> str:
        """Add a team, by default under the root; its id. Raises as the API."""
        with self.lock:
            parent = parent_id or self.records.root_id
            team = self.teams.create(name=name, parent_id=parent, reference=reference)
            members = list(user_ids)
            if members:
                self.memberships.add(team.id, members)
            return team.id

    def replace_records(self, records: Records) -> None:
        """Replace the records by those that another process has written."""
        with self.lock:
            self._ledger.records = records

    def mark(self) -> None:
        """Remember the present state as the one that `reset` goes back to."""
        self._ledger.mark()

    def reset(self) -> None:
        """Return to the state that was marked last."""
        self._ledger.reset()

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON values: users oldest first, teams in the order shown."""
        with self.lock:
            records = self.records
            return {
                "organization": {
                    "id": records.organization_id,
                    "name": records.name,
                    "subdomain": records.subdomain,
                },
                "authorised_user_id": records.authorised_user_id,
                "root_id": records.root_id,
                "unassigned_id": records.unassigned_id,
                "users": [_plain_user(user) for user in records.users.values()],
                "teams": [self._plain_team(team) for team in self.teams.listed()],
            }

    def _plain_team(self, team: TeamRecord) -> dict[str, Any]:
        return {
            "id": team.id,
            "name": team.name,
            "parent_id": team.parent_id,
            "reference": team.reference,
            "depth": self.teams.depth(team),
            "user_ids": list(team.users),
        }

    def _found(self, *, admin_email: str, admin_name: str) -> None:
        records = self.records
        records.organization_id = records.new_id("swit")
        root = self._own_team(records.name, None)
        records.root_id = root.id
        records.unassigned_id = self._own_team(UNASSIGNED, root.id).id
        records.authorised_user_id = self.add_user(admin_email, admin_name, role=ADMIN)

    def _own_team(self, name: str, parent_id: str | None) -> TeamRecord:
        team_id = self.records.new_id("team")
        return self._ledger.put_team(
            TeamRecord(id=team_id, name=name, created=self.records.now(), parent_id=parent_id)
        )


def _plain_user(user: UserRecord) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "phone_number": user.phone_number,
        "role": user.role,
        "active": user.active,
        "language": user.language,
        "timezone": user.timezone,
        "teams": list(user.teams),
        "primary_team": user.primary,
    }
