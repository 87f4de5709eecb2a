"""What is left out of a plan because it does not stick, or because Swit keeps it in its own way."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from swit_provisioning.planning.actions import CREATIONS, MEMBERSHIPS, SPECS, describe
from swit_provisioning.planning.memory import (
    MOST_SENT,
    Memory,
    Repeat,
    counts_as_equal,
    in_a_row,
    parts_of,
)
from swit_provisioning.planning.model import Change, Finding, Plan, another


@dataclass(frozen=True, kw_only=True)
class Converging:
    """The changes of a plan that are sent, and those that are held back."""

    changes: tuple[Change, ...]
    held: tuple[Change, ...] = ()
    """What does not stick, and what can't be done without it."""
    findings: tuple[Finding, ...] = ()


def hold_back(
    changes: Iterable[Change], memory: Memory, *, of_groups: Collection[str] = frozenset()
) -> Converging:
    """Leave out what was sent twice in a row in vain, and values that Swit has in its own way.

    The changes come in the order in which they are sent: none needs one after it. `of_groups` are
    the teams whose order counts.
    """
    changes = tuple(changes)
    if not memory.kept and not memory.repeats:  # nothing was applied twice
        return Converging(changes=changes)
    kept = _Filter(memory, frozenset(of_groups))
    for change in changes:
        kept.take(change)
    return Converging(
        changes=tuple(kept.passed), held=tuple(kept.held), findings=tuple(kept.findings())
    )


def repeats_after(plan: Plan, memory: Memory, *, complete: bool) -> dict[str, Repeat]:
    """What to remember once this plan is made: what it wants again though it was applied.

    A read that is not complete says nothing, so all is remembered on.
    """
    if not memory.repeats and not memory.applied:
        return {}
    wanted: Iterable[str] = memory.repeats.keys() | memory.applied.keys()
    if complete:
        wanted = [key for c in (*plan.changes, *plan.held) for key in _parts(c).values()]
    return in_a_row(wanted, repeats=memory.repeats, applied=memory.applied)


class _Filter:
    """Takes one change after the other, each with what was left out before it in mind."""

    def __init__(self, memory: Memory, of_groups: frozenset[str]) -> None:
        self.passed: list[Change] = []
        self.held: list[Change] = []
        self._memory = memory
        self._of_groups = of_groups
        self._stuck: list[Change] = []
        self._root: dict[str, str] = {}
        """Change that is not sent -> the one that does not stick and that it waits for."""
        self._unmade: dict[str, str] = {}
        """Id of what is not made -> the same."""
        self._not_joined: dict[tuple[str, str], str] = {}
        """Team and user who is not added to it -> the same."""
        self._unmoved: set[str] = set()
        """Teams that don't arrive where they are sorted."""
        self._waiting: Counter[str] = Counter()

    def take(self, change: Change) -> None:
        """Let it pass whole, in part, or not at all."""
        root = self._waits_for(change)
        if root is not None:
            self._hold(change, root)
            self._waiting[root] += 1
            return
        if change.action == "team.sort":
            change = _sorting(change, without=self._unmade.keys() | self._unmoved)
            if self._in_order(change):
                return
        absent = [part for part in _parts(change) if part in self._unmade]
        stuck = [part for part, key in _parts(change).items() if self._is_stuck(key)]
        equal = [part for part in _parts(change) if self._is_equal(change, part)]
        held = _narrowed(change, keep=stuck) if stuck else None
        if held is not None:
            self._stuck.append(held)
            self.held.append(held)
            if "parent_id" in held.after:
                self._unmoved.add(held.object_id)
        rest = _narrowed(change, drop={*absent, *stuck, *equal})
        if rest is not None:
            self.passed.append(rest)
        elif stuck:
            self._root[change.change_id] = change.change_id
            if change.action in CREATIONS:
                self._unmade[change.object_id] = change.change_id
        if change.action == "membership.add":
            self._not_joined |= {(change.object_id, user): change.change_id for user in stuck}

    def findings(self) -> Iterable[Finding]:
        """One for each change that does not stick, with the way out."""
        for change in self._stuck:
            yield _finding(change, self._waiting[change.change_id])

    def _hold(self, change: Change, root: str) -> None:
        self.held.append(change)
        self._root[change.change_id] = root
        if change.action in CREATIONS:
            self._unmade[change.object_id] = root
        if "parent_id" in change.after:
            self._unmoved.add(change.object_id)
        if change.action == "membership.add":
            users = change.after["user_ids"]
            self._not_joined |= {(change.object_id, user): root for user in users}

    def _waits_for(self, change: Change) -> str | None:
        needed = [self._root.get(change_id) for change_id in change.depends_on]
        if change.action not in CREATIONS:
            needed.append(self._unmade.get(change.object_id))
        if change.action == "primary.update":
            team = change.after["team_id"]
            needed += [self._unmade.get(team), self._not_joined.get((team, change.object_id))]
        return next(filter(None, needed), None)

    def _in_order(self, sort: Change) -> bool:
        before, after = (
            [team for team in side["team_ids"] if team in self._of_groups]
            for side in (sort.before, sort.after)
        )
        return before == after

    def _is_stuck(self, key: str) -> bool:
        repeat = self._memory.repeats.get(key)
        times = repeat.times if repeat else 0
        return times + (key in self._memory.applied) >= MOST_SENT

    def _is_equal(self, change: Change, field: str) -> bool:
        known = self._memory.kept.get((change.object_id, field))
        wanted, present = change.after.get(field), change.before.get(field)
        return counts_as_equal(known, field, wanted=wanted, present=present)


