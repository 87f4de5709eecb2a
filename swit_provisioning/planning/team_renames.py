"""The order in which teams are renamed and moved: each once its name and parent are free."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from swit_provisioning.planning.actions import Step
from swit_provisioning.planning.model import another
from swit_provisioning.planning.normalize import MOVING, free_name, name_key
from swit_provisioning.planning.team_calls import TeamCalls


@dataclass(kw_only=True)
class Pending:
    """The pending changes to one team."""

    team_id: str
    rank: tuple[int, int]
    """Depth in the wanted tree, then directory order; the lowest rank is sent first."""
    wanted: dict[str, str]
    """Those of `name`, `parent_id` and `reference` that change."""
    reason: str = ""


class UpdateOrder:
    """Sends pending updates top down, each as soon as Swit would accept it.

    An update that must wait is tried again when its name is free, when a team between it and its
    new parent has moved, or when it is next among the arrivals under one parent. If no update can
    be sent, the team that has the name which the topmost update needs gets another name first.
    """

    def __init__(
        self, calls: TeamCalls, updates: dict[str, Pending], step: Step = "update_teams"
    ) -> None:
        """Send `updates`, by team id, through `calls`; a sent update leaves the mapping."""
        self._calls, self._tree, self._updates, self._step = calls, calls.tree, updates, step
        self._ready: list[tuple[tuple[int, int], str]] = []
        self._out_of_turn: list[tuple[tuple[int, int], str]] = []
        self._nameless: list[tuple[tuple[int, int], str]] = []
        self._for_name: dict[str, list[str]] = {}
        self._for_move: dict[str, list[str]] = {}
        self._arrivals: dict[str, list[str]] = {}

    def fits(self, update: Pending) -> bool:
        """Whether Swit would accept this update now."""
        return self._has_name(update) and self._has_place(update)

    def send(self, update: Pending) -> None:
        """Send all pending changes to a team."""
        reason = update.reason or another(update.wanted)
        old_name = self._tree.name[update.team_id]
        self._calls.update(update.team_id, update.wanted, step=self._step, reason=reason)
        del self._updates[update.team_id]
        if "name" in update.wanted:
            self._wake(self._for_name.pop(name_key(old_name), []))
        if "parent_id" in update.wanted:
            self._wake(self._for_move.pop(update.team_id, []))
            self._next_turn(update.wanted["parent_id"])

    def step_aside(self, holder: str, name: str, taken_later: set[str]) -> None:
        """Rename the holder of a name: to its own new name if that is free, else `(moving) ...`."""
        update = self._updates.get(holder)
        reason = f'another team needs its name "{name}"'
        old_name = self._tree.name[holder]
        if update is not None and "name" in update.wanted and self._has_name(update):
            keys = [key for key in ("name", "reference") if key in update.wanted]
            wanted: dict[str, str] = {key: update.wanted.pop(key) for key in keys}
        else:
            wanted = {"name": self._free_moving_name(old_name, taken_later)}
        self._calls.update(holder, wanted, step=self._step, reason=reason)
        self._wake(self._for_name.pop(name_key(old_name), []))
        if update is not None and not update.wanted:
            del self._updates[holder]
        self._wake([holder])

    def send_all(self) -> None:
        """Send every update."""
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

    def _send_ready(self) -> None:
        while self._ready:
            rank, team = heappop(self._ready)
            update = self._updates.get(team)
            if update is None or self._waits(update):
                continue
            if self._in_turn(update):
                self.send(update)
            else:
                heappush(self._out_of_turn, (rank, team))

    def _send_one_out_of_turn(self) -> bool:
        while self._out_of_turn:
            _, team = heappop(self._out_of_turn)
            update = self._updates.get(team)
            if update is not None and not self._waits(update):
                self.send(update)
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
        self.step_aside(holder or "", name, taken)

    def _waits(self, update: Pending) -> bool:
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

    def _has_name(self, update: Pending) -> bool:
        name = update.wanted.get("name")
        return name is None or self._tree.holder(name, but=update.team_id) is None

    def _has_place(self, update: Pending) -> bool:
        parent = update.wanted.get("parent_id")
        if parent is None:
            return True
        return parent in self._tree and not self._tree.is_below_or_same(parent, update.team_id)

    def _in_turn(self, update: Pending) -> bool:
        parent = update.wanted.get("parent_id")
        return parent is None or self._first(parent) == update.team_id

    def _first(self, parent: str) -> str | None:
        """The team that is next to arrive under this parent."""
        arrivals = self._arrivals.get(parent, [])
        while arrivals and arrivals[-1] not in self._updates:
            arrivals.pop()
        return arrivals[-1] if arrivals else None

    def _next_turn(self, parent: str) -> None:
        following = self._first(parent)
        if following is not None:
            self._wake([following])

    def _wake(self, teams: list[str]) -> None:
        for team in teams:
            if team in self._updates:
                heappush(self._ready, (self._updates[team].rank, team))

    def _free_moving_name(self, name: str, taken_later: set[str]) -> str:
        return free_name(
            MOVING + name,
            lambda key: key in taken_later or self._tree.holder(key) is not None,
        )
