"""What each team is to be called: its group's name, unique in the organisation without case."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.patterns import is_pattern, matcher
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.standing import Standing, settle
from swit_provisioning.reconcile.teams import UNASSIGNED, Owners
from swit_provisioning.reconcile.text import (
    REMOVED,
    free_name,
    name_key,
    number_suffix,
    numbered,
)

_MOST_KEPT_NAMES_PASSED = 20


@dataclass(frozen=True, kw_only=True)
class Names:
    """What teams are to be called."""

    wanted: Mapping[str, str]
    """Team id, or `new:team:...`, -> name, for each team that could get another one."""
    missing: frozenset[str]
    """Keys of groups for which no name is to be had."""


def settle_with_names(
    groups: Mapping[str, Group], owners: Owners, policy: Policy
) -> tuple[Standing, Mapping[str, str]]:
    """Decide the fate of every team, and what it is called.

    A group for which no name is to be had gets no team, and that may free or take other names.
    """
    unnamed = frozenset(key for key, group in groups.items() if not group.names)
    while True:
        standing = settle(groups, owners, policy, unnamed)
        names = choose_names(groups, owners, standing, policy)
        if not names.missing:
            return standing, names.wanted
        unnamed |= names.missing


def choose_names(
    groups: Mapping[str, Group], owners: Owners, standing: Standing, policy: Policy
) -> Names:
    """Those called as their group already come first, then groups in directory order."""
    wanted: dict[str, str] = {}
    taken = _never_given_away(owners, standing, policy)
    is_kept = matcher(policy.teams_to_keep, name_key)
    homeless: list[tuple[str, Group]] = []
    missing: set[str] = set()
    for key, group in groups.items():
        team = owners.team_of.get(key)
        fixed = team in standing.fixed if team is not None else key not in standing.created
        if fixed or key in standing.unnamed:
            continue
        kept = _kept_name(owners.teams[team].name, group, taken) if team is not None else None
        if team is not None and kept is not None:
            wanted[team] = kept
            taken.add(name_key(kept))
        else:
            homeless.append((team or group.new_team, group))
    for team_id, group in homeless:
        name = _new_name(group, taken, is_kept)
        if name is None:
            missing.add(group.key)
        else:
            wanted[team_id] = name
            taken.add(name_key(name))
    for team_id in sorted(standing.marked):
        wanted[team_id] = free_name(REMOVED + owners.teams[team_id].name, taken.__contains__)
        taken.add(name_key(wanted[team_id]))
    return Names(wanted=wanted, missing=frozenset(missing))


def without_a_name(groups: Mapping[str, Group], standing: Standing) -> Iterator[Finding]:
    """Groups that have names, but none that a team may have."""
    for key in sorted(standing.unnamed):
        if groups[key].names:
            yield Finding(
                kind="name is kept",
                subject=groups[key].dn,
                message=f"Its name {groups[key].names[0]} is kept by a pattern in"
                " SWIT_TEAMS_TO_KEEP; no team is made for it, and a team that it has keeps its"
                " name. Give the group another name.",
            )


def numbered_names(
    groups: Mapping[str, Group], owners: Owners, names: Mapping[str, str]
) -> Iterator[Finding]:
    """Groups whose team is not called as they are, because another team is."""
    for key, group in groups.items():
        name = names.get(owners.team_of.get(key, group.new_team))
        if name is not None and name_key(name) not in map(name_key, group.names):
            yield Finding(
                kind="name taken",
                subject=group.dn,
                side="swit",
                message=f"Its team is called {name}: another team, or SWIT_TEAMS_TO_KEEP, has the"
                " name already. Rename that team in Swit, or the group.",
            )


def _never_given_away(owners: Owners, standing: Standing, policy: Policy) -> set[str]:
    """Names of teams that keep theirs, of Swit's own, and all in `SWIT_TEAMS_TO_KEEP`."""
    stays = (standing.fixed | owners.own) - standing.marked
    stays |= {team for key, team in owners.team_of.items() if key in standing.unnamed}
    taken = {name_key(owners.teams[team].name) for team in stays}
    taken |= {name_key(text) for text in policy.teams_to_keep if not is_pattern(text)}
    return taken | {name_key(UNASSIGNED)}


def _kept_name(present: str, group: Group, taken: set[str]) -> str | None:
    """The name of a team that is called as its group already, or so with ` (n)`."""
    for name in group.names:
        suffix = number_suffix(present, name)
        if suffix is not None and name_key(present) not in taken:
            return name + suffix
    return None


def _new_name(group: Group, taken: set[str], is_kept: Callable[[str], bool]) -> str | None:
    """The first of the group's names that is free, numbered if need be; `None`: all are kept."""
    for wanted in group.names:
        free = (name for name in numbered(wanted) if name_key(name) not in taken)
        for name in islice(free, _MOST_KEPT_NAMES_PASSED):
            if not is_kept(name_key(name)):
                return name
    return None
