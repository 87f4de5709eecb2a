"""Whether a stored plan still holds: a plan made now has each of its changes."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from swit_provisioning.planning.actions import (
    ACTIONS,
    CREATIONS,
    DEPARTURES,
    MEMBERSHIPS,
    Action,
    actions_named,
    describe,
)
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Plan, removals_by_team

if TYPE_CHECKING:  # `show` looks a stored plan up without pandas
    from swit_provisioning.planning.snapshots import OrganizationSnapshot


_Key = tuple[str, str]

_FOR_PEOPLE = frozenset({"parent", "team", "teams", "emails"})
"""Names beside ids: they may change without the change being another one."""


def who_is_back(stored: Plan, fresh: Plan, done: frozenset[str]) -> frozenset[str]:
    """Accounts that the stored plan would let go, and whose people are in the directory again.

    `done` has the ids of the changes that have their final outcome; one that was sent and failed,
    or whose answer is not known, would be sent again.
    """
    leaving = {c.object_id for c in stored.changes if _lets_go(c) and c.change_id not in done}
    still = {change.object_id for change in fresh.changes if _lets_go(change)}
    present = {b.object_id for b in fresh.bindings if b.kind == "user"}
    return frozenset((leaving - still) & present)


def what_moved(
    stored: Plan, fresh: Plan, done: frozenset[str], back: frozenset[str] = frozenset()
) -> list[str]:
    """Why the stored plan is stale, a sentence for each change; none: it may be sent.

    See `not_comparable` and `moved_changes`.
    """
    moved = moved_changes(stored, fresh, done, back)
    return [*not_comparable(stored, fresh), *(s for sentences in moved.values() for s in sentences)]


def not_comparable(stored: Plan, fresh: Plan) -> list[str]:
    """Why two plans can't be compared: another organisation, or other rules; a sentence each."""
    problems: list[str] = []
    if stored.organization_id != fresh.organization_id:
        problems.append(
            f"The plan is for the organisation {stored.organization_id}, not for"
            f" {fresh.organization_id}."
        )
    if stored.policy != fresh.policy:
        names = sorted(
            key
            for key in stored.policy.keys() | fresh.policy.keys()
            if stored.policy.get(key) != fresh.policy.get(key)
        )
        problems.append(f"Settings that shape a plan have changed: {', '.join(names).upper()}.")
    return problems


def moved_changes(
    stored: Plan, fresh: Plan, done: frozenset[str], back: frozenset[str] = frozenset()
) -> dict[str, list[str]]:
    """Ids of the stored plan's changes that the fresh plan lacks (same before, same after) -> why.

    `done` has the ids of the changes that were sent under this very plan, whatever came of them:
    those need not be there, and what follows from them is taken into account. `back` are those
    whom `who_is_back` has found: neither they nor their memberships are touched.
    """
    view = _View.of(stored, fresh, done, back)
    planned = _by_object(fresh)
    moved: dict[str, list[str]] = {}
    for change in stored.changes:
        if change.change_id not in done and not spares_all(change, back):
            found = planned.get((change.action, view.now(change.object_id)), [])
            problems = list(view.problem(change, found))
            if problems:
                moved[change.change_id] = problems
    return moved


def in_effect(
    stored: Plan, fresh: Plan, swit: "OrganizationSnapshot", unsettled: frozenset[str]
) -> frozenset[str]:
    """Ids of the changes after which Swit is as it is now: sending them again changes nothing.

    `unsettled` has the ids of the changes to look at: they were sent, and what came of them is not
    known. `fresh` was planned on the state `swit`. Deletions and creations are not looked at.
    """
    view = _View.of(stored, fresh, unsettled, frozenset())
    changes = [change for change in stored.changes if change.change_id in unsettled]
    return frozenset(c.change_id for c in changes if _is_in_effect(c, view, swit))


