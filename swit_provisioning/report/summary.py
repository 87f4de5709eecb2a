"""A plan in one sentence, the most dangerous first: `3 leave, 12 join, 2 teams renamed`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from swit_provisioning.planning.model import Action, Change, Plan
from swit_provisioning.planning.normalize import REMOVED

DANGEROUS_FIRST: Final[tuple[Action, ...]] = (
    "user.remove",
    "user.deactivate",
    "team.delete",
    "membership.remove",
    "team.update",
    "user.update",
    "user.activate",
    "team.create",
    "user.create",
    "membership.add",
    "primary.update",
    "team.sort",
)
"""All actions: what takes something away, what makes something another, what adds."""

IN_WORDS: Final[Mapping[Action, str]] = {
    "user.remove": "Accounts removed for good",
    "user.deactivate": "Accounts deactivated",
    "team.delete": "Teams deleted",
    "membership.remove": "Teams that lose members",
    "team.update": "Teams renamed, moved or re-keyed",
    "user.update": "Accounts updated",
    "user.activate": "Accounts activated again",
    "team.create": "Teams created",
    "user.create": "Accounts created",
    "membership.add": "Teams that gain members",
    "primary.update": "Primary teams set",
    "team.sort": "Teams whose child teams are sorted",
}
"""Each action as a heading."""

_ONE_AND_MANY: Final[Mapping[str, tuple[str, str]]] = {
    "user.remove": ("1 is removed for good", "{} are removed for good"),
    "user.deactivate": ("1 leaves", "{} leave"),
    "team.delete": ("1 team deleted", "{} teams deleted"),
    "membership.remove": ("1 membership ends", "{} memberships end"),
    "marked": ("1 team marked as removed", "{} teams marked as removed"),
    "renamed": ("1 team renamed", "{} teams renamed"),
    "moved": ("1 team moved", "{} teams moved"),
    "re-keyed": ("1 team re-keyed", "{} teams re-keyed"),
    "user.update": ("1 person's data change", "{} people's data change"),
    "user.activate": ("1 is back", "{} are back"),
    "team.create": ("1 team created", "{} teams created"),
    "user.create": ("1 joins", "{} join"),
    "membership.add": ("1 membership begins", "{} memberships begin"),
    "primary.update": ("1 primary team set", "{} primary teams set"),
    "team.sort": ("the teams below 1 team sorted", "the teams below {} teams sorted"),
}


def summary(changes: Iterable[Change]) -> str:
    """What the changes are, counted; `nothing to do` where there is none."""
    counted = Counter(_counted(changes))
    told = (
        one if counted[kind] == 1 else many.format(f"{counted[kind]:,}")
        for kind, (one, many) in _ONE_AND_MANY.items()
        if counted[kind]
    )
    return ", ".join(told) or "nothing to do"


def duration(seconds: float) -> str:
    """How long it takes, as people say it."""
    if seconds <= 1:
        return "a second at most"
    if seconds < 90:  # noqa: PLR2004 - below that, seconds read better
        return f"{ceil(seconds)} seconds"
    return f"{ceil(seconds / 60)} minutes"


def dangerous_first(changes: Iterable[Change]) -> list[Change]:
    """The changes by action, what takes something away before what adds; else in their order."""
    place = {action: number for number, action in enumerate(DANGEROUS_FIRST)}
    return sorted(changes, key=lambda change: place[change.action])


def by_action(changes: Iterable[Change]) -> dict[Action, list[Change]]:
    """The same as groups, none of them empty."""
    groups: dict[Action, list[Change]] = {}
    for change in dangerous_first(changes):
        groups.setdefault(change.action, []).append(change)
    return groups


def _counted(changes: Iterable[Change]) -> Iterator[str]:
    """What each change counts as: memberships by people, an update by what is another."""
    for change in changes:
        if change.action == "membership.add":
            yield from [change.action] * len(change.after["user_ids"])
        elif change.action == "membership.remove":
            yield from [change.action] * len(change.before["user_ids"])
        elif change.action == "team.update":
            yield from _kinds_of_update(change.after)
        else:
            yield change.action


def _kinds_of_update(after: Mapping[str, Any]) -> Iterator[str]:
    if "name" in after:
        yield "marked" if str(after["name"]).startswith(REMOVED) else "renamed"
    if "parent_id" in after:
        yield "moved"
    # Beside another name or place nobody needs to know of the key.
    if "reference" in after and len(after.keys() & {"name", "parent_id"}) == 0:
        yield "re-keyed"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two plans, change by change; a change is the same one if its action and object are."""

    only_first: tuple[Change, ...]
    only_second: tuple[Change, ...]
    different: tuple[tuple[Change, Change], ...]
    """In both, but doing another thing, or by another step."""
    same: int
    settings: tuple[str, ...]
    """Settings by which the two were made differently, as variables."""
    sides: tuple[str, ...]
    """`organisation`, `directory`: where the two are not about the same."""

    @property
    def is_empty(self) -> bool:
        """Whether both would do the same."""
        found = (self.only_first, self.only_second, self.different, self.settings, self.sides)
        return not any(found)


def compare(first: Plan, second: Plan) -> Comparison:
    """Hold the second plan against the first."""
    one = {change.change_id: change for change in first.changes}
    other = {change.change_id: change for change in second.changes}
    both = [(change, other[key]) for key, change in one.items() if key in other]
    different = tuple((a, b) for a, b in both if _sent(a) != _sent(b))
    organisations = (first.organization_id, second.organization_id)
    directories = (first.directory_identity, second.directory_identity)
    sides = {"organisation": organisations, "directory": directories}
    return Comparison(
        only_first=tuple(change for key, change in one.items() if key not in other),
        only_second=tuple(change for key, change in other.items() if key not in one),
        different=different,
        same=len(both) - len(different),
        settings=_settings(first.policy, second.policy),
        sides=tuple(name for name, (a, b) in sides.items() if a != b),
    )


def _sent(change: Change) -> tuple[Any, ...]:
    return change.step, dict(change.before), dict(change.after)


def _settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    names = sorted(first.keys() | second.keys())
    return tuple(_variable(name) for name in names if first.get(name) != second.get(name))


def _variable(name: str) -> str:
    """The environment variable of a rule of the policy."""
    return {
        "reference_attribute": "LDAP_REFERENCE_ATTRIBUTE",
        "teams_to_keep": "SWIT_TEAMS_TO_KEEP",
    }.get(name, name.upper())
