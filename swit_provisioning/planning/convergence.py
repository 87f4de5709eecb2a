"""Convergence: hold back changes that do not stick, and values that Swit stores differently.

A change does not stick if the next plan wants it again, twice in a row, although it was applied.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from swit_provisioning.planning.actions import CREATIONS, MEMBERSHIPS, SPECS, Action, describe
from swit_provisioning.planning.finding_kinds import DOES_NOT_STICK
from swit_provisioning.planning.model import Change, Finding, Plan, another, only_users
from swit_provisioning.planning.normalize import digits, reference_key, same_text
from swit_provisioning.planning.policy import Memory, Repeat, StoredValue


def same_value(field: str, one: str, other: str) -> bool:
    """Whether two values of a field (`name`, `phone_number`, `reference`...) are equal."""
    if field == "phone_number":
        return digits(one) == digits(other)
    if field == "reference":
        return reference_key(one) == reference_key(other)
    return same_text(one, other)


def altered_values(
    sent: Mapping[str, str | None], answered: Mapping[str, str | None]
) -> dict[str, str]:
    """Field -> the value that Swit answered, of fields where it differs from the value sent.

    Fields that were not sent, or that the answer lacks, are left out.
    """
    found: dict[str, str] = {}
    for name, value in answered.items():
        wanted = sent.get(name)
        if value is not None and wanted and not same_value(name, wanted, value):
            found[name] = value
    return found


def is_equivalent(
    known: StoredValue | None, field: str, *, wanted: object, present: object
) -> bool:
    """Whether Swit has what it stored the last time that the wanted value was sent."""
    if known is None or not isinstance(wanted, str) or not isinstance(present, str):
        return False
    return same_value(field, known.sent, wanted) and same_value(field, known.stored, present)


MOST_SENT: Final = 2
"""How often in a row a part of a change is sent before it is reported as not sticking."""

_FOR_PEOPLE: Final = frozenset({"parent"})


def part_keys(
    action: Action,
    object_id: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    real: Callable[[str], str] = str,
) -> dict[str, str]:
    """Part of a change (a field, a user's id, or `""` for the whole) -> key, equal in every plan.

    `real` translates the ids of objects that the plan creates into Swit's ids.
    """
    spec = SPECS[action]
    if spec.creates:
        # A user has the same address in every plan, a team the same group.
        return {"": _key(action, object_id)}
    thing = real(object_id)
    if spec.by_field:
        fields = (field for field in after if field not in _FOR_PEOPLE)
        return {field: _key(action, thing, field, real(str(after[field]))) for field in fields}
    if spec.members:
        users = (after if spec.members == "after" else before)["user_ids"]
        return {user: _key(action, thing, real(user)) for user in users}
    wanted = after.get(spec.value)
    values = wanted if isinstance(wanted, list | tuple) else [wanted or ""]
    return {"": _key(action, thing, *(real(value) for value in values))}


def count_repeats(
    wanted: Iterable[str],
    *,
    repeats: Mapping[str, Repeat],
    applied: Mapping[str, datetime],
) -> dict[str, Repeat]:
    """How often in a row each of the wanted keys was applied and is wanted again.

    `applied` has the keys that were applied since the last plan. The count of a key that is no
    longer wanted starts again.
    """
    found: dict[str, Repeat] = {}
    for key in wanted:
        known, sent_at = repeats.get(key), applied.get(key)
        times = known.times if known else 0
        if sent_at is not None:
            found[key] = Repeat(times=times + 1, last_at=sent_at)
        elif known is not None:
            found[key] = known
    return found


def _key(*words: str) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Converging:
    """The changes of a plan that are sent, and those that are held back."""

    changes: tuple[Change, ...]
    held: tuple[Change, ...] = ()
    """Changes that do not stick, and the changes that depend on them."""
    findings: tuple[Finding, ...] = ()


def hold_back(
    changes: Iterable[Change], memory: Memory, *, of_groups: Collection[str] = frozenset()
) -> Converging:
    """Hold back changes that do not stick, and drop values that Swit stores differently.

    The changes must come in sending order, so that each depends on earlier ones only. `of_groups`
    has the ids of groups' teams, whose order counts in sorts.
    """
    changes = tuple(changes)
    if not memory.stored_values and not memory.repeats:
        return Converging(changes=changes)
    work = _Filter(memory, frozenset(of_groups))
    for change in changes:
        work.take(change)
    findings = (_finding(change, work.waiting[change.change_id]) for change in work.stuck)
    return Converging(changes=tuple(work.passed), held=tuple(work.held), findings=tuple(findings))


def repeats_to_remember(plan: Plan, memory: Memory, *, complete: bool) -> dict[str, Repeat]:
    """The repeats to remember once this plan is made.

    Args:
        plan: the new plan.
        memory: what it was made with.
        complete: whether both reads were complete; otherwise everything is remembered as it was.

    """
    if not memory.repeats and not memory.applied:
        return {}
    wanted: Iterable[str] = memory.repeats.keys() | memory.applied.keys()
    if complete:
        wanted = [key for c in (*plan.changes, *plan.held) for key in _parts(c).values()]
    return count_repeats(wanted, repeats=memory.repeats, applied=memory.applied)


class _Filter:
    """Takes changes in order, and knows what was held back before."""

    def __init__(self, memory: Memory, of_groups: frozenset[str]) -> None:
        self.passed: list[Change] = []
        self.held: list[Change] = []
        self._memory = memory
        self._of_groups = of_groups
        self.stuck: list[Change] = []
        """The changes that do not stick, each with only the parts that do not."""
        self.waiting: Counter[str] = Counter()
        """Id of a change that does not stick -> number of changes that depend on it."""
        self._root: dict[str, str] = {}
        """Id of a held change -> id of the change that does not stick on which it depends."""
        self._unmade: dict[str, str] = {}
        """Id of an object that is not created -> the same."""
        self._not_joined: dict[tuple[str, str], str] = {}
        """Team and user of an addition that is held -> the same."""
        self._unmoved: set[str] = set()
        """Ids of teams whose move is held, so that they cannot be sorted there."""

    def take(self, change: Change) -> None:
        """Pass the change, a part of it, or hold it."""
        root = self._waits_for(change)
        if root is not None:
            self.waiting[root] += 1
            self._hold(change, root, is_whole=True)
            return
        if change.action == "team.sort":
            left_out = self._unmade.keys() | self._unmoved
            before, after = (_without(side, left_out) for side in (change.before, change.after))
            ours = [[t for t in s["team_ids"] if t in self._of_groups] for s in (before, after)]
            if ours[0] == ours[1]:
                return
            change = replace(change, before=before, after=after)
        parts = _parts(change)
        stuck = [part for part, key in parts.items() if self._is_stuck(key)]
        rest = _narrowed(
            change,
            [
                part
                for part in parts
                if part not in stuck
                and part not in self._unmade
                and not is_equivalent(
                    self._memory.stored_values.get((change.object_id, part)),
                    part,
                    wanted=change.after.get(part),
                    present=change.before.get(part),
                )
            ],
        )
        if rest is not None:
            self.passed.append(rest)
        held = _narrowed(change, stuck)
        if held is not None:
            self.stuck.append(held)
            self._hold(held, change.change_id, is_whole=rest is None)

    def _hold(self, change: Change, root: str, *, is_whole: bool) -> None:
        """Hold a change, or a part of it, because of the change `root`."""
        self.held.append(change)
        if is_whole:
            self._root[change.change_id] = root
        if is_whole and change.action in CREATIONS:
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

    def _is_stuck(self, key: str) -> bool:
        repeat = self._memory.repeats.get(key)
        times = repeat.times if repeat else 0
        return times + (key in self._memory.applied) >= MOST_SENT


def _parts(change: Change) -> dict[str, str]:
    return part_keys(change.action, change.object_id, change.before, change.after)


def _narrowed(change: Change, parts: Collection[str]) -> Change | None:
    """The change with only these of its parts; `None` if there are none."""
    everything = _parts(change)
    if not parts or len(parts) == len(everything):
        return change if parts else None
    if change.action in MEMBERSHIPS:
        before, after = (only_users(side, set(parts)) for side in (change.before, change.after))
        return replace(change, before=before, after=after)
    shown = {*parts, *(_FOR_PEOPLE if "parent_id" in parts else ())}
    before, after = (
        {field: value for field, value in side.items() if field in shown}
        for side in (change.before, change.after)
    )
    reason = change.reason.replace(another(everything), another(parts))
    return replace(change, before=before, after=after, reason=reason)


def _without(side: Mapping[str, Any], teams: Collection[str]) -> Mapping[str, Any]:
    """One side of a sort without some teams."""
    kept = [place for place, team in enumerate(side["team_ids"]) if team not in teams]
    return {name: [values[place] for place in kept] for name, values in side.items()}


def _finding(change: Change, waiting: int) -> Finding:
    option = f"--{SPECS[change.action].object}"
    also = f" Dependent changes that are not sent either: {waiting}." if waiting else ""
    return Finding(
        kind=DOES_NOT_STICK,
        subject=change.target,
        side="swit",
        message=f"{change.action} ({describe(change.action, change.before, change.after)}) was"
        " applied twice in a row, and each time the next read of Swit showed the earlier state."
        " Something else overwrites it, or Swit stores a different value. It is not sent a third"
        f" time.{also} To find the cause, compare the times that swit-provisioning history"
        f' {option} "{change.target}" prints with Swit\'s own log. Then set the value in Swit by'
        " hand, or correct the directory. It is sent again 30 days after the last time.",
    )
