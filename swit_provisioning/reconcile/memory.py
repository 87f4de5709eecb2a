"""What is remembered from plan to plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

from swit_provisioning.reconcile.kept import Kept
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.repeats import Repeat
from swit_provisioning.reconcile.text import name_key

ExemptKind = Literal["group", "team"]
KINDS: Final[tuple[ExemptKind, ...]] = get_args(ExemptKind)
ExemptingSetting = Literal["TEAMS_TO_EXCLUDE", "SWIT_TEAMS_TO_KEEP"]
ExemptingEntry = tuple[ExemptingSetting, str]
"""A setting, and one of its names, patterns or ids as `name_key` compares it."""


@dataclass(frozen=True, kw_only=True, order=True)
class Exemption:
    """A group or team that a setting once named. It stays exempt under any other name."""

    kind: ExemptKind
    object_id: str
    """The group's id in the directory, or the team's in Swit."""
    setting: ExemptingSetting
    entry: str
    """As in `ExemptingEntry`. The exemption ends when the setting no longer has it."""


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
