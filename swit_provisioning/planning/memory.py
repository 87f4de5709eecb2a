"""What the planner remembers from plan to plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from swit_provisioning.planning.model import (
    ExemptingEntry,
    ExemptingSetting,
    Exemption,
    ExemptKind,
    Policy,
)
from swit_provisioning.planning.normalize import name_key


@dataclass(frozen=True, kw_only=True)
class StoredValue:
    """A value that Swit stored differently from what was sent."""

    sent: str
    stored: str


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """How often in a row a part of a change was applied and then planned again."""

    times: int
    last_at: datetime
    """When it was last sent."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known from the plans applied before."""

    users: Mapping[str, str] = field(default_factory=dict)
    """Directory id of a person -> id of the matched user."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Directory id of a group -> id of the matched team."""
    exempt: frozenset[Exemption] = frozenset()
    """Groups and teams that the settings exempted in earlier plans."""
    stored_values: Mapping[tuple[str, str], StoredValue] = field(default_factory=dict)
    """Object id and field -> the last value sent, if Swit stored it differently."""
    repeats: Mapping[str, Repeat] = field(default_factory=dict)
    """Key of a part of a change (`convergence.part_keys`) -> how often it was repeated."""
    applied: Mapping[str, datetime] = field(default_factory=dict)
    """Key of a part of a change -> when it was applied, of all applied since the last plan."""
    seen: int = 0
    """The newest entry of the journal that `applied` takes into account."""

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