def _is_in_effect(change: Change, view: "_View", swit: "OrganizationSnapshot") -> bool:
    object_id = view.now(change.object_id)
    users = swit.users[swit.users["user_id"] == object_id].to_dict("records")
    teams = swit.teams[swit.teams["team_id"] == object_id].to_dict("records")
    is_so = False
    match change.action:
        case "user.activate":
            is_so = any(user["active"] for user in users)
        case "user.deactivate":
            is_so = not any(user["active"] for user in users)
        case "user.remove":
            is_so = not users
        case "user.update" | "team.update":
            is_so = any(_holds(row, change.after, view) for row in users + teams)
        case "primary.update":
            is_so = any(_holds(u, {"primary_team": change.after["team_id"]}, view) for u in users)
        case "team.sort":
            children = swit.teams[swit.teams["parent_id"] == object_id].sort_values("position")
            is_so = [*children["team_id"]] == [view.now(team) for team in change.after["team_ids"]]
        case "membership.add" | "membership.remove":
            of_team = swit.memberships[swit.memberships["team_id"] == object_id]
            members = set(of_team["user_id"])
            named = {view.now(user) for user in _users(change)}
            adds = change.action == "membership.add"
            is_so = named <= members if adds else named.isdisjoint(members)
    return is_so


def _holds(row: Mapping[Any, Any], after: Mapping[str, Any], view: "_View") -> bool:
    """Whether a row of Swit has all values that a change sets; an empty value counts as none."""
    wanted = {key: value for key, value in after.items() if key not in _FOR_PEOPLE}
    return all(
        (row[key] if isinstance(row[key], str) else "") == view.now(value or "")
        for key, value in wanted.items()
    )


