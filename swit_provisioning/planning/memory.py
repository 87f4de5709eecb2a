"""What is remembered from plan to plan."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from swit_provisioning.planning.actions import SPECS, Action
from swit_provisioning.planning.dn import reference_key
from swit_provisioning.planning.model import (
    ExemptingEntry,
    ExemptingSetting,
    Exemption,
    ExemptKind,
    Policy,
)
from swit_provisioning.planning.normalize import digits, name_key, same_text


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of one value on its way."""

    sent: str
    kept: str


def same_value(field: str, one: str, other: str) -> bool:
    """Whether two values of a field (`name`, `phone_number`, `reference`...) say the same."""
    if field == "phone_number":
        return digits(one) == digits(other)
    if field == "reference":
        return reference_key(one) == reference_key(other)
    return same_text(one, other)


def kept_values(
    sent: Mapping[str, str | None], answered: Mapping[str, str | None]
) -> dict[str, str]:
    """Field -> value as Swit answered it, where that is another one than was sent.

    What was not sent, and what the answer doesn't say, is left out.
    """
    found: dict[str, str] = {}
    for name, value in answered.items():
        wanted = sent.get(name)
        if value is not None and wanted and not same_value(name, wanted, value):
            found[name] = value
    return found


def counts_as_equal(known: Kept | None, field: str, *, wanted: object, present: object) -> bool:
    """Whether what stands in Swit is what became of the wanted value when it was sent."""
    if known is None or not isinstance(wanted, str) or not isinstance(present, str):
        return False
    return same_value(field, known.sent, wanted) and same_value(field, known.kept, present)


MOST_SENT: Final = 2
"""How often in a row the same thing is sent; then it does not stick."""

_FOR_PEOPLE: Final = frozenset({"parent"})


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A part of a change that was applied and planned again by the very next plan."""

    times: int
    """How often in a row."""
    last_at: datetime
    """When it was sent last."""


def parts_of(
    action: Action,
    object_id: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    real: Callable[[str], str] = str,
) -> dict[str, str]:
    """Part (a field, a user's id, or `""` for the whole) -> key, the same from plan to plan.

    `real` turns an id that a plan gave to what it makes into Swit's own.
    """
    spec = SPECS[action]
    if spec.creates:
        # Whoever makes it anew each time knows it by the same address or group.
        return {"": _key(action, object_id)}
    thing = real(object_id)
    if spec.by_field:
        fields = (field for field in after if field not in _FOR_PEOPLE)
        return {field: _key(action, thing, field, real(str(after[field]))) for field in fields}
    if spec.members:
        users = (after if spec.members == "after" else before)["user_ids"]
        return {user: _key(action, thing, real(user)) for user in users}
    wanted = after.get(spec.value)
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


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known of the plans applied before."""

    users: Mapping[str, str] = field(default_factory=dict)
    """Who was who: directory id -> Swit id."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """The same of teams."""
    exempt: frozenset[Exemption] = frozenset()
    """Groups and teams that the settings exempted in the plans before."""
    kept: Mapping[tuple[str, str], Kept] = field(default_factory=dict)
    """Swit's id and field -> what became of the value sent last that Swit keeps otherwise."""
    repeats: Mapping[str, Repeat] = field(default_factory=dict)
    """Key of a part of a change -> how often in a row it was applied in vain before."""
    applied: Mapping[str, datetime] = field(default_factory=dict)
    """Key of a part of a change -> when it was applied, of all since the last plan."""
    seen: int = 0
    """The newest entry of the journal that `applied` rests on."""

    def still_exempt(self, kind: ExemptKind, policy: Policy) -> dict[str, set[ExemptingEntry]]:
        """Object id -> the entries that once named it and that the settings still have."""
        entries: dict[ExemptingSetting, set[str]] = {
            "TEAMS_TO_EXCLUDE": set(map(name_key, policy.teams_to_exclude)),
            "SWIT_TEAMS_TO_KEEP": set(map(name_key, policy.teams_to_keep)),
        }
        found: dict[str, set[ExemptingEntry]] = {}
        for exemption in self.exempt:
            if exemption.kind == kind and exemption.entry in entries[exemption.setting]:
                named = (exemption.setting, exemption.entry)
                found.setdefault(exemption.object_id, set()).add(named)
        return found
