"""Sends a plan to the organisation in memory, as the real sender does: side by side, halving."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from swit_provisioning.apply.executor import predecessors
from swit_provisioning.planning.actions import STEPS
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning_tests.planning.specification.organisation import (
    Organisation,
    RefusedError,
)

_NAMES = {"parent_id": "parent", "phone_number": "phone"}


@dataclass
class Sent:
    """What came of each change, and what was made."""

    outcomes: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> dict[str, str]:
        return {c: o for c, o in self.outcomes.items() if o not in {"applied", "already so"}}


def send(
    plan: Plan, organisation: Organisation, seed: int | None = None, only: int | None = None
) -> Sent:
    """Send all changes; `seed` mixes those that may go side by side, `only` stops after so many."""
    sent = Sent()
    changes = list(plan.changes)
    if seed is not None:
        changes = _mixed(changes, random.Random(seed))  # noqa: S311 - an order for a test
    for change in changes[:only]:
        sent.outcomes[change.change_id] = _send(change, organisation, sent)
    return sent


def _mixed(changes: list[Change], luck: random.Random) -> list[Change]:
    """Any order in which the real sender might come to them."""
    mixed: list[Change] = []
    for step in STEPS:
        named = {change.change_id: change for change in changes if change.step == step}
        order = TopologicalSorter(predecessors(list(named.values())))
        order.prepare()
        ready: list[str] = []
        while order.is_active():
            ready += sorted(order.get_ready())
            chosen = ready.pop(luck.randrange(len(ready)))
            mixed.append(named[chosen])
            order.done(chosen)
    return mixed


def _send(change: Change, organisation: Organisation, sent: Sent) -> str:
    bad = {"skipped", "rejected"}
    if any(sent.outcomes.get(needed, "applied") in bad for needed in change.depends_on):
        return "skipped"
    target = sent.made.get(change.object_id, change.object_id)
    there = organisation.teams.get(target)
    if change.action == "team.delete" and there is not None and there.children:
        return "skipped"
    try:
        if change.action.startswith("membership."):
            return _send_members(change, target, organisation, sent)
        answer = organisation.call(change.action, **_values(change, target, organisation, sent))
    except RefusedError:
        return "rejected"
    if change.action in {"user.create", "team.create"}:
        sent.made[change.object_id] = answer
    return "applied"


def _send_members(change: Change, team: str, organisation: Organisation, sent: Sent) -> str:
    ids = [*change.after.get("user_ids", ()), *change.before.get("user_ids", ())]
    known = [sent.made.get(user, user) for user in ids]
    users = [user for user in known if not user.startswith("new:")]
    if not users:
        return "skipped"
    refused = _halved(change.action, team, users, organisation)
    return "rejected in part" if refused else "applied"


def _halved(action: str, team: str, users: list[str], organisation: Organisation) -> list[str]:
    """Who is refused."""
    try:
        organisation.call(action, team=team, users=users)
    except RefusedError:
        if len(users) == 1:
            return users
        half = len(users) // 2
        return [
            user
            for part in (users[:half], users[half:])
            for user in _halved(action, team, part, organisation)
        ]
    return []


def _values(  # noqa: PLR0911 - one answer for each action
    change: Change, target: str, organisation: Organisation, sent: Sent
) -> Mapping[str, Any]:
    """The call's arguments."""
    told = {k: v for k, v in change.after.items() if k != "parent"}  # a name, for people
    after = {_NAMES.get(k, k): sent.made.get(str(v), v) for k, v in told.items() if v != ""}
    match change.action:
        case "user.create":
            return {"email": after["email"], "name": after["name"], "phone": after["phone"] or ""}
        case "team.create":
            return after
        case "user.update":
            return {"user": target, **{_NAMES.get(k, k): v for k, v in change.after.items()}}
        case "team.update":
            return {"team": target, **after}
        case "team.delete":
            return {"team": target}
        case "team.sort":
            now = organisation.teams[target].children
            wanted = [sent.made.get(team, team) for team in change.after["team_ids"]]
            there = [team for team in wanted if team in now]
            others = [team for team in now if team not in there]
            return {"parent": target, "teams": there + others}
        case "primary.update":
            return {"team": after["team_id"], "user": target}
        case _:
            return {"user": target}
