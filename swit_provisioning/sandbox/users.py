"""Operations on users."""

from collections.abc import Callable

from swit_provisioning.sandbox.model import (
    MASTER,
    Ledger,
    RefusedError,
    UserRecord,
    checked_email,
    checked_language,
    checked_name,
    folded,
)
from swit_provisioning.sandbox.teams import Memberships


class Users:
    """The users of one organisation. Every method takes the ledger's lock."""

    def __init__(self, ledger: Ledger, memberships: Memberships) -> None:
        """Take the ledger and the memberships."""
        self._ledger = ledger
        self._memberships = memberships

    def find(self, user_id: str) -> UserRecord:
        """The user with this id. Raises `RefusedError` (404)."""
        with self._ledger.lock:
            return self._ledger.user(user_id)

    def by_email(self, email: str) -> UserRecord | None:
        """The user with this address, regardless of case."""
        with self._ledger.lock:
            found = self._ledger.records.emails.get(folded(email.strip()))
            return None if found is None else self._ledger.user(found)

    def listed(
        self,
        *,
        keyword: str | None = None,
        team_id: str | None = None,
        active: bool | None = None,
    ) -> list[UserRecord]:
        """Users, oldest first; active and inactive ones unless `active` is given.

        `keyword` is part of a name or an address, regardless of case. Raises `RefusedError` (404)
        if the team does not exist.
        """
        wanted: list[Callable[[UserRecord], bool]] = []
        with self._ledger.lock:
            if keyword is not None:
                sought = folded(keyword)
                wanted.append(lambda u: sought in folded(u.name) or sought in folded(u.email))
            if team_id is not None:
                members = set(self._memberships.members(self._ledger.team(team_id)))
                wanted.append(lambda u: u.id in members)
            if active is not None:
                wanted.append(lambda u: u.active == active)
            users = self._ledger.records.users.values()
            return [user for user in users if all(test(user) for test in wanted)]

    def create(
        self,
        *,
        email: str,
        name: str,
        phone_number: str | None = None,
        language: str | None = None,
        timezone: str | None = None,
    ) -> UserRecord:
        """Create an active user without a team.

        Raises:
            RefusedError: 400 for an invalid value, 409 for an address in use, 403 if no seat is
                left.

        """
        with self._ledger.lock:
            kept = checked_name(name, of="user", behaviour=self._ledger.behaviour)
            address, spoken = checked_email(email), checked_language(language or "en")
            self._ledger.check_address(address)
            self._check_seats()
            records = self._ledger.records
            user = UserRecord(
                id=records.new_id("user"),
                email=address,
                name=kept,
                created=records.now(),
                phone_number=phone_number or None,
                language=spoken,
                timezone=timezone or "UTC",
            )
            return self._ledger.put_user(user)

    def update(
        self,
        user_id: str,
        *,
        name: str | None = None,
        phone_number: str | None = None,
        language: str | None = None,
    ) -> UserRecord:
        """Change the given values; an empty number clears it. Raises `RefusedError` (404, 400)."""
        with self._ledger.lock:
            user = self._ledger.user(user_id)
            if name is not None:
                user.name = checked_name(name, of="user", behaviour=self._ledger.behaviour)
            if phone_number is not None:
                user.phone_number = phone_number or None
            if language is not None:
                user.language = language
            return user

    def deactivate(self, user_id: str) -> None:
        """Deactivate a user; can be repeated. Raises as `remove`."""
        with self._ledger.lock:
            user = self._removable(user_id)
            user.active = False
            if self._ledger.behaviour.inactive_members == "leave":
                self._leave_all(user)

    def activate(self, user_id: str) -> None:
        """Activate a user. Raises `RefusedError` (404; 403: no seat is left)."""
        with self._ledger.lock:
            user = self._ledger.user(user_id)
            if not user.active:
                self._check_seats()
            user.active = True

    def remove(self, user_id: str) -> None:
        """Delete a user. Raises `RefusedError` (404; 403: the master)."""
        with self._ledger.lock:
            user = self._removable(user_id)
            self._leave_all(user)
            del self._ledger.records.users[user_id]
            del self._ledger.records.emails[folded(user.email)]

    def _removable(self, user_id: str) -> UserRecord:
        user = self._ledger.user(user_id)
        if user.role == MASTER:
            raise RefusedError(403, "The master of the organisation cannot be deactivated.")
        return user

    def _leave_all(self, user: UserRecord) -> None:
        for team_id in list(user.teams):
            self._memberships.drop(self._ledger.team(team_id), user)

    def _check_seats(self) -> None:
        seats = self._ledger.behaviour.seats
        if seats is not None and len(self.listed(active=True)) >= seats:
            raise RefusedError(403, f"All {seats} seats of the plan are taken.")
