"""Whether a stored plan is stale: a plan made now lacks one of its changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from swit_provisioning.planning.actions import (
    CREATIONS,
    DEPARTURES,
    MEMBERSHIPS,
    SPECS,
    describe,
)
from swit_provisioning.planning.model import Change, Plan, is_new, only_about, only_users, users_of

if TYPE_CHECKING:  # `show` looks a stored plan up without pandas
    from swit_provisioning.planning.snapshots import OrganizationSnapshot


_Key = tuple[str, str]

_FOR_PEOPLE = frozenset({"parent", "team", "teams", "emails"})
"""Names next to ids: they may differ in two equal changes."""


def returning_users(stored: Plan, fresh: Plan, done: frozenset[str]) -> frozenset[str]:
    """Ids of users whom the stored plan lets go, and whose people are in the directory again.

    `done` has the ids of the changes with a final outcome. A change that failed, or whose answer is
    unknown, would be sent again.
    """
    leaving = {
        c.object_id for c in stored.changes if c.action in DEPARTURES and c.change_id not in done
    }
    still = {change.object_id for change in fresh.changes if change.action in DEPARTURES}
    present = {b.object_id for b in fresh.bindings if b.kind == "user"}
    return frozenset((leaving - still) & present)


def stale_reasons(
    stored: Plan, fresh: Plan, done: frozenset[str], returning: frozenset[str] = frozenset()
) -> list[str]:
    """Why the stored plan is stale, in sentences; empty if it may be sent.

    See `not_comparable` and `stale_changes`.
    """
    moved = stale_changes(stored, fresh, done, returning)
    return [*not_comparable(stored, fresh), *(s for sentences in moved.values() for s in sentences)]


def not_comparable(stored: Plan, fresh: Plan) -> list[str]:
    """Why two plans cannot be compared, in sentences: another organisation, or other settings."""
    problems: list[str] = []
    if stored.organization_id != fresh.organization_id:
        problems.append(
            f"The plan is for the organisation {stored.organization_id}, not for"
            f" {fresh.organization_id}."
        )
    # Plans of earlier versions have `reference_attribute`; their changes have the references.
    names = (stored.policy.keys() | fresh.policy.keys()) - {"reference_attribute"}
    changed = sorted(key for key in names if stored.policy.get(key) != fresh.policy.get(key))
    if changed:
        problems.append(f"Settings that shape a plan have changed: {', '.join(changed).upper()}.")
    return problems


def stale_changes(
    stored: Plan, fresh: Plan, done: frozenset[str], returning: frozenset[str] = frozenset()
) -> dict[str, list[str]]:
    """Ids of the stored plan's changes that the fresh plan lacks (same before, same after) -> why.

    `done` has the ids of the changes that this plan has sent, with any outcome. The fresh plan need
    not have them, and their effects are taken into account. `returning` has the ids of the users
    that `returning_users` found: neither they nor their memberships are changed.
    """
    comparison = _Comparison.of(stored, fresh, done, returning)
    planned = comparison.planned(stored, fresh)
    moved: dict[str, list[str]] = {}
    for change in stored.changes:
        if change.change_id not in done and not concerns_only(change, returning):
            found = planned.get((change.action, comparison.now(change.object_id)), [])
            problems = list(comparison.problem(change, found))
            if problems:
                moved[change.change_id] = problems
    return moved


def in_effect(
    stored: Plan, fresh: Plan, organization: "OrganizationSnapshot", unsettled: frozenset[str]
) -> frozenset[str]:
    """Ids of the changes whose effect Swit shows already: sending them again changes nothing.

    `unsettled` has the ids of the changes to check: they were sent, and their outcome is unknown.
    `fresh` was planned on the snapshot `organization`. Deletions and creations are not checked.
    """
    comparison = _Comparison.of(stored, fresh, unsettled, frozenset())
    changes = [change for change in stored.changes if change.change_id in unsettled]
    return frozenset(c.change_id for c in changes if _is_in_effect(c, comparison, organization))


def _is_in_effect(
    change: Change, comparison: "_Comparison", organization: "OrganizationSnapshot"
) -> bool:
    spec, object_id = SPECS[change.action], comparison.now(change.object_id)
    if spec.creates:
        return False
    if spec.members:
        changed = _changed_members(change, comparison, organization)
        return comparison.users_now(change) <= changed
    if spec.value == "team_ids":
        teams = organization.teams
        children = teams[teams["parent_id"] == object_id].sort_values("position")
        return [*children["team_id"]] == [*map(comparison.now, change.after["team_ids"])]
    of_users = spec.object == "user"
    frame = organization.users if of_users else organization.teams
    rows = frame[frame["user_id" if of_users else "team_id"] == object_id].to_dict("records")
    if not rows:
        return change.action in DEPARTURES
    wanted = {key: value for key, value in change.after.items() if key not in _FOR_PEOPLE}
    if spec.value == "team_id":
        wanted = {"primary_team": wanted["team_id"]}
    return bool(wanted) and all(
        _is_equal(rows[0][key], value, comparison) for key, value in wanted.items()
    )


def _is_equal(present: object, wanted: object, comparison: "_Comparison") -> bool:
    """Whether Swit has a wanted value; an empty value counts as absent."""
    if isinstance(wanted, bool):
        return present == wanted
    return (present if isinstance(present, str) else "") == comparison.now(str(wanted or ""))


def _changed_members(
    change: Change, comparison: "_Comparison", organization: "OrganizationSnapshot"
) -> set[str]:
    """Users of a membership change whom Swit shows as added, or as removed."""
    memberships = organization.memberships
    of_team = memberships["team_id"] == comparison.now(change.object_id)
    members = set(memberships.loc[of_team, "user_id"])
    users = comparison.users_now(change)
    return users & members if change.action == "membership.add" else users - members


def not_repeatable(
    stored: Plan,
    fresh: Plan,
    organization: "OrganizationSnapshot",
    unsettled: frozenset[str],
    settled: frozenset[str] = frozenset(),
    returning: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Ids of the changes that must not be sent again: Swit did them, or they are wrong now.

    `unsettled` has the ids of the changes that were sent and failed, or whose answer is unknown;
    `settled` has those with a final outcome. `fresh` was planned on the snapshot `organization`.

    - A creation is repeated while its entry is in the directory: sending it again finds the object.
    - A deletion is repeated unless the team's group is in the directory again.
    - A membership change is repeated if the fresh plan adds or removes all of its users, without
      those whom Swit shows as added or removed: sending it again reads the team back first.
    - Any other change is repeated if the fresh plan has it.
    """
    comparison = _Comparison.of(stored, fresh, settled | unsettled, returning)
    planned = comparison.planned(stored, fresh)
    groups = {binding.object_id for binding in fresh.bindings if binding.kind == "group"}
    found: set[str] = set()
    for change in stored.changes:
        if change.change_id in unsettled:
            called_for = planned.get((change.action, comparison.now(change.object_id)), [])
            if change.action == "team.delete":
                repeated = bool(called_for) or change.object_id not in groups
            elif change.action in MEMBERSHIPS:
                done = _changed_members(change, comparison, organization)
                team = comparison.now(change.object_id)
                for action in MEMBERSHIPS - {change.action}:  # the directory took them back
                    done = done.difference(*map(users_of, planned.get((action, team), [])))
                pending = comparison.users_now(change) - done
                repeated = bool(called_for) and pending <= {
                    user for other in called_for for user in users_of(other)
                }
            else:
                repeated = comparison.calls_for(change, called_for)
            if not repeated:
                found.add(change.change_id)
    return frozenset(found)


