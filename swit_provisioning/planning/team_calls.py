"""Team calls in order, each with the calls that it depends on, played on a tree of teams."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from swit_provisioning.planning.actions import Action, Step
from swit_provisioning.planning.match_teams import Team
from swit_provisioning.planning.model import Change, creations_of
from swit_provisioning.planning.normalize import name_key


class Tree:
    """The teams at one point, existing and created ones, and the order of children."""

    def __init__(self, teams: Iterable[Team]) -> None:
        """Start with `teams`, in the order shown."""
        self.teams: dict[str, Team] = {}
        self._children: dict[str | None, dict[str, None]] = {}
        self._called: dict[str, dict[str, None]] = {}
        for team in teams:
            self.put(team)

    def __contains__(self, team_id: object) -> bool:
        """Whether the team exists at this point."""
        return team_id in self.teams

    def children(self, team_id: str) -> list[str]:
        """Ids of the child teams, in order."""
        return list(self._children.get(team_id, ()))

    def has_children(self, team_id: str) -> bool:
        """Whether a team is below this one."""
        return bool(self._children.get(team_id))

    def holder(self, name: str, but: str | None = None) -> str | None:
        """A team other than `but` that has this name, compared without case."""
        holders = self._called.get(name_key(name), {})
        return next((team for team in holders if team != but), None)

    def way_up(self, team_id: str) -> Iterable[str]:
        """The team, its parent, and so on up to the root."""
        here: str | None = team_id
        while here is not None:
            yield here
            here = self.teams[here].parent_id

    def put(self, team: Team) -> None:
        """Add a team, or change it. Below another parent it is the last of the children."""
        old = self.teams.get(team.team_id)
        if old is not None and old.name != team.name:
            del self._called[name_key(old.name)][team.team_id]
        if old is None or old.name != team.name:
            self._called.setdefault(name_key(team.name), {})[team.team_id] = None
        if old is not None and old.parent_id != team.parent_id:
            del self._children[old.parent_id][team.team_id]
        if old is None or old.parent_id != team.parent_id:
            self._children.setdefault(team.parent_id, {})[team.team_id] = None
        self.teams[team.team_id] = team

    def delete(self, team_id: str) -> None:
        """Delete a team without children."""
        team = self.teams.pop(team_id)
        del self._called[name_key(team.name)][team_id]
        del self._children[team.parent_id][team_id]


class TeamCalls:
    """Plays calls on a tree and records them as changes.

    A change depends on the creation of its parent, on the changes that freed its name, and on moves
    that took its new parent out of its own subtree. A deletion depends on all changes that took
    children out of the team. If these dependencies, the order of changes to one team and the order
    of arrivals under one parent are kept, Swit accepts the calls of a step in parallel.
    """

    def __init__(
        self, tree: Tree, shown: Mapping[str, str], members: Mapping[str, list[str]]
    ) -> None:
        """Start on `tree`; `shown` has names by team id, `members` user ids of deleted teams."""
        self.tree = tree
        self.changes: list[Change] = []
        self._shown, self._members = shown, members
        self._given: Counter[str] = Counter()
        self._moved: dict[str, tuple[str, str | None]] = {}
        """Team -> its last move, and the parent that it left."""
        self._freed: dict[str, list[str]] = {}
        """Name -> changes since the name was last taken that freed it."""
        self._left: dict[str | None, list[str]] = {}
        """Parent -> changes that took a child out of it."""

    def delete(self, team_id: str, *, step: Step, reason: str) -> None:
        """Delete a team that has no children at this point."""
        team = self.tree.teams[team_id]
        before = {
            "name": team.name,
            "parent_id": team.parent_id,
            "reference": team.reference,
            "members": self._members.get(team_id, []),
        }
        needs = self._left.get(team_id, ())
        change = self._record("team.delete", step, team_id, reason, before=before, needs=needs)
        self._freed.setdefault(name_key(team.name), []).append(change)
        self._left.setdefault(team.parent_id, []).append(change)
        self.tree.delete(team_id)

    def create(self, team_id: str, wanted: Mapping[str, str], *, reason: str) -> None:
        """Create a team with this `name`, `parent_id` and `reference`."""
        self._record(
            "team.create",
            "create_teams",
            team_id,
            reason,
            after=self._with_parent(wanted),
            needs=self._needs(team_id, wanted),
        )
        self._freed.pop(name_key(wanted["name"]), None)
        self.tree.put(Team(team_id, wanted["name"], wanted["parent_id"], wanted["reference"]))

    def update(self, team_id: str, wanted: Mapping[str, str], *, step: Step, reason: str) -> None:
        """Change those of `name`, `parent_id` and `reference` that `wanted` holds."""
        team = self.tree.teams[team_id]
        change = self._record(
            "team.update",
            step,
            team_id,
            reason,
            before=self._with_parent({field: getattr(team, field) for field in wanted}),
            after=self._with_parent(wanted),
            needs=self._needs(team_id, wanted),
        )
        if "name" in wanted:
            self._freed.pop(name_key(wanted["name"]), None)
            self._freed.setdefault(name_key(team.name), []).append(change)
        if "parent_id" in wanted:
            self._left.setdefault(team.parent_id, []).append(change)
            self._moved[team_id] = change, team.parent_id
        self.tree.put(team._replace(**wanted))

    def _with_parent(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values, with the name of the parent for people."""
        if "parent_id" not in values:
            return dict(values)
        return {**values, "parent": self.tree.teams[values["parent_id"]].name}

    def _needs(self, team_id: str, wanted: Mapping[str, str]) -> list[str]:
        """Ids of the changes without which Swit would refuse these values of a team."""
        needs: list[str] = []
        if "parent_id" in wanted:
            needs += creations_of(wanted["parent_id"])
            needs += self._moves_between(wanted["parent_id"], team_id)
        if "name" in wanted:
            needs += self._freed.get(name_key(wanted["name"]), ())
        return needs

    def _record(
        self,
        action: Action,
        step: Step,
        team_id: str,
        reason: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        needs: Iterable[str] = (),
    ) -> str:
        """Add a change, and return its id: numbered if the action is repeated for the team."""
        change_id = f"{action}:{team_id}"
        self._given[change_id] += 1
        if self._given[change_id] > 1:
            change_id = f"{change_id}:{self._given[change_id]}"
        self.changes.append(
            Change(
                change_id=change_id,
                step=step,
                action=action,
                target=self._shown[team_id],
                object_id=team_id,
                before=before or {},
                after=after or {},
                reason=reason,
                depends_on=tuple(dict.fromkeys(n for n in needs if n != change_id)),
            )
        )
        return change_id

    def _moves_between(self, parent: str, team_id: str) -> list[str]:
        """Earlier moves without which the parent might still be below the team.

        Calls may arrive in another order than they are planned in. So every path upwards counts,
        through present parents and through those that teams have left.
        """
        above: dict[str, list[str]] = {}
        waiting = [parent]
        while waiting:
            here = waiting.pop()
            if here in above or here == team_id:
                continue
            present = self.tree.teams[here].parent_id if here in self.tree else None
            _, left = self._moved.get(here, ("", None))
            above[here] = [up for up in (present, left) if up is not None]
            waiting += above[here]
        leads = {team_id}
        """The team, and all teams from which a path upwards leads to it."""
        while more := {t for t, ups in above.items() if not leads.isdisjoint(ups)} - leads:
            leads |= more
        return [
            self._moved[team][0]
            for team in above
            if team in self._moved and self._moved[team][1] in leads
        ]