def not_to_be_repeated(
    stored: Plan,
    fresh: Plan,
    unsettled: frozenset[str],
    settled: frozenset[str] = frozenset(),
    back: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Ids of the changes that must not be sent a second time: Swit did them, or they are wrong now.

    `unsettled` has the ids of the changes that were sent and failed, or whose answer is not known;
    `settled` of those that have their final outcome.

    - A creation is repeated while its entry is in the directory: sending it again finds the object.
    - A deletion is repeated unless the team's group is in the directory again.
    - A membership change is repeated if the fresh plan adds or removes all of its users.
    - Any other change is repeated if the fresh plan has it.
    """
    view = _View.of(stored, fresh, settled | unsettled, back)
    planned = _by_object(fresh)
    groups = {binding.object_id for binding in fresh.bindings if binding.kind == "group"}
    found: set[str] = set()
    for change in stored.changes:
        if change.change_id in unsettled:
            called_for = planned.get((change.action, view.now(change.object_id)), [])
            if change.action == "team.delete":
                repeated = bool(called_for) or change.object_id not in groups
            else:
                repeated = view.calls_for(change, called_for)
            if not repeated:
                found.add(change.change_id)
    return frozenset(found)


def _by_object(plan: Plan) -> dict[_Key, list[Change]]:
    planned: dict[_Key, list[Change]] = {}
    for change in plan.changes:
        planned.setdefault((change.action, change.object_id), []).append(change)
    return planned


def spares_all(change: Change, back: frozenset[str]) -> bool:
    """Whether a change is about nobody but people who are back."""
    if _lets_go(change):
        return change.object_id in back
    users = change.before.get("user_ids", ())
    return bool(users) and back.issuperset(users)


def without_users(change: Change, back: frozenset[str]) -> Change:
    """A removal of members without the people who are back; any other change as it is."""
    users = change.before.get("user_ids", ())
    if back.isdisjoint(users):
        return change
    pairs = zip(users, change.before["emails"], strict=True)
    kept = [(user, email) for user, email in pairs if user not in back]
    before = {"user_ids": [user for user, _ in kept], "emails": [email for _, email in kept]}
    return replace(change, before=before)


def _users(change: Change) -> frozenset[str]:
    """The users of a membership change."""
    return frozenset({*change.before.get("user_ids", ()), *change.after.get("user_ids", ())})


def _lets_go(change: Change) -> bool:
    return change.action in DEPARTURES


def _what(change: Change) -> str:
    return describe(change.action, change.before, change.after)


@dataclass(frozen=True, kw_only=True)
class _View:
    """How to hold a change of the stored plan against one made after part of it was sent."""

    made: Mapping[str, str]
    """`new:...` -> Swit's id, of what was made since."""
    removed: frozenset[str]
    """Users that the stored plan has removed for good."""
    joined: frozenset[str]
    """Users whose memberships the stored plan has changed."""
    back: frozenset[str]

    @classmethod
    def of(cls, stored: Plan, fresh: Plan, done: frozenset[str], back: frozenset[str]) -> "_View":
        known = {(b.kind, b.directory_id): b.object_id for b in fresh.bindings}
        made = {
            b.object_id: known.get((b.kind, b.directory_id), b.object_id)
            for b in stored.bindings
            if b.object_id.startswith((NEW_USER, NEW_TEAM))
        }
        sent = [change for change in stored.changes if change.change_id in done]
        joined: set[str] = set()
        for change in sent:
            for values in (change.before, change.after):
                joined |= {*values.get("user_ids", ()), *values.get("members", ())}
        return cls(
            made=made,
            removed=frozenset(c.object_id for c in sent if c.action == "user.remove"),
            joined=frozenset(joined),
            back=back,
        )

    def now(self, object_id: str) -> str:
        return self.made.get(object_id, object_id)

    def calls_for(self, change: Change, found: list[Change]) -> bool:
        """Whether a change that was sent already is to be sent again."""
        is_new = self.now(change.object_id).startswith((NEW_USER, NEW_TEAM))
        if change.action in CREATIONS and not is_new:
            return True
        if _lets_go(change):
            return bool(found)
        if change.action in MEMBERSHIPS:
            users = _users(change) - self.back
            fresh = {user for other in found for user in _users(other)}
            return bool(found) and fresh.issuperset(self.now(user) for user in users)
        return not any(self.problem(change, found))

    def problem(self, change: Change, found: list[Change]) -> Iterator[str]:
        """The sentence about a change that no longer is as planned."""
        after = self._values(change.after)
        if any(self._values(c.after) == after and self._same_before(change, c) for c in found):
            return
        if not found and change.action == "primary.update" and change.object_id in self.joined:
            # Swit made the team primary that this plan's additions reached first. A new plan keeps
            # it; this plan sets the one that it has decided on.
            return
        planned = f"{change.action} of {change.target} ({_what(change)})"
        if not found:
            yield f"{planned} is no longer called for."
            return
        now = {_what(other) for other in found}
        if now == {_what(change)}:
            yield f"{planned} rests on something else now: {self._moved(change, found[0])}."
        else:
            yield f"{planned} would be another change now: {'; '.join(sorted(now))}."

    def _moved(self, stored: Change, fresh: Change) -> str:
        """Which of the values are not what they were, where they look alike in words."""
        sides = ((stored.before, fresh.before), (stored.after, fresh.after))
        pairs = [(self._values(old), self._values(new)) for old, new in sides]
        names = {
            key
            for old, new in pairs
            for key in old.keys() | new.keys()
            if old.get(key) != new.get(key)
        }
        return ", ".join(name.replace("_", " ") for name in sorted(names))

    def _same_before(self, stored: Change, fresh: Change) -> bool:
        if stored.action == "primary.update" and stored.object_id in self.joined:
            return True
        return self._values(stored.before) == self._values(fresh.before)

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with ids as they are now, without users that are gone by this very plan."""
        return {
            key: self._value(key, value) for key, value in values.items() if key not in _FOR_PEOPLE
        }

    def _value(self, key: str, value: object) -> object:
        if isinstance(value, str):
            return self.now(value)
        if not isinstance(value, list | tuple):
            return value
        items = [self.now(str(item)) for item in value if item not in self.removed | self.back]
        return items if key == "team_ids" else sorted(items)


_NEW: Final = (NEW_USER, NEW_TEAM)

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
    return replace(part, baselines=replace(plan.baselines, membership_removals_by_team=removals))


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
            is_only_a_member = change.action in MEMBERSHIPS and needed.startswith("user.create:")
            yield needed in self._out and not is_only_a_member
        # Steps of one team follow one another; a membership needs it made, and no more.
        yield self._waits(change.object_id, new_only=change.action in MEMBERSHIPS)
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
