"""Plans written by hand, change by change, for those who judge, store or compare them."""

from collections.abc import Mapping
from typing import Any

from swit_provisioning.planning.actions import Action, Step
from swit_provisioning.planning.guards import (
    GuardName,
    GuardResult,
    judge,
)
from swit_provisioning.planning.limits import History, RecentCounts
from swit_provisioning.planning.model import Baselines, Change, Plan
from swit_provisioning.planning.policy import Limits

STEP_OF: dict[Action, Step] = {
    "user.create": "create_users",
    "user.update": "update_users",
    "user.deactivate": "deactivate_users",
    "user.remove": "deactivate_users",
    "user.activate": "activate_users",
    "team.delete": "delete_teams",
    "team.create": "create_teams",
    "team.update": "update_teams",
    "team.sort": "sort_teams",
    "membership.add": "add_members",
    "membership.remove": "remove_members",
    "primary.update": "update_primary_teams",
}

WHOLE_SWIT: dict[str, Any] = {
    "total_rows": 100,
    "distinct_users": 100,
    "roots": 1,
    "orphans": 0,
    "authorised_user": True,
    "authorised_active": True,
    "authorised_admin": True,
}
"""What is counted of a read of Swit to which nothing is lacking."""

STAFF = "ou=staff,dc=x"
WHOLE_DIRECTORY = {STAFF: {"users": 100, "groups": 10}}


def change(
    action: Action,
    object_id: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "as the directory says",
) -> Change:
    """One change, called as the object is."""
    return Change(
        change_id=f"{action}:{object_id}",
        step=STEP_OF[action],
        action=action,
        target=object_id,
        object_id=object_id,
        before=before or {},
        after=after or {},
        reason=reason,
    )


def removal(team: str, users: int) -> Change:
    """So many members leave a team."""
    return change("membership.remove", team, before={"user_ids": ids("M", users)})


def deletion(team: str, members: int = 0) -> Change:
    """A team goes, with so many members."""
    return change("team.delete", team, before={"name": team, "members": ids("M", members)})


def marking(team: str) -> Change:
    """A team whose group has left is renamed."""
    return change("team.update", team, before={"name": team}, after={"name": f"(removed) {team}"})


def ids(letter: str, number: int) -> list[str]:
    return [f"{letter}{n}" for n in range(number)]


def plan_with(*changes: Change, **bases: Any) -> Plan:  # noqa: ANN401 - the fields of `Baselines`
    """A plan of two whole reads, with these changes and numbers."""
    whole = {"directory": WHOLE_DIRECTORY, "swit": WHOLE_SWIT, **bases}
    return Plan(changes=changes, baselines=Baselines(**whole))


def verdict_of(
    guard: GuardName,
    plan: Plan,
    *,
    limits: Limits | None = None,
    last_read: Mapping[str, Mapping[str, int]] | None = None,
    recent: Mapping[str, int] | None = None,
    approval: frozenset[str] = frozenset(),
    last_presence: Mapping[str, Mapping[str, int]] | None = None,
    recent_counts: RecentCounts | None = None,
) -> GuardResult:
    """What one guard says; unless `last_read` is empty, this is not the first sync."""
    verdicts = judge(
        plan,
        limits or Limits(),
        History(
            last_read=WHOLE_DIRECTORY if last_read is None else last_read,
            last_presence=last_presence or {},
            recent=recent or {},
            recent_counts=recent_counts or RecentCounts(),
        ),
        approval=approval,
    )
    return next(verdict for verdict in verdicts if verdict.name == guard)
