"""Whose team is whose: Swit's own, kept ones, a group's, those whose group left, unmanaged ones."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import pandas as pd

from swit_provisioning.planning.dn import (
    InvalidDN,
    as_dn,
    is_below,
    is_dn,
    rdn_values,
    reference_key,
)
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import NEW_TEAM, ExemptingEntry, Finding, Policy
from swit_provisioning.planning.normalize import (
    REMOVED,
    changed_name,
    clean_team_name,
    matcher,
    name_key,
    others,
)
from swit_provisioning.planning.snapshots import (
    NONE,
    DirectorySnapshot,
    Links,
    Numbers,
    OrganizationSnapshot,
    column,
)


def nearest_parents(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Drop each parent that is also an ancestor of another parent of the same key.

    Servers that expand `memberOf` name every group above as a parent. Parents that are above one
    another stay, and so does a parent that is below the key in turn. All parents must be keys, too.

    >>> nearest_parents({"all": [], "mid": ["all"], "leaf": ["all", "mid"]})["leaf"]
    ('mid',)
    """
    kept = {key: tuple(above) for key, above in parents.items()}
    several = {key: above for key, above in kept.items() if len(above) > 1}
    if not several:
        return kept
    up, part = _without_rings(parents)
    rank: dict[str, int] = {}
    for here in TopologicalSorter(up).static_order():
        rank[here] = 1 + max((rank[above] for above in up[here]), default=-1)
    for key, above in several.items():
        parts = {part.get(parent, parent) for parent in above} - {part.get(key, key)}
        far = _above_others(parts, up, rank)
        kept[key] = tuple(p for p in above if part.get(p, p) not in far)
    return kept


def _without_rings(
    parents: Mapping[str, Sequence[str]],
) -> tuple[Mapping[str, Collection[str]], dict[str, str]]:
    """The same with each ring as one node, and the node of each key."""
    part = _one_of_ring(parents)
    if not part:
        return dict(parents), part
    up: dict[str, set[str]] = {}
    for key, above in parents.items():
        up.setdefault(part[key], set()).update({part[parent] for parent in above} - {part[key]})
    return up, part


def _above_others(
    nodes: set[str],
    up: Mapping[str, Collection[str]],
    rank: Mapping[str, int],
) -> set[str]:
    """The nodes that are above another of them; whatever is above all of them is not visited."""
    found: set[str] = set()
    lowest = min((rank[node] for node in nodes), default=0)
    seen, todo = set(nodes), list(nodes)
    while todo:
        for above in up[todo.pop()]:
            if above in nodes:
                found.add(above)
            elif above not in seen and rank[above] > lowest:
                seen.add(above)
                todo.append(above)
    return found


