"""The rules and limits that the settings give, and what is remembered of earlier runs."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal, Self, get_args

from swit_provisioning.planning.actions import Action
from swit_provisioning.planning.normalize import name_key

# Swit's roles by number, as its API documents them. Other roles are protected.
ROLES = {10: "master", 20: "admin", 30: "member", 40: "guest"}

ReferenceAttribute = Literal["distinguishedName", "entryUUID", "objectGUID"]
ExemptKind = Literal["group", "team"]
KINDS: Final[tuple[ExemptKind, ...]] = get_args(ExemptKind)
ExemptingSetting = Literal["TEAMS_TO_EXCLUDE", "SWIT_TEAMS_TO_KEEP"]
ExemptingEntry = tuple[ExemptingSetting, str]
"""A setting, and one of its names, patterns or ids in the form of `name_key`."""


@dataclass(frozen=True, kw_only=True, order=True)
class Exemption:
    """A group or team that a setting has named. It stays exempt under any other name."""

    kind: ExemptKind
    object_id: str
    """The group's id in the directory, or the team's in Swit."""
    setting: ExemptingSetting
    entry: str
    """As in `ExemptingEntry`. The exemption ends when the setting no longer has this entry."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings that shape a plan; names as the environment variables, in lower case."""

    teams_to_exclude: tuple[str, ...] = ()
    teams_to_keep: tuple[str, ...] = ()
    """Names, `*` patterns and ids of Swit teams."""
    users_to_exclude: tuple[str, ...] = ()
    """E-mail patterns."""
    protected_roles: tuple[str, ...] = ("master", "admin", "guest")
    unmanaged_users: Literal["deactivate", "keep"] = "deactivate"
    user_removal: Literal["deactivate", "remove", "keep"] = "deactivate"
    team_removal: Literal["delete", "mark", "keep"] = "delete"
    unmanaged_teams: Literal["keep", "adopt", "delete"] = "keep"
    clear_empty_phone: bool = False
    disabled_actions: frozenset[Action] = frozenset()
    default_user_language: Literal["en", "ko"] = "en"
    default_user_timezone: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON values, in a fixed order."""
        values = asdict(self)
        values["disabled_actions"] = sorted(self.disabled_actions)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in sorted(values.items())}

    def exempting_entries(self) -> dict[ExemptingSetting, dict[str, str]]:
        """The entries of the settings that exempt groups and teams: their keys, and as written."""
        return {
            "TEAMS_TO_EXCLUDE": {name_key(entry): entry for entry in self.teams_to_exclude},
            "SWIT_TEAMS_TO_KEEP": {name_key(entry): entry for entry in self.teams_to_keep},
        }


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
        entries = policy.exempting_entries()
        found: dict[str, set[ExemptingEntry]] = {}
        for exemption in self.exempt:
            if exemption.kind == kind and exemption.entry in entries[exemption.setting]:
                named = (exemption.setting, exemption.entry)
                found.setdefault(exemption.object_id, set()).add(named)
        return found


FirstSync = Literal["additive", "full"]

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_NUMBER = re.compile(r"[0-9]{1,9}")
_WHOLE = 100


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much may change: a `percent` of a baseline, a `number`, or both; neither: no limit."""

    percent: Fraction | None = None
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10%`, `50`, `5%,50` or `none`.

        Raises:
            ValueError: the text is none of these; the message has examples.

        """
        if text.strip().casefold() == "none":
            return cls()
        percent: Fraction | None = None
        number: int | None = None
        for part in (piece.strip() for piece in text.split(",")):
            share = _SHARE.fullmatch(part)
            if share and percent is None and Fraction(share[1]) <= _WHOLE:
                percent = Fraction(share[1])
            elif _NUMBER.fullmatch(part) and number is None:
                number = int(part)
            else:
                message = (
                    f"{text!r} is no limit: write a share from 0% to 100%, a number, both or none,"
                    " for example 10%, 50, 5%,50 or none"
                )
                raise ValueError(message)
        return cls(percent=percent, number=number)

    def allows(self, n: int, base: int, *, always: int = 1) -> bool:
        """Whether `n` of `base` is within the limit; any share above 0% allows `always` many."""
        if self.number is not None and n > self.number:
            return False
        if self.percent is None or _WHOLE * n <= self.percent * base:
            return True
        return self.percent > 0 and n <= always

    def __str__(self) -> str:
        """As it would be written in a setting."""
        parts: list[str] = []
        if self.percent is not None:
            share = Decimal(self.percent.numerator) / Decimal(self.percent.denominator)
            parts.append(f"{share:f}%")
        if self.number is not None:
            parts.append(str(self.number))
        return ",".join(parts) or "none"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits; names as the environment variables, in lower case."""

    first_sync: FirstSync = "additive"
    """`full`: a first sync may take away as much as the limits allow."""

    max_deactivations: Limit = Limit(percent=Fraction(10))
    max_team_deletions: Limit = Limit(percent=Fraction(10))
    max_membership_removals: Limit = Limit(percent=Fraction(10))
    max_membership_removals_per_team: Limit = Limit(percent=Fraction(50))
    max_activations: Limit = Limit(percent=Fraction(10))
    max_user_creations: Limit = Limit(percent=Fraction(50))
    max_team_creations: Limit = Limit(percent=Fraction(50))
    max_updates: Limit = Limit(percent=Fraction(20))
    max_directory_shrink: Limit = Limit(percent=Fraction(20))
