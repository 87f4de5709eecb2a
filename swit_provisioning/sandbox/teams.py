"""What may be done with teams: create, update, move, delete, sort, list."""

from collections.abc import Iterator, Sequence

from swit_provisioning.sandbox.memberships import Memberships
from swit_provisioning.sandbox.records import Ledger, TeamRecord
from swit_provisioning.sandbox.rules import (
    RefusedError,
    checked_name,
    checked_reference,
    folded,
)


class Teams:
    """The team tree of one organisation. Every method takes the ledger's lock."""

    def __init__(self, ledger: Ledger, memberships: Memberships) -> None:
        """Change the teams in this ledger."""
        self._ledger = ledger
        self._memberships = memberships

    def find(self, team_id: str) -> TeamRecord:
        """The team with this id. Raises `RefusedError` (404)."""
        with self._ledger.lock:
            return self._ledger.team(team_id)

    def by_name(self, name: str) -> TeamRecord | None:
        """The team that is so called, whatever the case."""
        with self._ledger.lock:
            found = self._ledger.records.team_names.get(folded(" ".join(name.split())))
            return None if found is None else self._ledger.team(found)

    def listed(
        self, *, parent_id: str | None = None, direct_children_only: bool = False
    ) -> list[TeamRecord]:
        """Teams as they are shown: every parent before its children, these in their order.

        With nothing given: all, the root first. Else those below `parent_id` (or the root),
        without itself. Raises `RefusedError` (404).
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
        """How many teams stand above: 0 for the root."""
        with self._ledger.lock:
            above, parent = 0, team.parent_id
            while parent is not None:
                above, parent = above + 1, self._ledger.team(parent).parent_id
            return above

    def create(self, *, name: str, parent_id: str, reference: str | None = None) -> TeamRecord:
        """Make a team, as the last child of its parent.

        Raises:
            RefusedError: 400 for a name that can't be, 404 for the parent, 409 for a name taken.

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
        """Change what is given, all of it or nothing; an empty reference clears it.

        A team that moves becomes its new parent's last child.

        Raises:
            RefusedError: 404 for the team or the parent, 403 for the root and `Unassigned`, 400
                for a name that can't be or a parent that is the team itself or below it, 409 for
                a name taken.

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
        """Delete a team; its children as `Behaviour.parent_deletion` says. Returns what it was.

        Raises:
            RefusedError: 404; 403 for the root and `Unassigned`; 400 for children in the way.

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
        # Only the root has none, and the root never gets this far.
        return self._ledger.team(team.parent_id or "")

    def _check_parent(self, parent_id: str, *, child_id: str | None = None) -> None:
        parent = self._ledger.team(parent_id)
        if parent_id == self._ledger.records.unassigned_id:
            raise RefusedError(400, f"The team {parent.name} can't have child teams.")
        if child_id is None:
            return
        if parent_id == child_id or parent_id in {team.id for team in self._below(child_id)}:
            raise RefusedError(400, "A team can't be moved under itself or a team below it.")

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
