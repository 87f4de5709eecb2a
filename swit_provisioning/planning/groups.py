"""The groups of the directory: scope, order, names, parents, references and wanted members."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from swit_provisioning.planning.model import NEW_TEAM, Finding
from swit_provisioning.planning.normalize import (
    changed_name,
    clean_team_name,
    name_key,
    others,
)
from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning.planning.snapshots import (
    NONE,
    DirectorySnapshot,
    User,
    column,
    index_of,
    mask,
    places,
)
from swit_provisioning.planning.user_changes import UserChanges


def nearest_parents(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Drop each parent that is also an ancestor of another parent of the same key.

    Servers that expand `memberOf` name every ancestor as a parent. Parents in a cycle with one
    another stay, and so does a parent in a cycle with the key. All parents must be keys, too.

    >>> nearest_parents({"all": [], "mid": ["all"], "leaf": ["all", "mid"]})["leaf"]
    ('mid',)
    """
    kept = {key: tuple(above) for key, above in parents.items()}
    several = {key: above for key, above in kept.items() if len(above) > 1}
    if not several:
        return kept
    ring = _rings(parents)
    up: dict[str, set[str]] = {}
    for key, above in parents.items():
        node = ring.get(key, key)
        up.setdefault(node, set()).update({ring.get(parent, parent) for parent in above} - {node})
    rank: dict[str, int] = {}
    for here in TopologicalSorter(up).static_order():
        rank[here] = 1 + max((rank[above] for above in up[here]), default=-1)
    for key, above in several.items():
        nodes = {ring.get(parent, parent) for parent in above} - {ring.get(key, key)}
        far = _above_others(nodes, up, rank)
        kept[key] = tuple(parent for parent in above if ring.get(parent, parent) not in far)
    return kept


def _above_others(
    nodes: set[str], up: Mapping[str, Collection[str]], rank: Mapping[str, int]
) -> set[str]:
    """The nodes that are ancestors of another one. Common ancestors of all are not visited."""
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
    """Key -> its parents that are also below it, of keys with such a parent.

    A key may be its own parent. All parents must be keys, too.
    """
    ring = _rings(parents)
    found = {
        key: [parent for parent in above if ring[parent] == ring[key]]
        for key, above in (parents if ring else {}).items()
    }
    return {key: above for key, above in found.items() if above}


