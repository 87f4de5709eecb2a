"""The groups of the directory: which are in scope, in which order, under which parents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from swit_provisioning.reconcile.columns import NONE, Numbers, column
from swit_provisioning.reconcile.dn import InvalidDN, is_dn, rdn_values
from swit_provisioning.reconcile.links import Links
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.plan import NEW_TEAM
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.references import reference_key
from swit_provisioning.reconcile.rings import nearest_parents
from swit_provisioning.reconcile.state import DirectoryState
from swit_provisioning.reconcile.text import clean_team_name, name_key


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


def read_groups(directory: DirectoryState, links: Links, policy: Policy, memory: Memory) -> Groups:
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
