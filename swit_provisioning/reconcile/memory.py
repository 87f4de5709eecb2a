"""What is remembered from plan to plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from swit_provisioning.reconcile.kept import Kept
from swit_provisioning.reconcile.repeats import Repeat


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known of the plans applied before."""

    users: Mapping[str, str] = field(default_factory=dict)
    """Who was who: directory id -> Swit id."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """The same of teams."""
    kept: Mapping[tuple[str, str], Kept] = field(default_factory=dict)
    """Swit's id and field -> what became of the value sent last that Swit keeps otherwise."""
    repeats: Mapping[str, Repeat] = field(default_factory=dict)
    """Key of a part of a change -> how often in a row it was applied in vain before."""
    applied: Mapping[str, datetime] = field(default_factory=dict)
    """Key of a part of a change -> when it was applied, of all since the last plan."""
    seen: int = 0
    """The newest entry of the journal that `applied` rests on."""