def _rings(parents: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Key -> one key for all keys of its cycle; empty if there is no cycle."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        import networkx as nx  # noqa: PLC0415 - slow, and few directories have a cycle

        graph = nx.DiGraph((key, parent) for key, above in parents.items() for parent in above)
        graph.add_nodes_from(parents)
        rings = nx.strongly_connected_components(graph)
        return {key: one for ring in rings for one in [min(ring)] for key in ring}
    return {}


class Group(NamedTuple):
    """A group of the directory."""

    key: str
    dn: str
    directory_id: str
    names: tuple[str, ...]
    """Possible names of its team, sorted; if empty, its team keeps its name."""
    reference: str
    """The wanted reference of its team."""
    references: tuple[str, ...]
    """All references that its team may have, in compared form, the preferred one first."""
    rank: int = 0
    """Its position in directory order, among all groups in scope."""
    parents: tuple[str, ...] = ()
    """Keys of its parents in scope, the preferred one first: the groups that list it as a member,
    then the groups that only its `memberOf` names, each in directory order."""
    in_itself: bool = False
    """Whether it is a member of itself, which is ignored."""
    place_unknown: bool = False
    """Whether none of its parents is readable, so that its team stays where it is."""

    @property
    def new_team(self) -> str:
        """The id of its team in a plan that creates it."""
        return NEW_TEAM + self.key


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups in scope by key, in directory order, and those that the settings exclude."""

    in_scope: Mapping[str, Group]
    excluded: tuple[Group, ...]
    excluded_by: Mapping[str, frozenset[str]]
    """Key of an excluded group -> the entries of `TEAMS_TO_EXCLUDE` that name it now or did."""
    renamed: frozenset[str]
    """Keys of excluded groups that no entry names any longer."""


def read_groups(directory: DirectorySnapshot, policy: Policy, memory: Memory) -> Groups:
    """The groups in scope and the excluded ones; these are remembered by id, whatever the name."""
    entries = {name_key(name) for name in policy.teams_to_exclude} - {""}
    remembered = memory.still_exempt("group", policy)
    excluded_by: dict[str, frozenset[str]] = {}
    renamed: set[str] = set()
    excluded: list[Group] = []
    scope: dict[str, Group] = {}
    says: dict[str, Sequence[str]] = {}
    for row in _ordered(directory.groups):
        called = (*(row["aliases"] or ()), *(row["names"] or ())) if entries else ()
        by_name = entries.intersection(map(name_key, called))
        once_named = {entry for _, entry in remembered.get(row["directory_id"], ())}
        # Frames of earlier versions have no references, and a run may be re-executed.
        references = row["references"] or [row["dn"], row["directory_id"]]
        group = Group(
            key=row["key"],
            dn=row["dn"],
            directory_id=row["directory_id"],
            names=tuple(sorted({clean_team_name(name) for name in row["names"] or ()} - {""})),
            reference=references[0],
            references=tuple(dict.fromkeys(map(directory.scope.key, references))),
            rank=len(scope),
        )
        if by_name or once_named:
            excluded.append(group)
            excluded_by[group.key] = frozenset(by_name | once_named)
            renamed |= {group.key} if not by_name else set()
        else:
            scope[group.key] = group
            says[group.key] = row["parents"] or ()
    return Groups(
        in_scope=_placed(scope, says, directory),
        excluded=tuple(excluded),
        excluded_by=excluded_by,
        renamed=frozenset(renamed),
    )


def _ordered(groups: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows in directory order: by the order attribute, else in the order of the source."""
    columns = {name: column(groups, name) for name in groups.columns}
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    last = float("inf")
    return sorted(
        rows,
        key=lambda row: (
            last if row["order"] is None else row["order"],
            row["position"],
            row["key"],
        ),
    )


def _placed(
    groups: Mapping[str, Group], says: Mapping[str, Sequence[str]], directory: DirectorySnapshot
) -> dict[str, Group]:
    """The groups with their parents; `says` has those that a group's own `memberOf` names."""
    listed_by = _listed_by(directory)
    unreadable = unread(directory, "parent")
    above = {
        key: [
            parent
            for parent in dict.fromkeys((*listed_by.get(key, ()), *says[key]))
            if parent in groups and parent != key
        ]
        for key in groups
    }
    placed = {}
    for key, near in nearest_parents(above).items():
        lists = listed_by.get(key, ())
        placed[key] = groups[key]._replace(
            parents=tuple(sorted(near, key=lambda up: (up not in lists, groups[up].rank))),
            in_itself=key in lists or key in says[key],
            place_unknown=not above[key] and groups[key].dn in unreadable,
        )
    return placed


def _listed_by(directory: DirectorySnapshot) -> dict[str, list[str]]:
    """Group key -> keys of the groups that list it as a member."""
    rows = directory.memberships
    groups = set(column(directory.groups, "key"))
    nested = rows[mask(groups, index_of(rows["member"]))]
    listed: dict[str, list[str]] = {}
    for group, member in zip(nested["group"], nested["member"], strict=True):
        if group in groups:
            listed.setdefault(member, []).append(group)
    return listed


def keys_by_name(groups: Mapping[str, Group]) -> dict[str, set[str]]:
    """Name, as names are compared -> keys of the groups that have it."""
    called: dict[str, set[str]] = {}
    for group in groups.values():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(group.key)
    return called


@dataclass(frozen=True, kw_only=True, eq=False)
class WantedMemberships:
    """Who belongs in which group in scope, of the users that are there after the plan."""

    rows: pd.DataFrame
    """Columns `group` and `user`: positions in `groups` and `users`."""
    groups: list[str]
    """Keys of the groups in scope, in directory order."""
    users: list[str]
    """Ids of Swit's users, then of those that the plan creates."""
    user_index: pa.Array
    """The same ids, for `places` and `mask`."""
    email_of: Mapping[str, str]
    """User id -> address."""

    def in_group(self, group: Group) -> list[str]:
        """Ids of the users who belong in one group."""
        positions = self.rows["user"][self.rows["group"] == group.rank]
        return [self.users[position] for position in positions]

    def groups_of(self, users: Collection[str]) -> dict[str, list[str]]:
        """Id of each of these users who is in a group -> keys of the groups."""
        rows = self.rows[mask(users, self.user_index)[self.rows["user"].to_numpy()]]
        found: dict[str, list[str]] = {}
        for group, user in zip(rows["group"], rows["user"], strict=True):
            found.setdefault(self.users[user], []).append(self.groups[group])
        return found

    def sizes(self) -> dict[str, int]:
        """Group key -> number of users who belong in the group."""
        sizes = np.bincount(self.rows["group"], minlength=len(self.groups))
        return dict(zip(self.groups, sizes.tolist(), strict=True))


def wanted_memberships(
    directory: DirectorySnapshot, groups: Groups, users: Sequence[User], changes: UserChanges
) -> WantedMemberships:
    """Translate the memberships of the directory into users and groups in scope."""
    email_of = {**{user.user_id: user.email for user in users}, **changes.created}
    ids, keys, rows = list(email_of), list(groups.in_scope), directory.memberships
    index = index_of(ids)
    person = places(rows["member"], index_of(list(changes.user_of)))
    group = places(rows["group"], index_of(keys))
    is_known = (person != NONE) & (group != NONE)
    user = places(list(changes.user_of.values()), index)
    return WantedMemberships(
        rows=pd.DataFrame({"group": group[is_known], "user": user[person[is_known]]}),
        groups=keys,
        users=ids,
        user_index=index,
        email_of=email_of,
    )


def unread(directory: DirectorySnapshot, field: str) -> frozenset[str]:
    """DNs of the people or groups with an unreadable value of this field (`phone_number`...)."""
    rows = directory.findings
    return frozenset(rows["dn"][rows["attribute"] == directory.facts.attributes.get(field)])


def bad_groups(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    """Findings about the groups in scope: names, ids, parents."""
    yield from _bad_names(rows, groups)
    ids = Counter(group.directory_id for group in groups.values())
    for group in groups.values():
        if ids[group.directory_id] > 1:
            yield Finding(
                kind="duplicate group id",
                subject=group.dn,
                message=f"Another group also has the id {group.directory_id}. Neither group can be"
                " recognised by its id after a rename. Ask the directory's administrators.",
            )
    yield from _bad_parents(rows, groups)


def _bad_names(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    for group in groups.values():
        if not group.names:
            yield Finding(
                kind="missing group name",
                subject=group.dn,
                message="The group has no usable name. No team is created for it, and an existing"
                " team keeps its name. Give the group a name.",
            )
    for key, names in zip(column(rows, "key"), column(rows, "names"), strict=True):
        for name in names or () if key in groups else ():
            if clean := changed_name(name, clean_team_name(name)):
                yield Finding(
                    kind="invalid characters in group name",
                    subject=groups[key].dn,
                    message=f"Swit does not accept the team name {name!r}. The team is called"
                    f" {clean!r}. Write the name without @ # < > § ▒ {{ }} ; *, control characters"
                    " and a leading (removed).",
                )
    for same in map(sorted, keys_by_name(groups).values()):
        for key in same if len(same) > 1 else ():
            other = next(holder for holder in same if holder != key)
            also = others(groups[other].dn, len(same) - 1)
            yield Finding(
                kind="duplicate group name",
                subject=groups[key].dn,
                message=f"The group has the same name as {also}. Case is ignored. All teams"
                " but one get a number after their name. Give each group a unique name.",
            )


def _bad_parents(rows: pd.DataFrame, groups: Mapping[str, Group]) -> Iterator[Finding]:
    says = dict(zip(column(rows, "key"), column(rows, "parents"), strict=True))
    rings = parents_in_rings({group.key: group.parents for group in groups.values()})
    for group in groups.values():
        attribute = "memberOf" if says[group.key] else "member"
        above = "; ".join(groups[parent].dn for parent in group.parents)
        if len(group.parents) > 1:
            yield Finding(
                kind="multiple parents",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {above}. If its team is below the team of one of"
                " these in Swit, it stays there. Otherwise, it is moved below the first. To choose"
                " a parent, remove the group from the others.",
            )
        if group.in_itself:
            yield Finding(
                kind="circular membership",
                subject=group.dn,
                attribute=attribute,
                message="The group is a member of itself. This membership is ignored. Remove it.",
            )
        if group.key in rings:
            round_about = "; ".join(groups[parent].dn for parent in rings[group.key])
            yield Finding(
                kind="circular membership",
                subject=group.dn,
                attribute=attribute,
                message=f"The group is a member of {round_about}, which is itself a member of the"
                " group, directly or through other groups. One of these memberships is ignored."
                " Remove one of them.",
            )
