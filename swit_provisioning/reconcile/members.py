"""Memberships and primary teams, from frames to changes: ids become places, and places ids."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from swit_provisioning.reconcile.columns import NONE, Numbers, index_of, mask, places
from swit_provisioning.reconcile.groups import Groups
from swit_provisioning.reconcile.links import Links
from swit_provisioning.reconcile.memberships import Pairs, compare, plan_memberships
from swit_provisioning.reconcile.people import People
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.primaries import (
    LOST,
    UNCOUNTED,
    named_groups,
    plan_primaries,
    primary_group_key,
)
from swit_provisioning.reconcile.standing import Standing
from swit_provisioning.reconcile.state import SwitState
from swit_provisioning.reconcile.teams import Owners
from swit_provisioning.reconcile.tree import Tree
from swit_provisioning.reconcile.users import UserPlan


@dataclass(frozen=True, kw_only=True, eq=False)
class _Teams:
    """Teams that will be there, Swit's own left out; groups' teams first, in directory order."""

    ids: list[str]
    of_group: Numbers
    """By the groups' places: the place of the group's team, -1 where it has none."""
    by_key: Mapping[str, str]
    """Group key -> id of its team, if it has or gets one."""


class Members:
    """Who should be in which group's team, by users who have an account or get one."""

    def __init__(
        self, links: Links, swit: SwitState, people: People, users: UserPlan, scope: Groups
    ) -> None:
        """Number users, and hold the directory's memberships against their numbers."""
        self._swit, self._people, self._users = swit, people, users
        self._groups = scope.in_scope
        accounts = people.accounts
        self._ids = [*accounts.user_id, *users.made]
        self._emails = [*accounts.email, *users.made.values()]
        self._index = index_of(self._ids)
        self._of_entry = np.array(_accounts_of_entries(people, users), dtype=np.int64)
        of_row = np.append(self._of_entry, NONE)[people.entries.place_of_row]
        self._group, self._user = scope.rank_of_row[links.group], of_row[links.user]

    def wanted_in(self, group_key: str) -> list[str]:
        """The accounts that should be in one group's team."""
        rows = self._group == self._groups[group_key].rank
        return [self._ids[place] for place in self._user[rows].tolist() if place != NONE]

    def groups_of(self, users: Collection[str]) -> dict[str, list[int]]:
        """Of some accounts: the places, in directory order, of the groups that they belong in."""
        is_asked = np.append(mask(users, self._index), False)
        rows = is_asked[self._user] & (self._group != NONE)
        found: dict[str, list[int]] = {}
        pairs = zip(self._user[rows].tolist(), self._group[rows].tolist(), strict=True)
        for user, group in pairs:
            found.setdefault(self._ids[user], []).append(group)
        return found

    def sizes(self) -> list[int]:
        """By the groups' places: how many accounts belong in the group."""
        rows = (self._group != NONE) & (self._user != NONE)
        sizes: list[int] = np.bincount(self._group[rows], minlength=len(self._groups)).tolist()
        return sizes

    def bindings(self) -> Iterator[tuple[str, str]]:
        """The directory id of each entry that has an account or gets one, and whose it is."""
        for directory_id, user in zip(
            self._people.entries.directory_id, self._users.user_of, strict=True
        ):
            if user is not None:
                yield directory_id, user

    def plan(
        self, owners: Owners, standing: Standing, tree: Tree, policy: Policy
    ) -> Iterator[Change]:
        """Who joins, who leaves, whose primary team changes; disabled actions left out."""
        teams = self._teams(owners, standing, tree)
        pairs = self._pairs(teams, owners)
        made = {self._groups[key].new_team for key in standing.created}
        adds = "membership.add" not in policy.disabled_actions
        removes = "membership.remove" not in policy.disabled_actions
        nobody = pairs.added[:0]
        for change in plan_memberships(pairs, tree.name, self._emails, made):
            if change.action not in policy.disabled_actions:
                yield change
        if "primary.update" not in policy.disabled_actions:
            yield from plan_primaries(
                pairs,
                now=self._now(teams, owners),
                named=self._named(teams),
                added=pairs.added if adds else nobody,
                removed=pairs.removed if removes else nobody,
                names=tree.name,
                emails=self._emails,
            )

    def _teams(self, owners: Owners, standing: Standing, tree: Tree) -> _Teams:
        created = set(standing.created)
        by_key = {
            key: owners.team_of.get(key, group.new_team)
            for key, group in self._groups.items()
            if key in owners.team_of or key in created
        }
        others = (team for team in tree.name if team not in owners.own)
        ids = list(dict.fromkeys([*by_key.values(), *others]))
        place = {team: number for number, team in enumerate(ids)}
        of_group = [place[by_key[key]] if key in by_key else NONE for key in self._groups]
        numbers = np.array([*of_group, NONE], dtype=np.int64)
        return _Teams(ids=ids, of_group=numbers, by_key=by_key)

    def _pairs(self, teams: _Teams, owners: Owners) -> Pairs:
        index = index_of(teams.ids)
        rows = self._swit.memberships
        managed = set(teams.by_key.values()) - owners.kept
        return compare(
            teams=teams.ids,
            users=self._ids,
            wanted=(teams.of_group[self._group], self._user),
            present=(places(rows["team_id"], index), places(rows["user_id"], self._index)),
            managed=mask(managed, index),
            untouched=mask(list(self._people.left_alone), self._index),
            removed_users=mask(self._users.removed, self._index),
        )

    def _now(self, teams: _Teams, owners: Owners) -> Numbers:
        """By users: the place of the primary team; `LOST` where the plan deletes it."""
        place = {team: number for number, team in enumerate(teams.ids)}
        place |= dict.fromkeys(owners.own, UNCOUNTED)
        primary = self._people.accounts.primary_team
        now = np.full(len(self._ids), NONE, dtype=np.int64)
        now[: len(primary)] = [place.get(team, LOST) if team else NONE for team in primary]
        return now

    def _named(self, teams: _Teams) -> Numbers:
        """By users: the place of the team that `primary_group` names."""
        place = {team: number for number, team in enumerate(teams.ids)}
        named = named_groups(self._groups, teams.by_key)
        found = np.full(len(self._ids) + 1, NONE, dtype=np.int64)
        found[self._of_entry] = [
            place.get(named.get(primary_group_key(text), ""), NONE)
            for text in self._people.entries.primary_group
        ]
        return found[:-1]


def _accounts_of_entries(people: People, users: UserPlan) -> list[int]:
    """By the entries' places: that of the account among all and those to be made, or `NONE`."""
    size = len(people.accounts)
    made = {user: size + number for number, user in enumerate(users.made)}
    return [
        account if account != NONE or user is None else made[user]
        for account, user in zip(people.account, users.user_of, strict=True)
    ]