def parents_in_rings(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Key -> those of its parents that are below it in turn (itself among them, if it says so).

    Only keys that have such a parent are there. All parents must be keys, too.
    """
    part = _one_of_ring(parents)
    if not part:
        return {}
    found = {key: [p for p in above if part[p] == part[key]] for key, above in parents.items()}
    return {key: above for key, above in found.items() if above}


def _one_of_ring(parents: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """One key for all keys of a ring, others for themselves; nothing where there is no ring."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        # Hardly a directory has a ring, and this is slow to import.
        import networkx as nx  # noqa: PLC0415

        graph = nx.DiGraph((key, parent) for key, above in parents.items() for parent in above)
        graph.add_nodes_from(parents)
        rings = nx.strongly_connected_components(graph)
        return {key: one for ring in rings for one in [min(ring)] for key in ring}
    return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One group, as the planner needs it."""

    key: str
    dn: str
    directory_id: str
    names: tuple[str, ...]
    """Names that its team could have, sorted; none: its team's name is left alone."""
    rank: int
    """Its place in directory order, among all groups in scope."""
    parents: tuple[str, ...]
    """Keys of the groups in scope that could be its parent, the preferred one first: those that
    list it as a member, then those that only its `memberOf` names, each in directory order."""
    in_itself: bool
    """Whether it is a member of itself, which puts it below nothing."""
    place_unknown: bool
    """Whether all it says of its parents is something that can't be read: its team stays put."""
    reference: str
    """What its team's reference should say."""
    references: tuple[str, ...]
    """All that its team's reference may say, in the form it is compared, the best first."""

    @property
    def new_team(self) -> str:
        """What its team is called in a plan that makes it."""
        return NEW_TEAM + self.key


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups in scope by key, in directory order, and those that the settings exclude."""

    in_scope: Mapping[str, Group]
    excluded: tuple[Group, ...]
    excluded_by: Mapping[str, frozenset[str]]
    """Key of an excluded group -> the entries of `TEAMS_TO_EXCLUDE` that name it, or once did."""
    renamed: frozenset[str]
    """Keys of the excluded groups that no entry names any longer."""
    rank_of_row: Numbers
    """By the rows of `idp_groups`: the group's place in directory order, `NONE` out of scope; the
    last one is for groups that were not read, and `NONE`."""


def read_groups(
    directory: DirectorySnapshot, links: Links, policy: Policy, memory: Memory
) -> Groups:
    """Take the groups apart. An excluded group is remembered by its id, whatever its name."""
    entries_for = _excluding(policy)
    remembered = memory.still_exempt("group", policy)
    excluded_by: dict[str, frozenset[str]] = {}
    renamed: set[str] = set()
    rows: dict[str, dict[str, Any]] = {}
    excluded: list[Group] = []
    for row in _ordered(directory.groups):
        by_name = entries_for(row)
        once_named = {entry for _, entry in remembered.get(row["directory_id"], ())}
        if by_name or once_named:
            excluded_by[row["key"]] = frozenset(by_name | once_named)
            renamed |= {row["key"]} if not by_name else set()
            excluded.append(_group(row, (), 0, policy, in_itself=False, place_unknown=False))
        else:
            rows[row["key"]] = row
    rank = {key: place for place, key in enumerate(rows)}
    keys = column(directory.groups, "key")
    listed_by = _listed_by(links, keys)
    listing: dict[str, list[str]] = {}
    above: dict[str, list[str]] = {}
    for key, row in rows.items():
        listing[key] = listed_by.get(key, [])
        named = [*listing[key], *(row["parents"] or ())]
        above[key] = [parent for parent in dict.fromkeys(named) if parent in rank and parent != key]
    in_scope = {}
    for key, near in nearest_parents(above).items():
        lists, names = set(listing[key]), rows[key]["parents"] or ()
        in_scope[key] = _group(
            rows[key],
            tuple(sorted(near, key=lambda parent: (parent not in lists, rank[parent]))),
            rank[key],
            policy,
            in_itself=key in lists or key in names,
            place_unknown=not above[key] and not all(map(is_dn, names)),
        )
    rank_of_row = np.array([*(rank.get(key, NONE) for key in keys), NONE], dtype=np.int64)
    return Groups(
        in_scope=in_scope,
        excluded=tuple(excluded),
        excluded_by=excluded_by,
        renamed=frozenset(renamed),
        rank_of_row=rank_of_row,
    )


def _ordered(groups: pd.DataFrame) -> list[dict[str, Any]]:
    """In directory order: by the order attribute, else as the source has them."""
    names = ("key", "dn", "directory_id", "names", "order", "parents", "position")
    columns = [column(groups, name) for name in names]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    last = float("inf")

    def place(row: Mapping[str, Any]) -> tuple[float, int, str]:
        return (last if row["order"] is None else row["order"], row["position"], row["key"])

    return sorted(rows, key=place)


def _excluding(policy: Policy) -> Callable[[Mapping[str, Any]], set[str]]:
    """The entries of `TEAMS_TO_EXCLUDE` that are a name of a group, or a CN in its DN."""
    entries = {name_key(name) for name in policy.teams_to_exclude} - {""}

    def entries_for(row: Mapping[str, Any]) -> set[str]:
        if not entries:
            return set()
        names = (*common_names(row["dn"]), *(row["names"] or ()))
        return entries & {name_key(name) for name in names}

    return entries_for


def common_names(dn: str) -> list[str]:
    """The CNs in a DN, none where the text is no DN."""
    try:
        return rdn_values(dn, "cn")
    except InvalidDN:
        return []


def _group(
    row: Mapping[str, Any],
    parents: tuple[str, ...],
    rank: int,
    policy: Policy,
    *,
    in_itself: bool,
    place_unknown: bool,
) -> Group:
    stable_id = None if row["directory_id"] == row["key"] else row["directory_id"]
    by_dn = policy.reference_attribute == "distinguishedName"
    reference = row["dn"] if by_dn or stable_id is None else stable_id
    keys = (reference, row["dn"], row["key"], row["directory_id"])
    return Group(
        key=row["key"],
        dn=row["dn"],
        directory_id=row["directory_id"],
        names=tuple(sorted({clean_team_name(name) for name in row["names"] or ()} - {""})),
        rank=rank,
        parents=parents,
        in_itself=in_itself,
        place_unknown=place_unknown,
        reference=reference,
        references=tuple(dict.fromkeys(reference_key(key) for key in keys)),
    )


def _listed_by(links: Links, keys: Sequence[str]) -> dict[str, list[str]]:
    """Group key -> keys of the groups that list it as a member; `keys` are those of all groups."""
    rows = (links.nested != NONE) & (links.group != NONE)
    listed: dict[str, list[str]] = {}
    for group, member in zip(links.group[rows].tolist(), links.nested[rows].tolist(), strict=True):
        listed.setdefault(keys[member], []).append(keys[group])
    return listed


UNASSIGNED = "Unassigned"
"""Swit's own team for people in no team, directly under the root (swit-api, "Rules")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """One team, as read."""

    team_id: str
    name: str
    parent_id: str | None
    reference: str | None

    @property
    def is_marked(self) -> bool:
        """Whether it was renamed because its group has left."""
        return self.name.startswith(REMOVED)


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Who each team belongs to; `own`, `kept`, `left`, `unmanaged` and groups' share no team.

    But for one thing: a group's team may be `kept`; then it is the group's, and never changed.
    """

    teams: Mapping[str, Team]
    """All teams by id, in the order shown."""
    root: str
    own: frozenset[str]
    kept: frozenset[str]
    kept_by: Mapping[str, frozenset[ExemptingEntry]]
    """Kept team -> the entries of settings that name it or its group, or once did."""
    renamed: frozenset[str]
    """Kept teams that no entry names any longer."""
    team_of: Mapping[str, str]
    """Group key -> id of its team."""
    group_of: Mapping[str, str]
    left: frozenset[str]
    unmanaged: frozenset[str]
    doubles: frozenset[str]
    """Those left or unmanaged that could be a group's, but it has another."""

    def why_nobodys(self, team_id: str) -> str:
        """Why a team that is left or unmanaged is no group's."""
        if team_id in self.doubles:
            return "its group has another team"
        left = team_id in self.left
        return "its group has left the directory" if left else "no group stands behind it"


def read_teams(swit: OrganizationSnapshot) -> dict[str, Team]:
    """All teams by id, in the order shown."""
    names = ("position", "team_id", "name", "parent_id", "reference")
    rows = sorted(zip(*(column(swit.teams, name) for name in names), strict=True))
    return {
        team_id: Team(
            team_id=team_id,
            name=name,
            parent_id=parent,
            reference=reference if reference and reference.strip() else None,
        )
        for _, team_id, name, parent, reference in rows
    }


def find_owners(
    groups: Groups,
    directory: DirectorySnapshot,
    swit: OrganizationSnapshot,
    policy: Policy,
    memory: Memory,
    wanted_members: Callable[[str], Collection[str]],
) -> Owners:
    """Find each group's team and each team's group.

    `wanted_members` gives the accounts that should be in a group's team: of several teams with
    one reference the one with most of them stays.
    """
    teams = read_teams(swit)
    root = next(team.team_id for team in teams.values() if team.parent_id is None)
    own = frozenset(_own(teams, root))
    matching = _Matching(groups, teams, own, policy, memory)
    named, once_named = matching.kept(), memory.still_exempt("team", policy)
    kept = frozenset({*named, *once_named} & teams.keys()) - own
    contested = matching.contested()
    members = _members_of(swit.memberships, contested)
    team_of = matching.match(kept, wanted_members, members)
    rest = set(teams) - own - kept - set(team_of.values())
    remembered = set(memory.groups.values())
    base = directory.facts.search_base
    left = {t for t in rest if t in remembered or _is_below(teams[t].reference, base)}
    unmanaged = rest - left
    if policy.unmanaged_teams == "adopt":
        team_of |= _adopted(groups.in_scope, team_of, unmanaged, teams)
        unmanaged -= set(team_of.values())
    return Owners(
        teams=teams,
        root=root,
        own=own,
        kept=kept,
        kept_by={
            team: frozenset(named.get(team, set()) | once_named.get(team, set())) for team in kept
        },
        renamed=kept - named.keys(),
        team_of={key: team_of[key] for key in groups.in_scope if key in team_of},
        group_of={team: key for key, team in team_of.items()},
        left=frozenset(left),
        unmanaged=frozenset(unmanaged),
        doubles=frozenset(contested & (left | unmanaged)),
    )


def _own(teams: Mapping[str, Team], root: str) -> Iterable[str]:
    for team in teams.values():
        unassigned = (
            team.parent_id == root
            and team.reference is None
            and name_key(team.name) == name_key(UNASSIGNED)
        )
        if team.parent_id is None or unassigned:
            yield team.team_id


class _Matching:
    """Finds the teams that groups may have: the remembered one, and those by reference."""

    def __init__(
        self,
        groups: Groups,
        teams: Mapping[str, Team],
        own: frozenset[str],
        policy: Policy,
        memory: Memory,
    ) -> None:
        self._groups, self._teams, self._policy = groups, teams, policy
        self._by_reference: dict[str, list[str]] = {}
        for team in teams.values():
            if team.reference is not None and team.team_id not in own:
                key = reference_key(team.reference)
                self._by_reference.setdefault(key, []).append(team.team_id)
        self._home: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        everyone = [*groups.in_scope.values(), *groups.excluded]
        counted = Counter(group.directory_id for group in everyone)
        by_id = {g.directory_id: g.key for g in everyone if counted[g.directory_id] == 1}
        for directory_id, team_id in sorted(memory.groups.items()):
            known = directory_id in by_id and team_id in teams and team_id not in own
            if known and team_id not in self._bound:
                self._home[by_id[directory_id]] = team_id
                self._bound[team_id] = by_id[directory_id]

    def candidates(self, group: Group) -> list[str]:
        """Teams that could be this group's: not those remembered to be another one's."""
        found = dict.fromkeys(
            team
            for key in group.references
            for team in self._by_reference.get(key, ())
            if self._bound.get(team, group.key) == group.key
        )
        if group.key in self._home:
            found[self._home[group.key]] = None
        return list(found)

    def kept(self) -> dict[str, set[ExemptingEntry]]:
        """Teams that `SWIT_TEAMS_TO_KEEP` names or describes, and those of excluded groups.

        By the entries that name them.
        """
        kept: dict[str, set[ExemptingEntry]] = {}
        patterns = [
            (name_key(text), text.strip().casefold(), matcher([text], name_key))
            for text in self._policy.teams_to_keep
        ]
        for team in self._teams.values() if patterns else ():
            name, team_id = name_key(team.name), team.team_id.casefold()
            for entry, kept_id, fits in patterns:
                if team_id == kept_id or fits(name):
                    kept.setdefault(team.team_id, set()).add(("SWIT_TEAMS_TO_KEEP", entry))
        for group in self._groups.excluded:
            for team_id in self.candidates(group):
                kept.setdefault(team_id, set()).update(
                    ("TEAMS_TO_EXCLUDE", entry) for entry in self._groups.excluded_by[group.key]
                )
        return kept

    def contested(self) -> set[str]:
        """Teams of groups that have several."""
        several = (self.candidates(group) for group in self._groups.in_scope.values())
        return {team for found in several if len(found) > 1 for team in found}

    def match(
        self,
        kept: frozenset[str],
        wanted_members: Callable[[str], Collection[str]],
        members: Mapping[str, set[str]],
    ) -> dict[str, str]:
        """Group key -> team, groups in directory order, each team once."""
        team_of: dict[str, str] = {}
        used: set[str] = set()
        for group in self._groups.in_scope.values():
            free = [team for team in self.candidates(group) if team not in used]
            if len(free) > 1:
                wanted = set(wanted_members(group.key))
                free.sort(key=lambda team: self._preference(team, group, kept, wanted, members))
            if free:
                team_of[group.key] = free[0]
                used.add(free[0])
        return team_of

    def _preference(
        self,
        team_id: str,
        group: Group,
        kept: frozenset[str],
        wanted: set[str],
        members: Mapping[str, set[str]],
    ) -> tuple[bool, bool, bool, int, int, str]:
        """The remembered, a kept, an unmarked, by the configured key, with most of its members."""
        team = self._teams[team_id]
        key = reference_key(team.reference)
        return (
            self._home.get(group.key) != team_id,
            team_id not in kept,
            team.is_marked,
            group.references.index(key) if key in group.references else len(group.references),
            -len(wanted & members.get(team_id, set())),
            team_id,
        )


def _members_of(memberships: pd.DataFrame, teams: set[str]) -> dict[str, set[str]]:
    rows = memberships[memberships["team_id"].isin(list(teams))]
    members: dict[str, set[str]] = {}
    for team_id, user_id in zip(rows["team_id"], rows["user_id"], strict=True):
        members.setdefault(team_id, set()).add(user_id)
    return members


def _is_below(reference: str | None, base: str | None) -> bool:
    """Whether a reference is a DN of this directory; in a file any DN is."""
    key = as_dn(reference) if reference is not None else None
    return key is not None and (base is None or is_below(key, base))


def _adopted(
    groups: Mapping[str, Group],
    team_of: Mapping[str, str],
    unmanaged: Collection[str],
    teams: Mapping[str, Team],
) -> dict[str, str]:
    """Unmanaged teams that are called as exactly one group, which has no team."""
    called: dict[str, set[str]] = {}
    for group in groups.values():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(group.key)
    adopted: dict[str, str] = {}
    for team in sorted(unmanaged):
        keys = called.get(name_key(teams[team].name), set())
        if len(keys) == 1 and not keys & (team_of.keys() | adopted.keys()):
            adopted[next(iter(keys))] = team
    return adopted


def bad_groups(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """Findings about the groups in scope: names, ids, parents."""
    yield from _names(rows, groups)
    yield from _ids(groups)
    yield from _parents(rows, groups)


def _names(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    called: dict[str, set[str]] = {}
    for group in groups.values():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(group.key)
        if not group.names:
            yield Finding(
                kind="group without a name",
                subject=group.dn,
                message="The group has no usable name; no team is made for it, and a team that it"
                " has keeps its name. Give it a name.",
            )
    for key, names in zip(column(rows, "key"), column(rows, "names"), strict=True):
        for name in names or () if key in groups else ():
            if clean := changed_name(name, clean_team_name(name)):
                yield Finding(
                    kind="group name changed",
                    subject=groups[key].dn,
                    message=f"The name {name!r} can't be a team's; it becomes {clean!r}. Write it"
                    " without @ # < > § ▒ { } ; *, control characters and a leading (removed).",
                )
    for same in map(sorted, called.values()):
        for key in same if len(same) > 1 else ():
            other = next(holder for holder in same if holder != key)
            also = others(groups[other].dn, len(same) - 1)
            yield Finding(
                kind="two groups with one name",
                subject=groups[key].dn,
                message=f"The group is called as {also}, compared without case; all teams but one"
                " get a number behind their name. Give each group a name of its own.",
            )


def _ids(groups: Mapping[str, Group]) -> Iterator[Finding]:
    ids = Counter(group.directory_id for group in groups.values())
    for group in groups.values():
        if ids[group.directory_id] > 1:
            yield Finding(
                kind="two groups with one id",
                subject=group.dn,
                message=f"Another group has the id {group.directory_id} too; neither is known"
                " again by it after a rename. Ask who runs the directory.",
            )


def _parents(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    says = dict(zip(column(rows, "key"), column(rows, "parents"), strict=True))
    rings = parents_in_rings({group.key: group.parents for group in groups.values()})
    for group in groups.values():
        attribute = "memberOf" if says[group.key] else "member"
        above = "; ".join(groups[parent].dn for parent in group.parents)
        if len(group.parents) > 1:
            yield Finding(
                kind="several parents",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {above}. Its team stays below the one of these"
                " that it is below in Swit, or goes below the first. To choose one, remove the"
                " group from the others.",
            )
        if group.in_itself:
            yield Finding(
                kind="ring",
                subject=group.dn,
                attribute=attribute,
                message="The group is a member of itself. This membership is ignored. Remove it.",
            )
        if group.key in rings:
            round_about = "; ".join(groups[parent].dn for parent in rings[group.key])
            yield Finding(
                kind="ring",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {round_about}, and that is below the group in"
                " turn; one parent in the ring is passed over. Take one out of the other.",
            )
