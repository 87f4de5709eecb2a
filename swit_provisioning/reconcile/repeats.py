"""Which parts of changes are planned again though they were applied, and how often in a row.

A part is what may stick by itself: one value of an update, one user of a batch, else the whole.
What it was before is no part of its name: who writes another value each time writes all the same.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from swit_provisioning.reconcile.policy import Action

MOST_SENT: Final = 2
"""How often in a row the same thing is sent; then it does not stick."""

_UPDATES: Final = frozenset({"user.update", "team.update"})
_BATCHES: Final = {"membership.add": "after", "membership.remove": "before"}
_FOR_PEOPLE: Final = frozenset({"parent"})
_CREATIONS: Final = frozenset({"user.create", "team.create"})
_WHOLE: Final = {"team.sort": "team_ids", "primary.update": "team_id"}
"""Which value says what is wanted, of changes that stick as a whole and can want several things."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A part of a change that was applied and planned again by the very next plan."""

    times: int
    """How often in a row."""
    last_at: datetime
    """When it was sent last."""


def parts_of(
    action: Action | str,
    object_id: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    real: Callable[[str], str] = str,
) -> dict[str, str]:
    """Part (a field, a user's id, or `""` for the whole) -> key, the same from plan to plan.

    `real` turns an id that a plan gave to what it makes into Swit's own.
    """
    if action in _CREATIONS:
        # Whoever makes it anew each time knows it by the same address or group.
        return {"": _key(action, object_id)}
    thing = real(object_id)
    if action in _UPDATES:
        fields = (field for field in after if field not in _FOR_PEOPLE)
        return {field: _key(action, thing, field, real(str(after[field]))) for field in fields}
    if side := _BATCHES.get(action):
        users = (after if side == "after" else before)["user_ids"]
        return {user: _key(action, thing, real(user)) for user in users}
    wanted = after.get(_WHOLE.get(action, ""))
    values = wanted if isinstance(wanted, list | tuple) else [wanted or ""]
    return {"": _key(action, thing, *(real(value) for value in values))}


def in_a_row(
    wanted: Iterable[str],
    *,
    repeats: Mapping[str, Repeat],
    applied: Mapping[str, datetime],
) -> dict[str, Repeat]:
    """How often each of these keys was applied in vain, with what the last plan has sent.

    `applied` has what was sent since the last plan. What is not wanted any longer has stuck, or
    the directory has changed its mind: it starts anew.
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
