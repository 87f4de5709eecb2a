"""Operations on memberships and teams."""

from collections.abc import Callable, Iterator, Sequence

from swit_provisioning.sandbox.model import (
    Ledger,
    RefusedError,
    TeamRecord,
    UserRecord,
    checked_name,
    checked_reference,
    folded,
)

_Change = Callable[[TeamRecord, UserRecord], bool]


class Memberships:
    """The memberships of one organisation. Every method takes the ledger's lock."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger."""
        self._ledger = ledger

    def add(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Add users to a team; a user's first team becomes the primary team.

        Users who cannot be added are ignored, as in Swit: success means that at least one was
        added.

        Raises:
            RefusedError: 404 for the team, or if no user could be added; 403 for the
                root and `Unassigned`; 400 for no users or too many.

        """
        self._each(team_id, user_ids, self._join)

    def remove(self, team_id: str, user_ids: Sequence[str]) -> None:
        """Remove users from a team; partial success and refusals as in `add`."""
        self._each(team_id, user_ids, self._part)

    def make_primary(self, team_id: str, user_id: str) -> None:
        """Make one of the user's teams the primary one. Raises `RefusedError` (404, 400)."""
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
        """End one membership and choose the next primary team."""
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


class Teams:
    """The team tree of one organisation. Every method takes the ledger's lock."""

    def __init__(self, ledger: Ledger, memberships: Memberships) -> None:
        """Take the ledger and the memberships."""
        self._ledger = ledger
        self._memberships = memberships

    def find(self, team_id: str) -> TeamRecord:
        """The team with this id. Raises `RefusedError` (404)."""
        with self._ledger.lock:
            return self._ledger.team(team_id)

    def by_name(self, name: str) -> TeamRecord | None:
        """The team with this name, regardless of case."""
        with self._ledger.lock:
            found = self._ledger.records.team_names.get(folded(" ".join(name.split())))
            return None if found is None else self._ledger.team(found)

    def listed(
        self, *, parent_id: str | None = None, direct_children_only: bool = False
    ) -> list[TeamRecord]:
        """Teams in the order shown: each parent before its children.

        By default all teams, the root first; otherwise those below `parent_id` (or the root).
        Raises `RefusedError` (404).
        """
        with self._ledger.lock:
            root = self._ledger.records.root_id
            if parent_id is None and not direct_children_only:
                return [self._ledger.team(root), *self._below(root)]
            top = root if parent_id is None else parent_id
            if direct_children_only:
                return [self._ledger.team(child) for child in self._ledger.team(top).children]
            return list(self._below(top))

    def depth(self, team: TeamRecord) -> int:
        """The number of teams above; 0 for the root."""
        with self._ledger.lock:
            above, parent = 0, team.parent_id
            while parent is not None:
                above, parent = above + 1, self._ledger.team(parent).parent_id
            return above

    def create(self, *, name: str, parent_id: str, reference: str | None = None) -> TeamRecord:
        """Create a team as the last child of its parent.

        Raises:
            RefusedError: 400 for an invalid name, 404 for the parent, 409 for a name in use.

        """
        with self._ledger.lock:
            kept = checked_name(name, of="team", behaviour=self._ledger.behaviour)
            noted = checked_reference(reference, self._ledger.behaviour)
            self._check_parent(parent_id)
            self._ledger.check_free(kept, "")
            records = self._ledger.records
            team = TeamRecord(
                id=records.new_id("team"),
                name=kept,
                created=records.now(),
                parent_id=parent_id,
                reference=noted,
            )
            return self._ledger.put_team(team)

    def update(
        self,
        team_id: str,
        *,
        name: str | None = None,
        parent_id: str | None = None,
        reference: str | None = None,
    ) -> TeamRecord:
        """Change the given values, all or none; an empty reference clears it.

        A team that is moved becomes the last child of its new parent.

        Raises:
            RefusedError: 404 for the team or the parent, 403 for the root and `Unassigned`, 400
                for an invalid name or a parent that is the team itself or below it, 409 for a
                name in use.

        """
        with self._ledger.lock:
            team = self._ledger.changeable_team(team_id)
            behaviour = self._ledger.behaviour
            kept = team.name
            if name is not None:
                kept = checked_name(name, of="team", behaviour=behaviour)
                self._ledger.check_free(kept, team_id)
            if parent_id is not None:
                self._check_parent(parent_id, child_id=team_id)
            if reference is not None:
                team.reference = checked_reference(reference, behaviour)
            self._rename(team, kept)
            if parent_id is not None and parent_id != team.parent_id:
                self._move(team, parent_id)
            return team

    def delete(self, team_id: str) -> TeamRecord:
        """Delete a team and return it; `Behaviour.parent_deletion` decides about its children.

        Raises:
            RefusedError: 404; 403 for the root and `Unassigned`; 400 for its children.

        """
        with self._ledger.lock:
            team = self._ledger.changeable_team(team_id)
            kind = self._ledger.behaviour.parent_deletion
            if team.children and kind == "reject":
                raise RefusedError(400, f"The team {team.name} has child teams.")
            if kind == "orphan":
                for child in list(team.children):
                    self._move(self._ledger.team(child), self._parent(team).id)
            for doomed in reversed([team, *self._below(team_id)]):
                self._drop(doomed)
            return team

    def sort(self, parent_id: str, team_ids: Sequence[str]) -> None:
        """Put a parent's children in this order. Raises `RefusedError` (404; 400: not all)."""
        with self._ledger.lock:
            parent = self._ledger.team(parent_id)
            if sorted(team_ids) != sorted(parent.children):
                raise RefusedError(400, f"team_ids must list all child teams of {parent.name}.")
            parent.children = list(team_ids)

    def _below(self, team_id: str) -> Iterator[TeamRecord]:
        waiting = list(reversed(self._ledger.team(team_id).children))
        while waiting:
            team = self._ledger.team(waiting.pop())
            waiting.extend(reversed(team.children))
            yield team

    def _parent(self, team: TeamRecord) -> TeamRecord:
        # Only the root has no parent, and it cannot be changed.
        return self._ledger.team(team.parent_id or "")

    def _check_parent(self, parent_id: str, *, child_id: str | None = None) -> None:
        parent = self._ledger.team(parent_id)
        if parent_id == self._ledger.records.unassigned_id:
            raise RefusedError(400, f"The team {parent.name} cannot have child teams.")
        if child_id is None:
            return
        if parent_id == child_id or parent_id in {team.id for team in self._below(child_id)}:
            raise RefusedError(400, "A team cannot be moved under itself or a team below it.")

    def _rename(self, team: TeamRecord, name: str) -> None:
        names = self._ledger.records.team_names
        del names[folded(team.name)]
        team.name = name
        names[folded(name)] = team.id

    def _move(self, team: TeamRecord, parent_id: str) -> None:
        self._parent(team).children.remove(team.id)
        self._ledger.team(parent_id).children.append(team.id)
        team.parent_id = parent_id

    def _drop(self, team: TeamRecord) -> None:
        for user_id in list(team.users):
            self._memberships.drop(team, self._ledger.user(user_id))
        self._parent(team).children.remove(team.id)
        del self._ledger.records.teams[team.id]
        del self._ledger.records.team_names[folded(team.name)]
