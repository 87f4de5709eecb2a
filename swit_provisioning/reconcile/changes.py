"""How a change is written down: its name within the plan, and what it holds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from swit_provisioning.reconcile.plan import Change, Step
from swit_provisioning.reconcile.policy import Action


class ChangeNames:
    """Gives each change its id: action and object, numbered where an object changes again."""

    def __init__(self) -> None:
        """Start with no name given."""
        self._given: Counter[str] = Counter()

    def name(self, action: Action, object_id: str) -> str:
        """The id of the next change of that kind to that object."""
        plain = f"{action}:{object_id}"
        self._given[plain] += 1
        return plain if self._given[plain] == 1 else f"{plain}:{self._given[plain]}"


def single_change(
    *,
    step: Step,
    action: Action,
    object_id: str,
    target: str,
    reason: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    depends_on: Iterable[str] = (),
) -> Change:
    """A change to an object that changes in this way but once."""
    return Change(
        change_id=f"{action}:{object_id}",
        step=step,
        action=action,
        target=target,
        object_id=object_id,
        before=before or {},
        after=after or {},
        reason=reason,
        depends_on=tuple(depends_on),
    )


def another(names: Iterable[str]) -> str:
    """The reason for an update of so named values: `the directory has another name, parent`."""
    told = (name.removesuffix("_id").replace("_", " ") for name in names)
    return f"the directory has another {', '.join(told)}"


def removals_by_team(changes: Iterable[Change]) -> dict[str, int]:
    """Team id -> members it loses, those of users that the same plan lets go not counted."""
    changes = list(changes)
    leavers = {c.object_id for c in changes if c.action in {"user.deactivate", "user.remove"}}
    lost: dict[str, int] = {}
    for change in changes:
        if change.action == "membership.remove":
            members = change.before["user_ids"]
        elif change.action == "team.delete":
            members = change.before["members"]
        else:
            continue
        lost[change.object_id] = sum(member not in leavers for member in members)
    return lost


def is_first_primary_team(change: Change) -> bool:
    """Whether the change sets the primary team of a user who has none: that replaces nothing."""
    return change.action == "primary.update" and change.before.get("team_id", "") is None
