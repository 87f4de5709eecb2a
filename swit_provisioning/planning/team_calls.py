"""Team calls in order, each with the calls that it depends on, played on a tree of teams."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from swit_provisioning.planning.actions import Action, Step
from swit_provisioning.planning.match_teams import Team
from swit_provisioning.planning.model import Change
from swit_provisioning.planning.normalize import name_key


class Tree:
    """Names, parents, references and the order of children, of existing and of created teams."""

    def __init__(self, teams: Mapping[str, Team]) -> None:
        """Start with `teams`, in the order shown."""
        self.name = {team.team_id: team.name for team in teams.values()}
        self.parent = {team.team_id: team.parent_id for team in teams.values()}
        self.reference = {team.team_id: team.reference for team in teams.values()}
        self._children: dict[str, dict[str, None]] = {}
        self._called: dict[str, dict[str, None]] = {}
        for team in teams.values():
            self._called.setdefault(name_key(team.name), {})[team.team_id] = None
            if team.parent_id is not None:
                self._children.setdefault(team.parent_id, {})[team.team_id] = None

    def __contains__(self, team_id: object) -> bool:
        """Whether the team exists at this point."""
        return team_id in self.name

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
            here = self.parent[here]

    def is_below_or_same(self, team_id: str, other: str) -> bool:
        """Whether `team_id` is `other` or somewhere under it."""
        return other in self.way_up(team_id)

    def create(self, team_id: str, *, name: str, parent: str, reference: str) -> None:
        """Create a team, last among its siblings."""
        self.name[team_id], self.parent[team_id] = name, parent
        self.reference[team_id] = reference
        self._called.setdefault(name_key(name), {})[team_id] = None
        self._children.setdefault(parent, {})[team_id] = None

    def rename(self, team_id: str, name: str) -> None:
        """Rename a team."""
        self._called[name_key(self.name[team_id])].pop(team_id)
        self.name[team_id] = name
        self._called.setdefault(name_key(name), {})[team_id] = None

    def move(self, team_id: str, parent: str) -> None:
        """Move a team below another one, last among its children."""
        self._leave(team_id)
        self.parent[team_id] = parent
        self._children.setdefault(parent, {})[team_id] = None

    def delete(self, team_id: str) -> None:
        """Delete a team without children."""
        self._leave(team_id)
        self._called[name_key(self.name[team_id])].pop(team_id)
        del self.name[team_id], self.parent[team_id], self.reference[team_id]

    def _leave(self, team_id: str) -> None:
        above = self.parent[team_id]
        if above is not None:
            self._children[above].pop(team_id)


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
        self._ids: Counter[str] = Counter()
        self._made: dict[str, str] = {}
        self._moved: dict[str, tuple[str, str | None]] = {}
        self._freed: dict[str, list[str]] = {}
        self._left: dict[str, list[str]] = {}

    def delete(self, team_id: str, *, step: Step, reason: str) -> None:
        """Delete a team that has no children at this point."""
        before = {
            "name": self.tree.name[team_id],
            "parent_id": self.tree.parent[team_id],
            "reference": self.tree.reference[team_id],
            "members": self._members.get(team_id, []),
        }
        needs = self._left.get(team_id, ())
        change = self._note("team.delete", step, team_id, reason, before=before, needs=needs)
        self._frees(self.tree.name[team_id], change)
        self._leaves(team_id, change)
        self.tree.delete(team_id)

    def create(self, team_id: str, *, name: str, parent: str, reference: str, reason: str) -> None:
        """Create a team."""
        after = {
            "name": name,
            "parent_id": parent,
            "parent": self.tree.name[parent],
            "reference": reference,
        }
        needs = [*self._parent_needs(team_id, parent), *self._freed.get(name_key(name), ())]
        change = self._note(
            "team.create", "create_teams", team_id, reason, after=after, needs=needs
        )
        self._made[team_id] = change
        self._freed.pop(name_key(name), None)
        self.tree.create(team_id, name=name, parent=parent, reference=reference)

    def update(self, team_id: str, wanted: Mapping[str, str], *, step: Step, reason: str) -> None:
        """Change those of `name`, `parent_id` and `reference` that `wanted` holds."""
        tree = self.tree
        present = {
            "name": tree.name[team_id],
            "parent_id": tree.parent[team_id],
            "reference": tree.reference[team_id],
        }
        needs: list[str] = []
        if "parent_id" in wanted:
            needs += self._parent_needs(team_id, wanted["parent_id"])
        if "name" in wanted:
            needs += self._freed.get(name_key(wanted["name"]), ())
        change = self._note(
            "team.update",
            step,
            team_id,
            reason,
            before={key: present[key] for key in wanted} | self._parent_name(present, wanted),
            after={**wanted, **self._parent_name(wanted, wanted)},
            needs=needs,
        )
        if "name" in wanted:
            self._freed.pop(name_key(wanted["name"]), None)
            self._frees(tree.name[team_id], change)
            tree.rename(team_id, wanted["name"])
        if "reference" in wanted:
            tree.reference[team_id] = wanted["reference"]
        if "parent_id" in wanted:
            self._leaves(team_id, change)
            self._moved[team_id] = change, tree.parent[team_id]
            tree.move(team_id, wanted["parent_id"])

    def _parent_name(
        self, values: Mapping[str, str | None], wanted: Mapping[str, str]
    ) -> dict[str, str]:
        """The name of the parent, for people, if the change is a move."""
        parent = values.get("parent_id") if "parent_id" in wanted else None
        return {} if parent is None else {"parent": self.tree.name[parent]}

    def _note(
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
        change_id = f"{action}:{team_id}"
        self._ids[change_id] += 1
        if self._ids[change_id] > 1:
            change_id = f"{change_id}:{self._ids[change_id]}"
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

    def _frees(self, name: str, change: str) -> None:
        self._freed.setdefault(name_key(name), []).append(change)

    def _leaves(self, team_id: str, change: str) -> None:
        above = self.tree.parent[team_id]
        if above is not None:
            self._left.setdefault(above, []).append(change)

    def _parent_needs(self, team_id: str, parent: str) -> list[str]:
        """The creation of the parent, and the moves that took it out of the team's subtree."""
        needs = [self._made[parent]] if parent in self._made else []
        return needs + self._moves_between(parent, team_id)

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
            _, left = self._moved.get(here, ("", None))
            above[here] = [up for up in (self.tree.parent.get(here), left) if up is not None]
            waiting += above[here]
        if all(team_id not in ups for ups in above.values()):
            return []
        leads = _that_lead_to(team_id, above)
        return [
            self._moved[team][0]
            for team in above
            if team in self._moved and self._moved[team][1] in leads
        ]


def _that_lead_to(team_id: str, above: Mapping[str, list[str]]) -> set[str]:
    """The team, and all teams from which a path upwards leads to it."""
    below: dict[str, list[str]] = {}
    for team, ups in above.items():
        for up in ups:
            below.setdefault(up, []).append(team)
    leads, waiting = {team_id}, [team_id]
    while waiting:
        found = [team for team in below.get(waiting.pop(), ()) if team not in leads]
        leads.update(found)
        waiting += found
    return leads
