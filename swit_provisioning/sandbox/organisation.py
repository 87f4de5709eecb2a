"""The sandbox's organisation: Swit's rules for users, teams and memberships."""

import copy
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from swit_provisioning.sandbox.records import (
    ADMIN,
    MASTER,
    MEMBER,
    Behaviour,
    Records,
    RefusedError,
    TeamRecord,
    UserRecord,
)

_FORBIDDEN_CHARACTERS = frozenset("@#<>§▒{};*")
_MAX_EMAIL_LENGTH = 254


class Organisation:
    """One Swit organisation in memory. Thread-safe.

    A new one has the root team, `Unassigned` under it, and one administrator, who owns all
    tokens. If Swit refuses a call, its method raises `RefusedError`: 404 for an unknown id, and
    the statuses in its docstring.
    """

    def __init__(self) -> None:
        """Create the organisation; the root team has its name."""
        self.lock = threading.RLock()
        self.behaviour = Behaviour()
        self.records = Records(name="Sandbox Organisation", subdomain="sandbox")
        self.records.organization_id = self.records.new_id("swit")
        self.records.root_id = self._put_team(self.records.name, None).id
        self.records.unassigned_id = self._put_team("Unassigned", self.records.root_id).id
        self.records.authorised_user_id = self.add_user(
            "admin@sandbox.example", "Sandbox Administrator", role=ADMIN
        )
        self.mark()

    @property
    def authorised_user_id(self) -> str:
        """The administrator who owns all tokens."""
        return self.records.authorised_user_id

    def mark(self) -> None:
        """Remember the current state for `reset`."""
        with self.lock:
            self._marked = copy.deepcopy(self.records)

    def reset(self) -> None:
        """Return to the state that was marked last."""
        with self.lock:
            self.records = copy.deepcopy(self._marked)

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON values: users oldest first, teams in the order shown."""
        with self.lock:
            records = self.records
            return {
                "organization": records.organization(),
                "authorised_user_id": records.authorised_user_id,
                "root_id": records.root_id,
                "unassigned_id": records.unassigned_id,
                "users": [user.document() for user in records.users.values()],
                "teams": [team.document(self.depth(team)) for team in self.list_teams()],
            }

    def user(self, user_id: str) -> UserRecord:
        """The user with this id."""
        found = self.records.users.get(user_id)
        if found is None:
            raise RefusedError(404, f"There is no user with the id {user_id}.")
        return found

    def user_by_email(self, email: str) -> UserRecord | None:
        """The user with this address, regardless of case."""
        with self.lock:
            found = self.records.emails.get(_folded(email.strip()))
            return None if found is None else self.user(found)

    def list_users(
        self,
        *,
        keyword: str | None = None,
        team_id: str | None = None,
        active: bool | None = None,
    ) -> list[UserRecord]:
        """Users, oldest first; active and inactive ones unless `active` is given.

        `keyword` is part of a name or an address, regardless of case.
        """
        with self.lock:
            users = list(self.records.users.values())
            if keyword is not None:
                text = _folded(keyword)
                users = [u for u in users if text in _folded(u.name) or text in _folded(u.email)]
            if team_id is not None:
                members = set(self.members_shown(self.team(team_id)))
                users = [user for user in users if user.id in members]
            return [user for user in users if active is None or user.active == active]

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
        """Add a user to these teams, the first of them primary; the user's id.

        Raises:
            RefusedError: 400 for an invalid value, 409 for an address in use, 403 if no seat is
                left.
            ValueError: a second master.

        """
        with self.lock:
            records = self.records
            if role == MASTER and any(user.role == MASTER for user in records.users.values()):
                message = "The organisation has a master already. It can have only one."
                raise ValueError(message)
            email = email.strip()
            local_part, _, domain = email.partition("@")
            name = self._checked_name(local_part if name is None else name, of="user")
            is_valid = local_part and domain and "@" not in domain and " " not in email
            if not is_valid or len(email) > _MAX_EMAIL_LENGTH:
                words = f"an e-mail address of at most {_MAX_EMAIL_LENGTH} characters"
                raise RefusedError(400, f"user_email must be {words}.")
            if _folded(email) in records.emails:
                raise RefusedError(409, f"{email} is already a user of the organisation.")
            self._check_seats()
            user = UserRecord(
                id=records.new_id("user"),
                email=email,
                name=name,
                created=records.now(),
                phone_number=phone_number or None,
                role=role,
                language=language,
                timezone=timezone,
            )
            records.users[user.id] = user
            records.emails[_folded(email)] = user.id
            for team_id in teams:
                self.add_members(team_id, [user.id])
            user.active = active
            return user.id

    def update_user(
        self,
        user_id: str,
        *,
        name: str | None = None,
        phone_number: str | None = None,
        language: str | None = None,
    ) -> None:
        """Change the given values; an empty number clears it. 400 for an invalid name."""
        with self.lock:
            user = self.user(user_id)
            if name is not None:
                user.name = self._checked_name(name, of="user")
            if phone_number is not None:
                user.phone_number = phone_number or None
            if language is not None:
                user.language = language

    def activate_user(self, user_id: str) -> None:
        """Activate a user. 403 if no seat is left."""
        with self.lock:
            user = self.user(user_id)
            if not user.active:
                self._check_seats()
            user.active = True

    def deactivate_user(self, user_id: str) -> None:
        """Deactivate a user; can be repeated. 403 for the master."""
        with self.lock:
            user = self._removable_user(user_id)
            user.active = False
            if self.behaviour.inactive_members == "leave":
                self._leave_teams(user)

    def remove_user(self, user_id: str) -> None:
        """Delete a user. 403 for the master."""
        with self.lock:
            user = self._removable_user(user_id)
            self._leave_teams(user)
            del self.records.users[user_id]
            del self.records.emails[_folded(user.email)]

    def team(self, team_id: str) -> TeamRecord:
        """The team with this id."""
        found = self.records.teams.get(team_id)
        if found is None:
            raise RefusedError(404, f"There is no team with the id {team_id}.")
        return found

    def team_by_name(self, name: str) -> TeamRecord | None:
        """The team with this name, regardless of case."""
        with self.lock:
            found = self.records.team_names.get(_folded(" ".join(name.split())))
            return None if found is None else self.team(found)

    def list_teams(
        self, *, parent_id: str | None = None, direct_children_only: bool = False
    ) -> list[TeamRecord]:
        """Teams in the order shown: each parent before its children.

        By default all teams, the root first; otherwise those below `parent_id` (or the root).
        """
        with self.lock:
            top = self.team(self.records.root_id if parent_id is None else parent_id)
            if direct_children_only:
                return [self.team(child) for child in top.children]
            return [*([top] if parent_id is None else []), *self._below(top)]

    def depth(self, team: TeamRecord) -> int:
        """The number of teams above; 0 for the root."""
        with self.lock:
            depth = 0
            while team.parent_id is not None:
                depth, team = depth + 1, self.team(team.parent_id)
            return depth

    def add_team(
        self,
        name: str,
        *,
        parent_id: str | None = None,
        reference: str | None = None,
        user_ids: Sequence[str] = (),
    ) -> str:
        """Add a team as the last child of its parent, by default of the root; the team's id.

        400 for an invalid name, 409 for a name in use.
        """
        with self.lock:
            name = self._checked_name(name, of="team")
            reference = self._checked_reference(reference)
            parent = self._checked_parent(parent_id or self.records.root_id)
            team = self._put_team(name, parent.id, reference)
            if user_ids:
                self.add_members(team.id, user_ids)
            return team.id

    def update_team(
        self,
        team_id: str,
        *,
        name: str | None = None,
        parent_id: str | None = None,
        reference: str | None = None,
    ) -> TeamRecord:
        """Change the given values, all or none, and return the team; "" clears the reference.

        A team that is moved becomes the last child of its new parent. 403 for the root and
        `Unassigned`, 400 for an invalid name or a parent that is the team itself or below it, 409
        for a name in use.
        """
        with self.lock:
            team = self._changeable_team(team_id)
            new_name = team.name if name is None else self._checked_name(name, of="team")
            self._check_name_is_free(new_name, team_id)
            parent = None if parent_id is None else self._checked_parent(parent_id)
            if parent and (parent is team or parent in self._below(team)):
                words = "A team cannot be moved under itself or a team below it."
                raise RefusedError(400, words)
            if reference is not None:
                team.reference = self._checked_reference(reference)
            del self.records.team_names[_folded(team.name)]
            self.records.team_names[_folded(new_name)] = team_id
            team.name = new_name
            if parent and parent.id != team.parent_id:
                self._move(team, parent)
            return team

    def delete_team(self, team_id: str) -> TeamRecord:
        """Delete a team and return it; `Behaviour.parent_deletion` decides about its children.

        403 for the root and `Unassigned`; 400 if it has children and they are a reason to refuse.
        """
        with self.lock:
            team = self._changeable_team(team_id)
            if team.children and self.behaviour.parent_deletion == "reject":
                raise RefusedError(400, f"The team {team.name} has child teams.")
            if self.behaviour.parent_deletion == "orphan":
                for child in list(team.children):
                    self._move(self.team(child), self._parent(team))
            for deleted in reversed([team, *self._below(team)]):
                for user_id in list(deleted.users):
                    self._leave_team(deleted, self.user(user_id))
                self._parent(deleted).children.remove(deleted.id)
                del self.records.teams[deleted.id]
                del self.records.team_names[_folded(deleted.name)]
            return team

    def sort_teams(self, parent_id: str, team_ids: Sequence[str]) -> None:
        """Put a parent's children in this order. 400 if `team_ids` are not all of them."""
        with self.lock:
            parent = self.team(parent_id)
            if sorted(team_ids) != sorted(parent.children):
                raise RefusedError(400, f"team_ids must list all child teams of {parent.name}.")
            parent.children = list(team_ids)

    def add_members(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Add users to a team; a user's first team becomes the primary team.

        Users who cannot be added are ignored, as in Swit: success means that at least one was
        added. 404 also if none was; 403 for the root and `Unassigned`; 400 for no users or too
        many.
        """

        def add(team: TeamRecord, user: UserRecord) -> bool:
            if user.id in team.users:
                return self.behaviour.repeated_membership == "accepted"
            if not user.active and self.behaviour.inactive_members == "leave":
                return False
            team.users[user.id] = user.teams[team.id] = None
            user.primary = user.primary or team.id
            return True

        self._change_members(team_id, user_ids, add)

    def remove_members(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove users from a team; partial success and refusals as in `add_members`."""

        def remove(team: TeamRecord, user: UserRecord) -> bool:
            if user.id not in team.users:
                return self.behaviour.repeated_membership == "accepted"
            self._leave_team(team, user)
            return True

        self._change_members(team_id, user_ids, remove)

    def make_primary(self, team_id: str, user_id: str) -> None:
        """Make a team the user's primary one. 400 if the user is not in it."""
        with self.lock:
            user, team = self.user(user_id), self.team(team_id)
            if team_id not in user.teams:
                raise RefusedError(400, f"The user {user_id} is not in the team {team.name}.")
            user.primary = team_id

    def members_shown(self, team: TeamRecord) -> list[str]:
        """The ids that a list shows for this team."""
        with self.lock:
            if team.id != self.records.unassigned_id:
                return list(team.users)
            if self.behaviour.teamless == "nowhere":
                return []
            return [user.id for user in self.records.users.values() if not user.teams]

    def teams_shown(self, user: UserRecord) -> list[tuple[TeamRecord, bool]]:
        """The teams that a list shows for this user, each with whether it is the primary one."""
        with self.lock:
            if user.teams or self.behaviour.teamless == "nowhere":
                return [(self.team(each), each == user.primary) for each in user.teams]
            return [(self.team(self.records.unassigned_id), True)]

    def _checked_name(self, name: str, *, of: str) -> str:
        """The name as Swit stores it: trimmed, with single spaces."""
        name = " ".join(name.split())
        if not name:
            raise RefusedError(400, f"The name of a {of} must not be empty.")
        if forbidden := sorted(_FORBIDDEN_CHARACTERS & set(name)):
            raise RefusedError(400, f"The name of a {of} must not contain {' '.join(forbidden)}.")
        return self._fitted(name, self.behaviour.longest_name, what=f"name of a {of}")

    def _checked_reference(self, reference: str | None) -> str | None:
        longest = self.behaviour.longest_reference
        return self._fitted(reference or "", longest, what="reference") or None

    def _fitted(self, text: str, longest: int | None, *, what: str) -> str:
        if longest is None or len(text) <= longest:
            return text
        if self.behaviour.too_long == "refused":
            raise RefusedError(400, f"The {what} must not be longer than {longest} characters.")
        return text[:longest].rstrip()

    def _check_seats(self) -> None:
        seats = self.behaviour.seats
        if seats is not None and len(self.list_users(active=True)) >= seats:
            raise RefusedError(403, f"All {seats} seats of the plan are taken.")

    def _removable_user(self, user_id: str) -> UserRecord:
        user = self.user(user_id)
        if user.role == MASTER:
            raise RefusedError(403, "The master of the organisation cannot be deactivated.")
        return user

    def _leave_teams(self, user: UserRecord) -> None:
        for team_id in list(user.teams):
            self._leave_team(self.team(team_id), user)

    def _leave_team(self, team: TeamRecord, user: UserRecord) -> None:
        """End one membership and choose the next primary team."""
        del team.users[user.id], user.teams[team.id]
        if user.primary == team.id:
            is_followed = self.behaviour.lost_primary == "next"
            user.primary = next(iter(user.teams), None) if is_followed else None

    def _change_members(
        self,
        team_id: str,
        user_ids: Sequence[str],
        change: Callable[[TeamRecord, UserRecord], bool],
    ) -> None:
        """Apply `change`, which returns whether it succeeded, to the users that exist."""
        with self.lock:
            team = self._changeable_team(team_id)
            most = self.behaviour.most_user_ids
            if not user_ids:
                raise RefusedError(400, "user_ids must name at least one user.")
            if most is not None and len(user_ids) > most:
                raise RefusedError(400, f"user_ids must not name more than {most} users.")
            users = self.records.users
            results = [change(team, users[user_id]) for user_id in user_ids if user_id in users]
            if not any(results):
                raise RefusedError(404, f"None of the users could be changed in {team.name}.")

    def _changeable_team(self, team_id: str) -> TeamRecord:
        team = self.team(team_id)
        if team_id in (self.records.root_id, self.records.unassigned_id):
            raise RefusedError(403, f"The team {team.name} cannot be changed.")
        return team

    def _checked_parent(self, parent_id: str) -> TeamRecord:
        parent = self.team(parent_id)
        if parent_id == self.records.unassigned_id:
            raise RefusedError(400, f"The team {parent.name} cannot have child teams.")
        return parent

    def _check_name_is_free(self, name: str, team_id: str | None = None) -> None:
        if self.records.team_names.get(_folded(name), team_id) != team_id:
            raise RefusedError(409, f"There is already a team called {name}.")

    def _put_team(
        self, name: str, parent_id: str | None, reference: str | None = None
    ) -> TeamRecord:
        self._check_name_is_free(name)
        records = self.records
        team = TeamRecord(
            id=records.new_id("team"),
            name=name,
            created=records.now(),
            parent_id=parent_id,
            reference=reference,
        )
        records.teams[team.id] = team
        records.team_names[_folded(name)] = team.id
        if parent_id is not None:
            self.team(parent_id).children.append(team.id)
        return team

    def _below(self, team: TeamRecord) -> Iterator[TeamRecord]:
        """All teams below, in the order shown."""
        waiting = team.children[::-1]
        while waiting:
            child = self.team(waiting.pop())
            waiting += reversed(child.children)
            yield child

    def _parent(self, team: TeamRecord) -> TeamRecord:
        # Only the root has no parent, and it cannot be changed.
        return self.team(team.parent_id or "")

    def _move(self, team: TeamRecord, parent: TeamRecord) -> None:
        self._parent(team).children.remove(team.id)
        parent.children.append(team.id)
        team.parent_id = parent.id


def _folded(text: str) -> str:
    """The text for comparisons: case-folded, in normal form C."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
