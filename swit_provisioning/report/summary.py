"""A plan in one sentence, the most dangerous first.

`3 users to deactivate, 12 to create; 2 teams to rename`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final

from swit_provisioning.planning.actions import DANGEROUS_FIRST, SPECS, Action, Phrase
from swit_provisioning.planning.model import Change, Finding, Plan


def summary(changes: Iterable[Change]) -> str:
    """The changes, counted in words; `nothing to do` if there is none."""
    counted: Counter[Phrase] = Counter()
    for change in changes:
        for phrase in SPECS[change.action].phrases:
            counted[phrase] += phrase.number(change.before, change.after)
    by_noun: dict[str, list[str]] = {}
    for phrase in (phrase for action in DANGEROUS_FIRST for phrase in SPECS[action].phrases):
        if number := counted[phrase]:
            noun, others = phrase.noun, by_noun.setdefault(phrase.noun, [])
            named = "" if others else f" {noun}" if number == 1 else f" {noun}s"
            others.append(f"{number:,}{named} {phrase.verb}")
    return "; ".join(map(", ".join, by_noun.values())) or "nothing to do"


def plan_summary(plan: Plan) -> str:
    """The changes of a plan, counted in words, and for whom it is if it is for one person."""
    return summary(plan.changes) + (f" (for {plan.person} only)" if plan.person else "")


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds <= 1:
        return "a second at most"
    if seconds < 90:  # noqa: PLR2004 - below that, seconds read better
        return f"{ceil(seconds)} seconds"
    return f"{ceil(seconds / 60)} minutes"


def dangerous_first(changes: Iterable[Change]) -> list[Change]:
    """The changes by action, the most dangerous first; of one action in their order."""
    return sorted(changes, key=lambda change: SPECS[change.action].danger)


def by_action(changes: Iterable[Change]) -> dict[Action, list[Change]]:
    """The changes grouped by action, the most dangerous action first."""
    groups: dict[Action, list[Change]] = {}
    for change in dangerous_first(changes):
        groups.setdefault(change.action, []).append(change)
    return groups


def findings_by_kind(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings grouped by kind, in their order."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.kind, []).append(finding)
    return groups


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The differences between two plans; changes correspond by action and object."""

    only_first: tuple[Change, ...]
    only_second: tuple[Change, ...]
    different: tuple[tuple[Change, Change], ...]
    """In both, with other values or another step."""
    same: int
    settings: tuple[str, ...]
    """The variables of settings in which the two differ."""
    sides: tuple[str, ...]
    """`organisation`, `directory`: the sides that the two do not share."""

    @property
    def is_empty(self) -> bool:
        """Whether both plans are equal."""
        found = (self.only_first, self.only_second, self.different, self.settings, self.sides)
        return not any(found)

    def with_each_change(self, shown: Callable[[Change], Change]) -> "Comparison":
        """The same with each change replaced, as by one without people."""
        return replace(
            self,
            only_first=tuple(map(shown, self.only_first)),
            only_second=tuple(map(shown, self.only_second)),
            different=tuple((shown(a), shown(b)) for a, b in self.different),
        )


def compare(first: Plan, second: Plan) -> Comparison:
    """Compare the second plan with the first."""
    one = {change.change_id: change for change in first.changes}
    other = {change.change_id: change for change in second.changes}
    both = [(change, other[key]) for key, change in one.items() if key in other]

    def sent(change: Change) -> tuple[Any, ...]:
        return change.step, dict(change.before), dict(change.after)

    different = tuple((a, b) for a, b in both if sent(a) != sent(b))
    organisations = (first.organization_id, second.organization_id)
    directories = (first.directory_identity, second.directory_identity)
    sides = {"organisation": organisations, "directory": directories}
    names = sorted(first.policy.keys() | second.policy.keys())
    changed = [name for name in names if first.policy.get(name) != second.policy.get(name)]
    return Comparison(
        only_first=tuple(change for key, change in one.items() if key not in other),
        only_second=tuple(change for key, change in other.items() if key not in one),
        different=different,
        same=len(both) - len(different),
        settings=tuple(_VARIABLES.get(name, name.upper()) for name in changed),
        sides=tuple(name for name, (a, b) in sides.items() if a != b),
    )


_VARIABLES: Final = {
    "reference_attribute": "LDAP_REFERENCE_ATTRIBUTE",
    "teams_to_keep": "SWIT_TEAMS_TO_KEEP",
}
"""Fields of the policy that are not called as their environment variables."""
