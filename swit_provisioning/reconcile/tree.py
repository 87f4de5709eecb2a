"""The tree of teams as it is while a plan is made: the planner plays each call on it."""

from collections.abc import Iterable, Mapping

from swit_provisioning.reconcile.teams import Team
from swit_provisioning.reconcile.text import name_key


class Tree:
    """Names, parents, references and the order of children; ids may be of teams to be made."""

    def __init__(self, teams: Mapping[str, Team]) -> None:
        """Copy what was read; `teams` come in the order shown."""
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
        """Whether the team is there (now)."""
        return team_id in self.name

    def children(self, team_id: str) -> list[str]:
        """Ids of the child teams, in order."""
        return list(self._children.get(team_id, ()))

    def has_children(self, team_id: str) -> bool:
        """Whether a team is below this one."""
        return bool(self._children.get(team_id))

    def holder(self, name: str, but: str | None = None) -> str | None:
        """Another team that has this name, without case."""
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
        """Make a team; it comes last among its siblings."""
        self.name[team_id], self.parent[team_id] = name, parent
        self.reference[team_id] = reference
        self._called.setdefault(name_key(name), {})[team_id] = None
        self._children.setdefault(parent, {})[team_id] = None

    def rename(self, team_id: str, name: str) -> None:
        """Give a team another name."""
        self._called[name_key(self.name[team_id])].pop(team_id)
        self.name[team_id] = name
        self._called.setdefault(name_key(name), {})[team_id] = None

    def move(self, team_id: str, parent: str) -> None:
        """Put a team below another one, last among its children."""
        self._leave(team_id)
        self.parent[team_id] = parent
        self._children.setdefault(parent, {})[team_id] = None

    def delete(self, team_id: str) -> None:
        """Take a team that has no children out."""
        self._leave(team_id)
        self._called[name_key(self.name[team_id])].pop(team_id)
        del self.name[team_id], self.parent[team_id], self.reference[team_id]

    def _leave(self, team_id: str) -> None:
        above = self.parent[team_id]
        if above is not None:
            self._children[above].pop(team_id)
