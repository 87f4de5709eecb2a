"""The changes to teams and to their order, in an order in which Swit accepts every call.

The steps are `delete_teams`, `free_team_names`, `create_teams`, `update_teams`,
`delete_emptied_teams` and `sort_teams`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.groups import Group
from swit_provisioning.planning.match_teams import TeamMatches, members_of
from swit_provisioning.planning.model import Change, another, creations_of, single_change
from swit_provisioning.planning.normalize import MOVING, free_name, name_key
from swit_provisioning.planning.policy import Policy
from swit_provisioning.planning.snapshots import OrganizationSnapshot
from swit_provisioning.planning.team_calls import TeamCalls, Tree
from swit_provisioning.planning.team_layout import TeamLayout


@dataclass(frozen=True, kw_only=True)
class TeamChanges:
    """The changes to teams in order, sorts last, and the tree after them."""

    changes: tuple[Change, ...]
    tree: Tree


def team_changes(
    groups: Mapping[str, Group],
    teams: TeamMatches,
    layout: TeamLayout,
    organization: OrganizationSnapshot,
    policy: Policy,
) -> TeamChanges:
    """Change the names, parents, references and order of teams to those of the layout."""
    shown = {team.team_id: team.name for team in teams.teams.values()} | {
        team: layout.names[team] for team in layout.new_teams
    }
    members = members_of(organization.memberships, layout.fates.deleted)
    calls = TeamCalls(
        Tree(teams.teams.values()), shown, {team: sorted(users) for team, users in members.items()}
    )
    creates = sorted(_creates(groups, layout), key=lambda create: create.rank)
    work = _Work(calls, dict(layout.fates.deleted), creates, _updates(groups, teams, layout))
    work.delete("delete_teams")
    work.free_names()
    for create in creates:  # parents first, siblings in directory order
        calls.create(create.team_id, create.wanted, reason=create.reason)
    work.update()
    work.delete("delete_emptied_teams")
    changes = calls.changes
    if "team.sort" not in policy.disabled_actions:
        changes += _sorts(groups, teams, calls.tree)
    return TeamChanges(changes=tuple(changes), tree=calls.tree)


@dataclass(kw_only=True)
class _Pending:
    """The pending changes to one team, or its creation."""

    team_id: str
    rank: tuple[int, int]
    """Depth in the wanted tree, then directory order; the lowest rank is sent first."""
    wanted: dict[str, str]
    """Those of `name`, `parent_id` and `reference` that change."""
    reason: str = ""


def _creates(groups: Mapping[str, Group], layout: TeamLayout) -> Iterator[_Pending]:
    for key in layout.fates.created:
        group = groups[key]
        yield _Pending(
            team_id=group.new_team,
            rank=(layout.depth[key], group.rank),
            wanted={
                "name": layout.names[group.new_team],
                "parent_id": layout.parents[key],
                "reference": group.reference,
            },
            reason="its group has no team",
        )


def _updates(
    groups: Mapping[str, Group], teams: TeamMatches, layout: TeamLayout
) -> Iterator[_Pending]:
    for key, team_id in teams.team_of.items():
        if team_id in layout.fates.fixed:
            continue
        team, group = teams.teams[team_id], groups[key]
        wanted: dict[str, str] = {}
        if layout.names.get(team_id, team.name) != team.name:
            wanted["name"] = layout.names[team_id]
        if layout.parents.get(key, team.parent_id) != team.parent_id:
            wanted["parent_id"] = layout.parents[key]
        if team.reference_key != group.references[0]:
            wanted["reference"] = group.reference
        if wanted:
            rank = (layout.depth.get(key, 0), group.rank)
            yield _Pending(team_id=team_id, rank=rank, wanted=wanted)
    for place, team_id in enumerate(sorted(layout.fates.marked)):
        wanted = {"name": layout.names[team_id]}
        reason = teams.why_without_group(team_id)
        yield _Pending(team_id=team_id, rank=(-1, place), wanted=wanted, reason=reason)


_Heap = list[tuple[tuple[int, int], str]]
"""Rank and id of teams with a pending update."""


class _Work:
    """Sends deletions and updates, each as soon as Swit would accept it.

    Updates go top down. An update that must wait is tried again when its name is free, when a team
    between it and its new parent has moved, or when it is next among the arrivals under one parent.
    If no update can be sent, the team that has the name which the topmost update needs gets another
    name first.
    """

    def __init__(
        self,
        calls: TeamCalls,
        deletions: dict[str, str],
        creates: list[_Pending],
        updates: Iterator[_Pending],
    ) -> None:
        """Take the teams to delete with the reasons; what is sent leaves the mappings."""
        self._calls, self._tree = calls, calls.tree
        self._deletions, self._creates = deletions, creates
        self._updates = {update.team_id: update for update in updates}
        self._step: Step = "free_team_names"
        self._ready: _Heap = []
        self._out_of_turn: _Heap = []
        self._nameless: _Heap = []
        self._for_name: dict[str, list[str]] = {}
        self._for_move: dict[str, list[str]] = {}
        self._arrivals: dict[str, list[str]] = {}

    def delete(self, step: Step) -> None:
        """Delete the teams that have no children but deleted ones, bottom up."""
        ready = [team for team in self._deletions if not self._tree.has_children(team)]
        while ready:
            team = ready.pop()
            above = self._tree.teams[team].parent_id
            self._calls.delete(team, step=step, reason=self._deletions.pop(team))
            if above in self._deletions and not self._tree.has_children(above):
                ready.append(above)

    def free_names(self) -> None:
        """Free the names that new teams need: their holders get all their changes, or others."""
        holders = list(dict.fromkeys(h for create in self._creates for h in self._holders(create)))
        progress = True
        while progress:
            progress = False
            for team in reversed(holders):
                update = self._updates.get(team)
                if update is not None and self._has_name(update) and self._has_place(update):
                    self._send(update)
                    progress = True
        pending = (*self._creates, *self._updates.values())
        taken_later = {name_key(p.wanted["name"]) for p in pending if "name" in p.wanted}
        for create in self._creates:
            while (holder := self._tree.holder(create.wanted["name"])) is not None:
                self._rename_holder(holder, create.wanted["name"], taken_later)

    def update(self) -> None:
        """Send every update."""
        self._step = "update_teams"
        for update in self._updates.values():
            if "parent_id" in update.wanted:
                self._arrivals.setdefault(update.wanted["parent_id"], []).append(update.team_id)
        for arrivals in self._arrivals.values():
            arrivals.sort(key=lambda team: self._updates[team].rank, reverse=True)
        self._ready = [(update.rank, update.team_id) for update in self._updates.values()]
        heapify(self._ready)
        while self._updates:
            self._send_ready()
            if self._updates and not self._send_one_out_of_turn():
                self._make_room()

    def _holders(self, create: _Pending) -> Iterator[str]:
        """The team that has a new team's name, the one that has the name it will get, and so on."""
        name: str | None = create.wanted["name"]
        while name is not None:
            team = self._tree.holder(name)
            if team is None or team not in self._updates:
                return
            yield team
            name = self._updates[team].wanted.get("name")

    def _send(self, update: _Pending) -> None:
        """Send all pending changes to a team."""
        reason = update.reason or another(update.wanted)
        old_name = self._tree.teams[update.team_id].name
        self._calls.update(update.team_id, update.wanted, step=self._step, reason=reason)
        del self._updates[update.team_id]
        if "name" in update.wanted:
            self._wake(self._for_name.pop(name_key(old_name), []))
        if "parent_id" in update.wanted:
            self._wake(self._for_move.pop(update.team_id, []))
            following = self._next_arrival(update.wanted["parent_id"])
            self._wake([following] if following is not None else [])

    def _rename_holder(self, holder: str, name: str, taken_later: set[str]) -> None:
        """Rename the holder of a name: to its own new name if that is free, else `(moving) ...`."""
        update = self._updates.get(holder)
        old_name = self._tree.teams[holder].name
        if update is not None and "name" in update.wanted and self._has_name(update):
            keys = [key for key in ("name", "reference") if key in update.wanted]
            wanted: dict[str, str] = {key: update.wanted.pop(key) for key in keys}
        else:
            wanted = {
                "name": free_name(
                    MOVING + old_name,
                    lambda key: key in taken_later or self._tree.holder(key) is not None,
                )
            }
        reason = f'another team needs its name "{name}"'
        self._calls.update(holder, wanted, step=self._step, reason=reason)
        self._wake(self._for_name.pop(name_key(old_name), []))
        if update is not None and not update.wanted:
            del self._updates[holder]
        self._wake([holder])

    def _send_ready(self) -> None:
        while self._ready:
            rank, team = heappop(self._ready)
            update = self._updates.get(team)
            if update is None or self._waits(update):
                continue
            parent = update.wanted.get("parent_id")
            if parent is None or self._next_arrival(parent) == team:
                self._send(update)
            else:
                heappush(self._out_of_turn, (rank, team))

    def _send_one_out_of_turn(self) -> bool:
        while self._out_of_turn:
            _, team = heappop(self._out_of_turn)
            update = self._updates.get(team)
            if update is not None and not self._waits(update):
                self._send(update)
                return True
        return False

    def _make_room(self) -> None:
        """Free the name of the topmost update whose parent is free, as no update can be sent."""
        passed = []
        while self._nameless:
            rank, team = heappop(self._nameless)
            update = self._updates.get(team)
            if update is None or self._has_name(update):
                continue
            passed.append((rank, team))
            if self._has_place(update):
                break
        else:
            message = f"no order found for {sorted(self._updates)}"
            raise AssertionError(message)
        for waiting in passed:
            heappush(self._nameless, waiting)
        name = update.wanted["name"]
        holder = self._tree.holder(name, but=team)
        taken = {name_key(u.wanted["name"]) for u in self._updates.values() if "name" in u.wanted}
        self._rename_holder(holder or "", name, taken)

    def _waits(self, update: _Pending) -> bool:
        """Whether the update must wait; if so, register it to be tried again."""
        if not self._has_name(update):
            key = name_key(update.wanted["name"])
            self._for_name.setdefault(key, []).append(update.team_id)
            heappush(self._nameless, (update.rank, update.team_id))
            return True
        if not self._has_place(update):
            for team in self._tree.way_up(update.wanted["parent_id"]):
                if team == update.team_id:
                    break
                self._for_move.setdefault(team, []).append(update.team_id)
            return True
        return False

    def _has_name(self, update: _Pending) -> bool:
        name = update.wanted.get("name")
        return name is None or self._tree.holder(name, but=update.team_id) is None

    def _has_place(self, update: _Pending) -> bool:
        """Whether the new parent exists, and is not below the team."""
        parent = update.wanted.get("parent_id")
        if parent is None:
            return True
        return parent in self._tree and update.team_id not in self._tree.way_up(parent)

    def _next_arrival(self, parent: str) -> str | None:
        """The team that is next to arrive under this parent."""
        arrivals = self._arrivals.get(parent, [])
        while arrivals and arrivals[-1] not in self._updates:
            arrivals.pop()
        return arrivals[-1] if arrivals else None

    def _wake(self, teams: list[str]) -> None:
        for team in teams:
            if team in self._updates:
                heappush(self._ready, (self._updates[team].rank, team))


def _sorts(groups: Mapping[str, Group], teams: TeamMatches, tree: Tree) -> Iterator[Change]:
    """Sort children where groups' teams are not in directory order among themselves.

    They come first, the others follow in their present order. Nothing is sorted under kept teams
    and `Unassigned`. `tree` is the one after all other team changes.
    """
    rank: dict[str, int] = {}
    for key, group in groups.items():
        team = teams.team_of.get(key, group.new_team)
        if team in tree and team not in teams.kept:
            rank[team] = group.rank
    untouched = teams.kept | (teams.own - {teams.root})
    for parent in dict.fromkeys(tree.teams[team].parent_id for team in rank):
        if parent is None or parent in untouched:
            continue
        children = tree.children(parent)
        ours = [team for team in children if team in rank]
        wanted = sorted(ours, key=rank.__getitem__)
        if ours == wanted:
            continue
        after = wanted + [team for team in children if team not in rank]
        before, now = (
            {"team_ids": ids, "teams": [tree.teams[team].name for team in ids]}
            for ids in (children, after)
        )
        yield single_change(
            action="team.sort",
            object_id=parent,
            target=tree.teams[parent].name,
            before=before,
            after=now,
            reason="its teams are not in the directory's order",
            depends_on=creations_of(parent),
        )
