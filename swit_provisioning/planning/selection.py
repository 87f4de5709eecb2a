"""A selection: the chosen part of a plan that is sent now, without what depends on the rest.

The part is chosen by actions, or it is all changes of one person.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from swit_provisioning.planning.actions import ACTIONS, MEMBERSHIPS, Action, actions_named
from swit_provisioning.planning.model import (
    NEW_TEAM,
    NEW_USER,
    Change,
    Finding,
    Plan,
    only_about,
    removals_by_team,
    users_of,
)

NOT_CHOSEN: Final = "not chosen"
NEEDS_ANOTHER: Final = "needs a change that is left out"
LEFT_OUT: Final = "left out"
"""The kind of finding about a change that a plan for one person leaves out."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which changes of a plan may be sent now."""

    actions: frozenset[Action] = frozenset(ACTIONS)
    limit: int | None = None
    """The most changes of each action, of those that are still pending; none: no limit."""
    users: frozenset[str] | None = None
    """Ids of the only users whose changes may be sent; `None`: changes of any user or team."""
    without: frozenset[str] = frozenset()
    """Ids of changes that may not be sent."""

    @classmethod
    def parse(cls, only: str = "", exclude: str = "", limit: int = 0) -> Self:
        """Read the options of `apply`: names of actions, separated by commas; 0 is no limit.

        Raises:
            ValueError: a name is no action, no action remains, or the limit is negative; the
                message says so.

        """
        named = actions_named(_split(only)) if only.strip() else frozenset(ACTIONS)
        actions = named - actions_named(_split(exclude))
        if not actions:
            message = "--only and --except leave no action to send. Name others, or leave one out."
            raise ValueError(message)
        if limit < 0:
            message = f"--limit is {limit}; give a number from 1, or leave it out for no limit."
            raise ValueError(message)
        return cls(actions=actions, limit=limit or None)

    @property
    def is_all(self) -> bool:
        """Whether the selection leaves nothing out."""
        return self == Selection()


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def not_selected(plan: Plan, selection: Selection, done: Collection[str] = ()) -> dict[str, str]:
    """Change id -> why it is not sent now.

    `done` has the ids of the changes that an earlier selection of this plan has sent.
    """
    return {} if selection.is_all else _Selecting(plan, selection, frozenset(done)).not_selected()


def selected_plan(plan: Plan, without: Collection[str]) -> Plan:
    """The plan without these changes, as the guards judge it; its id is another one."""
    part = plan.without(without)
    removals = removals_by_team(part.changes)
    return replace(part, baselines=replace(plan.baselines, membership_removals_by_team=removals))


def for_person(
    plan: Plan, person: str, *, users: frozenset[str], subjects: Collection[str]
) -> Plan:
    """The plan for one person: the user's changes, memberships and primary team, nothing else.

    `users` has the ids that the person has in the plan, and `subjects` what findings about the
    person name. Changes that need a team that does not exist yet are left out, with a finding.
    """
    cut = replace(plan, changes=tuple(only_about(change, users) for change in plan.changes))
    without = not_selected(cut, Selection(users=users))
    left_out = [c for c in cut.changes if without.get(c.change_id) == NEEDS_ANOTHER]
    findings = [finding for finding in plan.findings if finding.subject in subjects]
    findings += (_left_out(change, person) for change in left_out)
    return replace(
        selected_plan(cut, without),
        person=person,
        disabled=_about(plan.disabled, users),
        held=_about(plan.held, users),
        findings=tuple(findings),
        bindings=tuple(b for b in plan.bindings if b.kind == "user" and b.object_id in users),
        teams=(),
    )


def _about(changes: Iterable[Change], users: frozenset[str]) -> tuple[Change, ...]:
    return tuple(only_about(change, users) for change in changes if users & users_of(change))


def _left_out(change: Change, person: str) -> Finding:
    what = f"The change {change.action}"
    if change.action == "membership.add":
        what = f"The membership in {change.target}"
    elif change.action == "primary.update":
        what = f"The primary team {change.after['team']}"
    return Finding(
        kind=LEFT_OUT,
        subject=person,
        side="swit",
        message=f"{what} is left out: the team does not exist yet, and a plan for one person"
        " creates no team. A plan for everyone does: swit-provisioning plan",
    )


def describe_not_selected(plan: Plan, without: Mapping[str, str]) -> str:
    """`3 user.create (not chosen), 2 membership.add (needs...)`; empty if nothing is left out."""
    left_out = (c for c in plan.changes if c.change_id in without)
    counted = Counter((c.action, without[c.change_id]) for c in left_out)
    return ", ".join(f"{n} {action} ({why})" for (action, why), n in counted.items())


class _Selecting:
    """Goes through a plan in order, so that a change comes after those that it depends on."""

    def __init__(self, plan: Plan, selection: Selection, done: frozenset[str]) -> None:
        self._plan, self._selection, self._done = plan, selection, done
        self._out: dict[str, str] = {}
        self._pending: set[str] = set()
        """Ids of objects that are not created now, and of teams whose next step waits."""
        self._not_joined: set[tuple[str, str]] = set()
        """Team and user of each addition that is left out."""
        self._taken: Counter[Action] = Counter()

    def not_selected(self) -> dict[str, str]:
        for change in self._plan.changes:
            if change.change_id in self._done:
                continue
            why = self._why(change)
            if why is None:
                self._taken[change.action] += 1
            else:
                self._leave_out(change, why)
        return self._out

    def _why(self, change: Change) -> str | None:
        users = self._selection.users
        if (
            change.action not in self._selection.actions
            or change.change_id in self._selection.without
            or (users is not None and users.isdisjoint(users_of(change)))
        ):
            return NOT_CHOSEN
        if any(self._lacks(change)):
            return NEEDS_ANOTHER
        limit = self._selection.limit
        return NOT_CHOSEN if limit is not None and self._taken[change.action] >= limit else None

    def _leave_out(self, change: Change, why: str) -> None:
        self._out[change.change_id] = why
        if change.action.startswith("team.") or change.action == "user.create":
            self._pending.add(change.object_id)
        if change.action == "membership.add":
            self._not_joined |= {(change.object_id, user) for user in change.after["user_ids"]}

    def _lacks(self, change: Change) -> Iterator[bool]:
        """Whether something that the change depends on is left out."""
        for needed in change.depends_on:
            is_only_a_member = change.action in MEMBERSHIPS and needed.startswith("user.create:")
            yield needed in self._out and not is_only_a_member
        # The steps of one team follow one another; a membership only needs the team to exist.
        yield self._waits(change.object_id, new_only=change.action in MEMBERSHIPS)
        yield self._waits(change.after.get("parent_id"), new_only=True)
        yield self._waits(change.after.get("team_id"), new_only=True)
        yield any(self._waits(team, new_only=True) for team in change.after.get("team_ids", ()))
        if change.action == "primary.update":
            yield (change.after["team_id"], change.object_id) in self._not_joined
        users = change.after.get("user_ids", ())
        yield bool(users) and all(user in self._pending for user in users)

    def _waits(self, object_id: str | None, *, new_only: bool) -> bool:
        is_new = object_id is not None and object_id.startswith((NEW_USER, NEW_TEAM))
        return object_id in self._pending and (is_new or not new_only)
