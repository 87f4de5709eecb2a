"""The part of a plan that a person lets through: some actions, or the first few of each."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from swit_provisioning.reconcile.changes import removals_by_team
from swit_provisioning.reconcile.plan import NEW_TEAM, NEW_USER, Change, Plan
from swit_provisioning.reconcile.policy import ACTIONS, Action, actions_named

_NEW: Final = (NEW_USER, NEW_TEAM)
_MEMBERSHIPS: Final = frozenset({"membership.add", "membership.remove"})

NOT_CHOSEN: Final = "not chosen"
NEEDS_ANOTHER: Final = "needs a change that is left out"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which changes may be sent now."""

    actions: frozenset[Action] = frozenset(ACTIONS)
    first: int | None = None
    """So many of each action, of those that are still undone."""

    @classmethod
    def of(cls, only: str = "", exclude: str = "", limit: int = 0) -> Self:
        """As a person writes it: names of actions, separated by commas; 0: no limit.

        Raises:
            ValueError: a name is no action, nothing is left, or the limit is below 0; the message
                says so.

        """
        named = actions_named(_split(only)) if only.strip() else frozenset(ACTIONS)
        actions = named - actions_named(_split(exclude))
        if not actions:
            message = "--only and --except leave no action to send. Name others, or leave one out."
            raise ValueError(message)
        if limit < 0:
            message = f"--limit is {limit}; give a number from 1, or leave it out for no limit."
            raise ValueError(message)
        return cls(actions=actions, first=limit or None)

    @property
    def is_all(self) -> bool:
        """Whether nothing is held back by it."""
        return self == Choice()


def left_out(plan: Plan, choice: Choice, done: Collection[str] = ()) -> dict[str, str]:
    """Change id -> why it is not sent now; `done` were sent by an earlier part of this plan."""
    return {} if choice.is_all else _Parting(plan, choice, frozenset(done)).left_out()


def part_of(plan: Plan, out: Collection[str]) -> Plan:
    """The plan as the guards judge it without these changes; its id is another one."""
    part = plan.without(out)
    removals = removals_by_team(part.changes)
    return replace(part, bases=replace(plan.bases, membership_removals_by_team=removals))


def in_words(plan: Plan, out: Mapping[str, str]) -> str:
    """`3 user.create not chosen, 2 membership.add needs...`; empty: nothing is left out."""
    counted = Counter((c.action, out[c.change_id]) for c in plan.changes if c.change_id in out)
    return ", ".join(f"{n} {action} ({why})" for (action, why), n in counted.items())


class _Parting:
    """Goes through a plan in its order, in which what is needed comes before what needs it."""

    def __init__(self, plan: Plan, choice: Choice, done: frozenset[str]) -> None:
        self._plan, self._choice, self._done = plan, choice, done
        self._out: dict[str, str] = {}
        self._unmade: set[str] = set()
        """Ids of what is not made now, and of teams whose next step waits."""
        self._not_joined: set[tuple[str, str]] = set()
        self._taken: Counter[Action] = Counter()

    def left_out(self) -> dict[str, str]:
        for change in self._plan.changes:
            if change.change_id in self._done:
                continue
            why = self._why(change)
            if why is None:
                self._taken[change.action] += 1
            else:
                self._leave(change, why)
        return self._out

    def _why(self, change: Change) -> str | None:
        if change.action not in self._choice.actions:
            return NOT_CHOSEN
        if any(self._lacks(change)):
            return NEEDS_ANOTHER
        first = self._choice.first
        return NOT_CHOSEN if first is not None and self._taken[change.action] >= first else None

    def _leave(self, change: Change, why: str) -> None:
        self._out[change.change_id] = why
        if change.action.startswith("team.") or change.action == "user.create":
            self._unmade.add(change.object_id)
        if change.action == "membership.add":
            self._not_joined |= {(change.object_id, user) for user in change.after["user_ids"]}

    def _lacks(self, change: Change) -> Iterator[bool]:
        """Whether something that it can't do without is left out."""
        for needed in change.depends_on:
            is_only_a_member = change.action in _MEMBERSHIPS and needed.startswith("user.create:")
            yield needed in self._out and not is_only_a_member
        # Steps of one team follow one another; a membership needs it made, and no more.
        yield self._waits(change.object_id, new_only=change.action in _MEMBERSHIPS)
        yield self._waits(change.after.get("parent_id"), new_only=True)
        yield self._waits(change.after.get("team_id"), new_only=True)
        yield any(self._waits(team, new_only=True) for team in change.after.get("team_ids", ()))
        if change.action == "primary.update":
            yield (change.after["team_id"], change.object_id) in self._not_joined
        users = change.after.get("user_ids", ())
        yield bool(users) and all(user in self._unmade for user in users)

    def _waits(self, object_id: str | None, *, new_only: bool) -> bool:
        is_new = object_id is not None and object_id.startswith(_NEW)
        return object_id in self._unmade and (is_new or not new_only)


def _split(text: str) -> Iterable[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
