"""What must be done before a change can be sent, and the sentence that says what is missing."""

from collections.abc import Iterator
from typing import Final

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.record import NEW, Record
from swit_provisioning.reconcile.plan import Change, Plan

_MEMBERSHIPS: Final = frozenset({"membership.add", "membership.remove"})
_CREATIONS: Final = frozenset({"user.create", "team.create"})


class Needs:
    """Which changes of a plan wait for which others."""

    def __init__(self, plan: Plan, record: Record) -> None:
        """Take the plan and what is known of its changes."""
        self._record = record
        additions = (change for change in plan.changes if change.action == "membership.add")
        self._additions = {change.object_id: change for change in additions}

    def unmet(self, change: Change) -> str | None:
        """Why this change can't be sent now; `None` if it can."""
        return next(self._reasons(change), None)

    def may_join_now(self, change: Change) -> bool:
        """Whether someone who was left out of an addition has an account by now."""
        answer = self._record.answer(change)
        left_out = answer.left_out if answer else ()
        return any(self._record.swit_id(user) is not None for user in left_out)

    def _reasons(self, change: Change) -> Iterator[str]:
        for change_id in change.depends_on:
            needed = self._record.change(change_id)
            if needed is None:
                yield f"it needs {change_id}, which is not part of this plan"
            elif not self._record.is_done(needed) and not _can_do_without(change, needed):
                yield self._told(needed)
        for object_id in _objects(change):
            if self._record.swit_id(object_id) is None:
                maker = self._record.maker(object_id)
                yield self._told(maker) if maker else f"nothing in this plan makes {object_id}"
        if change.action == "primary.update":
            yield from self._not_a_member(change)

    def _not_a_member(self, change: Change) -> Iterator[str]:
        """A user can't have a primary team that this plan failed to put them in."""
        addition = self._additions.get(change.after["team_id"])
        if addition is None or change.object_id not in addition.after["user_ids"]:
            return
        answer = self._record.answer(addition)
        tried = answer is not None and answer.outcome in DONE | {"rejected"}
        if answer is None or not tried or change.object_id in answer.left_out:
            yield self._told(addition)

    def _told(self, needed: Change) -> str:
        answer = self._record.answer(needed)
        what = f"it needs {needed.action} of {needed.target}"
        if answer is None:
            return f"{what}, which was not sent"
        return f"{what}, which was {answer.outcome}"


def _can_do_without(change: Change, needed: Change) -> bool:
    """Whoever has no account is left out; the team's other members need not wait."""
    return change.action in _MEMBERSHIPS and needed.action == "user.create"


def _objects(change: Change) -> Iterator[str]:
    """Ids without which the call can't be written."""
    if change.action not in _CREATIONS:
        yield change.object_id
    for name in ("parent_id", "team_id"):
        value = change.after.get(name)
        if isinstance(value, str) and value.startswith(NEW):
            yield value
