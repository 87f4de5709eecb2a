"""Hold back the changes that exceed a limit (`ON_LIMIT=hold_back`), so that the rest can be sent.

The changes that an exceeded limit counts wait for an approval as a plan of their own, with the
changes that depend on them. A user whose departure waits loses nothing meanwhile: no membership,
and no team that they are in. Of a membership change, some users may wait and others not.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from swit_provisioning.planning.actions import CREATIONS, DEPARTURES, MEMBERSHIPS
from swit_provisioning.planning.limits import COUNTED, is_counted
from swit_provisioning.planning.model import Change, Plan, only_about, users_of
from swit_provisioning.planning.selection import Selection, not_selected, selected_plan

CAN_HOLD_BACK: Final[frozenset[str]] = frozenset(COUNTED)
"""The guards that count changes. Any other guard stops the whole plan: it doubts what was read."""


def hold_back(plan: Plan, stopped_by: Callable[[Plan], Collection[str]]) -> Plan | None:
    """The part of a plan that may be sent, with the changes that wait in `waiting`.

    `stopped_by` returns the names of the guards that stop a plan. A plan that none stops is
    returned as it is; `None`: a guard stops it that does not count changes.
    """
    exceeded: frozenset[str] = frozenset()
    rest = plan
    while found := frozenset(stopped_by(rest)):
        if not found <= CAN_HOLD_BACK or found <= exceeded:
            return None
        exceeded |= found
        rest = _without_counted(plan, exceeded)
    return replace(rest, waiting_hash=waiting_plan(rest).plan_hash) if rest.waiting else rest


def waiting_plan(rest: Plan) -> Plan:
    """The plan of the changes that wait. It has the same hash when they are planned again."""
    ids = {change.change_id for change in rest.waiting}
    changes = tuple(
        # The other changes that it needs are sent with the rest.
        replace(change, depends_on=tuple(name for name in change.depends_on if name in ids))
        for change in rest.waiting
    )
    cut = replace(rest, changes=changes, waiting=(), waiting_hash="", disabled=(), held=())
    return selected_plan(cut, ())


def _without_counted(plan: Plan, exceeded: frozenset[str]) -> Plan:
    """The plan without the changes that these guards count, and those that depend on them."""
    departing = {c.object_id for c in plan.changes if c.action in DEPARTURES}
    counted = {
        change.change_id
        for change in plan.changes
        if any(is_counted(guard, change, departing) for guard in exceeded)
    }
    waiting = {
        change.object_id
        for change in plan.changes
        if change.change_id in counted and change.action in DEPARTURES | CREATIONS
    }
    parts: dict[str, Change] = {}
    for change in plan.changes:
        users = users_of(change)
        left = users - waiting
        if change.action == "membership.remove" and change.change_id in counted:
            left &= departing
        if change.action in MEMBERSHIPS:
            if left:
                parts[change.change_id] = only_about(change, left)
        elif change.change_id not in counted and waiting.isdisjoint(
            change.before.get("members", ())
        ):
            parts[change.change_id] = change
    cut = replace(plan, changes=tuple(parts.get(c.change_id, c) for c in plan.changes))
    left_out = frozenset(c.change_id for c in plan.changes if c.change_id not in parts)
    rest = selected_plan(cut, not_selected(cut, Selection(without=left_out)))
    sent = {change.change_id: change for change in rest.changes}
    remaining = (_remaining(change, sent.get(change.change_id)) for change in plan.changes)
    return replace(rest, waiting=tuple(change for change in remaining if change is not None))


def _remaining(change: Change, sent: Change | None) -> Change | None:
    """What remains of a change if `sent` is sent; `None`: nothing."""
    if sent is None:
        return change
    users = users_of(change) - users_of(sent) if change.action in MEMBERSHIPS else frozenset()
    return only_about(change, users) if users else None