def _parts(change: Change) -> dict[str, str]:
    return parts_of(change.action, change.object_id, change.before, change.after)


def _narrowed(
    change: Change, *, keep: Collection[str] | None = None, drop: Collection[str] = ()
) -> Change | None:
    """The change with some of its parts only; `None` where none is left."""
    parts = _parts(change)
    left = [part for part in parts if part not in drop and (keep is None or part in keep)]
    if len(left) == len(parts):
        return change
    if not left:
        return None
    if change.action in MEMBERSHIPS:
        before, after = (_of_users(side, set(left)) for side in (change.before, change.after))
        return replace(change, before=before, after=after)
    before, after = (_of_fields(side, set(left)) for side in (change.before, change.after))
    reason = change.reason.replace(another(parts), another(left))
    return replace(change, before=before, after=after, reason=reason)


def _sorting(change: Change, *, without: Collection[str]) -> Change:
    """The same order of those teams that will be there."""
    before, after = (
        _of_teams(side, without) if "teams" in side else side
        for side in (change.before, change.after)
    )
    return replace(change, before=before, after=after)


def _of_teams(values: Mapping[str, Any], without: Collection[str]) -> Mapping[str, Any]:
    pairs = zip(values["team_ids"], values["teams"], strict=True)
    left = [(team, name) for team, name in pairs if team not in without]
    return {"team_ids": [team for team, _ in left], "teams": [name for _, name in left]}


def _of_users(values: Mapping[str, Any], users: set[str]) -> Mapping[str, Any]:
    if not values:
        return values
    pairs = zip(values["user_ids"], values["emails"], strict=True)
    left = [(user, email) for user, email in pairs if user in users]
    return {"user_ids": [user for user, _ in left], "emails": [email for _, email in left]}


def _of_fields(values: Mapping[str, Any], fields: set[str]) -> Mapping[str, Any]:
    if "parent_id" in fields:
        fields = {*fields, "parent"}
    return {field: value for field, value in values.items() if field in fields}


def _finding(change: Change, waiting: int) -> Finding:
    whose = f"--{SPECS[change.action].object}"
    also = f" {waiting} more that need it are not sent either." if waiting else ""
    return Finding(
        kind="does not stick",
        subject=change.target,
        side="swit",
        message=f"{change.action} ({describe(change.action, change.before, change.after)}) was done"
        " twice in a row, and each time the next read of Swit showed it undone: somebody else"
        " writes there, or Swit keeps another value. It is not sent a third time." + also + " Find"
        f' out who (swit-provisioning history {whose} "{change.target}" says when it was sent) and'
        " set it in Swit by hand, or let the directory say what Swit has. It is tried again 30"
        " days after the last time.",
    )