def concerns_only(change: Change, returning: frozenset[str]) -> bool:
    """Whether a change concerns only returning users."""
    if change.action in DEPARTURES:
        return change.object_id in returning
    users = change.before.get("user_ids", ())
    return bool(users) and returning.issuperset(users)


def without_users(change: Change, returning: frozenset[str]) -> Change:
    """A removal of members without the returning users; any other change as it is."""
    users = change.before.get("user_ids", ())
    if returning.isdisjoint(users):
        return change
    remaining = [user for user in users if user not in returning]
    return replace(change, before=only_users(change.before, remaining))


def _described(change: Change) -> str:
    return describe(change.action, change.before, change.after)


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Compares a change of the stored plan with one that was planned after a part was sent."""

    made: Mapping[str, str]
    """`new:...` -> Swit's id, of objects created since."""
    removed: frozenset[str]
    """Ids of users that the stored plan has removed for good."""
    joined: frozenset[str]
    """Ids of users whose memberships the stored plan has changed."""
    returning: frozenset[str]

    @classmethod
    def of(
        cls, stored: Plan, fresh: Plan, done: frozenset[str], returning: frozenset[str]
    ) -> "_Comparison":
        known = {(b.kind, b.directory_id): b.object_id for b in fresh.bindings}
        made = {
            b.object_id: known.get((b.kind, b.directory_id), b.object_id)
            for b in stored.bindings
            if is_new(b.object_id)
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
            returning=returning,
        )

    def now(self, object_id: str) -> str:
        return self.made.get(object_id, object_id)

    def users_now(self, change: Change) -> set[str]:
        """The present ids of the users of a membership change, without the returning ones."""
        return {self.now(user) for user in users_of(change) - self.returning}

    def planned(self, stored: Plan, fresh: Plan) -> dict[_Key, list[Change]]:
        """Action and object -> the fresh plan's changes; for one person, as `stored` has them."""
        users: set[str] = set()
        if stored.person:
            users = {self.now(user) for change in stored.changes for user in users_of(change)}
        # Of a membership change, some users may wait beside the stored plan.
        waiting = {c.change_id: users_of(c) for c in stored.waiting if SPECS[c.action].members}
        planned: dict[_Key, list[Change]] = {}
        for change in fresh.changes:
            if change.change_id in waiting:
                left = users_of(change) - waiting[change.change_id]
                if left:
                    part = only_about(change, left)
                    planned.setdefault((part.action, part.object_id), []).append(part)
            elif not stored.person or users & users_of(change):
                part = only_about(change, users)
                planned.setdefault((part.action, part.object_id), []).append(part)
        return planned

    def calls_for(self, change: Change, found: list[Change]) -> bool:
        """Whether a change that was sent before should be sent again."""
        if change.action in CREATIONS and not is_new(self.now(change.object_id)):
            return True
        if change.action in DEPARTURES:
            return bool(found)
        return not any(self.problem(change, found))

    def problem(self, change: Change, found: list[Change]) -> Iterator[str]:
        """Why a change is no longer as planned, in a sentence; nothing if it is."""
        after = self._values(change.after)
        if any(self._values(c.after) == after and self._same_before(change, c) for c in found):
            return
        if not found and change.action == "primary.update" and change.object_id in self.joined:
            # Swit made the first team to which this plan added the user the primary team. A new
            # plan would keep it; this plan sets the one that it decided on.
            return
        planned = f"{change.action} of {change.target} ({_described(change)})"
        if not found:
            yield f"{planned} is no longer called for."
            return
        now = {_described(other) for other in found}
        if now == {_described(change)}:
            yield f"{planned} rests on something else now: {self._moved(change, found[0])}."
        else:
            yield f"{planned} would be another change now: {'; '.join(sorted(now))}."

    def _moved(self, stored: Change, fresh: Change) -> str:
        """The names of the values that differ, for changes with the same description."""
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
        """The values with present ids, without users that this plan has removed."""
        return {
            key: self._value(key, value) for key, value in values.items() if key not in _FOR_PEOPLE
        }

    def _value(self, key: str, value: object) -> object:
        if isinstance(value, str):
            return self.now(value)
        if not isinstance(value, list | tuple):
            return value
        items = [self.now(str(item)) for item in value if item not in self.removed | self.returning]
        return items if key == "team_ids" else sorted(items)
