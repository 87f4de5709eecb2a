"""Memberships and primary teams, from frames to changes: ids become places, and places ids."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from swit_provisioning.planning.dn import InvalidDN, dn_key
from swit_provisioning.planning.match_teams import Group, Groups, Owners
from swit_provisioning.planning.match_users import People
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Policy, single_change
from swit_provisioning.planning.normalize import name_key
from swit_provisioning.planning.snapshots import (
    NONE,
    Links,
    Mask,
    Numbers,
    OrganizationSnapshot,
    among,
    distinct,
    index_of,
    mask,
    places,
)
from swit_provisioning.planning.team_calls import Tree
from swit_provisioning.planning.team_layout import Standing
from swit_provisioning.planning.user_changes import UserPlan


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Memberships as pairs of numbers: a team's and a user's place in two lists.

    One membership is `user * len(teams) + team`, so that sets of them compare at once, and a
    user's lie together: what is asked of each user finds them in the processor's cache.
    """

    teams: Sequence[str]
    """Ids of teams, new ones too; groups' teams come first, in directory order."""
    users: Sequence[str]
    """Ids of users, new ones too."""
    wanted: Numbers
    """Memberships by groups, sorted."""
    present: Numbers
    """Memberships in Swit of teams that will still be there, Swit's own teams left out; sorted."""
    added: Numbers
    removed: Numbers

    def split(self, pairs: Numbers) -> tuple[Numbers, Numbers]:
        """The teams' and the users' places."""
        size = max(len(self.teams), 1)
        return pairs % size, pairs // size


def compare(
    *,
    teams: Sequence[str],
    users: Sequence[str],
    wanted: tuple[Numbers, Numbers],
    present: tuple[Numbers, Numbers],
    managed: Mask,
    untouched: Mask,
    removed_users: Mask,
) -> Pairs:
    """Find out who joins and who leaves.

    `wanted` and `present` are places of teams and of users, `NONE` where unknown. Members of
    `managed` teams only are changed, and never those of `untouched` users; `removed_users` need
    not leave, Swit takes them out.
    """
    size = max(len(teams), 1)
    want = _pairs(*wanted, managed, ~untouched)
    have = _pairs(*present, np.ones_like(managed), np.ones_like(untouched))
    added = want[~among(want, have)]
    extra = have[~among(have, want)]
    user = extra // size
    removed = extra[managed[extra % size] & ~untouched[user] & ~removed_users[user]]
    return Pairs(teams=teams, users=users, wanted=want, present=have, added=added, removed=removed)


def plan_memberships(
    pairs: Pairs, names: Mapping[str, str], emails: Sequence[str], made: Collection[str]
) -> Iterator[Change]:
    """One change for each team's additions, then one for each team's removals.

    `names` has the teams' names, `emails` the users' addresses by place; `made` the teams that
    this plan makes.
    """
    for team, users in _by_team(pairs, pairs.added, emails):
        yield single_change(
            step="add_members",
            action="membership.add",
            object_id=team,
            target=names[team],
            after=users,
            reason="in the group",
            depends_on=[f"team.create:{team}"] if team in made else (),
        )
    for team, users in _by_team(pairs, pairs.removed, emails):
        yield single_change(
            step="remove_members",
            action="membership.remove",
            object_id=team,
            target=names[team],
            before=users,
            reason="not in the group",
        )


def _by_team(
    pairs: Pairs, numbers: Numbers, emails: Sequence[str]
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Team id -> its users' ids and addresses; both sorted, the teams in directory order."""
    team, user = pairs.split(numbers)
    order = np.argsort(team)
    team, users = team[order], user[order].tolist()
    starts = np.flatnonzero(np.diff(team, prepend=NONE))
    for place, (start, end) in zip(
        team[starts].tolist(), pairwise([*starts.tolist(), len(users)]), strict=True
    ):
        at = sorted(users[start:end], key=emails.__getitem__)
        ids, addresses = [pairs.users[p] for p in at], [emails[p] for p in at]
        yield pairs.teams[place], {"user_ids": ids, "emails": addresses}


def _pairs(team: Numbers, user: Numbers, teams: Mask, users: Mask) -> Numbers:
    """Those with a team and a user that are marked, as numbers; what is nowhere is none."""
    counts = np.append(teams, False)[team] & np.append(users, False)[user]
    return distinct(user[counts] * len(teams) + team[counts])


UNCOUNTED = -2
"""One of Swit's own, which is no team when a user's teams are counted."""
LOST = -3
"""A team that the plan deletes: Swit may make another one of the user's the primary team, or none
(nobody outside Swit knows)."""


def plan_primaries(
    pairs: Pairs,
    *,
    now: Numbers,
    named: Numbers,
    added: Numbers,
    removed: Numbers,
    names: Mapping[str, str],
    emails: Sequence[str],
) -> Iterator[Change]:
    """Set the primary team of who is in two teams or more, one at least by a group.

    The one that `primary_group` names, else the present one if it stays and is by a group, else
    the first by a group; who is left alone is in none by a group. `now`, `named` and `emails` are
    by the users' places: the primary team and the named one (or `NONE`). `added` and `removed`
    are what will really be sent.
    """
    after = distinct(np.concatenate([pairs.present[~among(pairs.present, removed)], added]))
    ours = pairs.wanted[among(pairs.wanted, after)]
    now = np.where((now >= 0) & ~_is_in(pairs, now, pairs.present), NONE, now)
    first, is_named = _first(pairs, ours), _is_in(pairs, named, ours)
    otherwise = np.where(_is_in(pairs, now, ours), now, first)
    wanted = np.where(is_named, named, otherwise)
    is_asked = (_count(pairs, after) > 1) & (first != NONE)
    is_so = (now == wanted) & _is_in(pairs, now, after)
    without = (now == NONE) | ((now == LOST) & (_count(pairs, pairs.present) == 0))
    # Swit makes the first team that a user without a primary one joins the primary one. Additions
    # to several teams arrive in any order, so only a single one is certain.
    by_itself = without & (_count(pairs, added) == 1) & (_first(pairs, added) == wanted)
    changed = np.flatnonzero(is_asked & ~is_so & ~by_itself)
    for user in sorted(changed.tolist(), key=emails.__getitem__):
        old = int(now[user])
        yield _change(
            user=pairs.users[user],
            email=emails[user],
            now=pairs.teams[old] if old >= 0 else None,
            wanted=pairs.teams[int(wanted[user])],
            names=names,
            is_named=bool(is_named[user]),
        )


def named_groups(groups: Mapping[str, Group], teams: Mapping[str, str]) -> dict[str, str]:
    """What `primary_group` may say of a group (its key, its only name) -> its team's id."""
    called: dict[str, set[str]] = {}
    for key, group in groups.items():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(key)
    only = {name: next(iter(keys)) for name, keys in called.items() if len(keys) == 1}
    found = {name: teams[key] for name, key in only.items() if key in teams}
    return found | {key: teams[key] for key in groups if key in teams}


def primary_group_key(text: str | None) -> str:
    """A `primary_group` as `named_groups` has it; `""`: none."""
    if text is None or not text.strip():
        return ""
    try:
        return dn_key(text.strip())
    except InvalidDN:
        return name_key(text)


def _first(pairs: Pairs, within: Numbers) -> Numbers:
    """By users: the first of their teams among these memberships, or `NONE`."""
    team, user = pairs.split(within)
    first = np.full(len(pairs.users), NONE, dtype=np.int64)
    # The last assignment to a place stays: backwards, the first in directory order.
    first[user[::-1]] = team[::-1]
    return first


def _count(pairs: Pairs, within: Numbers) -> Numbers:
    """By users: in how many teams they are by these memberships."""
    return np.bincount(pairs.split(within)[1], minlength=len(pairs.users))


def _is_in(pairs: Pairs, teams: Numbers, within: Numbers) -> Mask:
    """By users: whether being in the team that `teams` has for them is among these memberships."""
    team, user = pairs.split(within)
    found = np.zeros(len(pairs.users), dtype=np.bool_)
    found[user[teams[user] == team]] = True
    return found


def _change(
    *,
    user: str,
    email: str,
    now: str | None,
    wanted: str,
    names: Mapping[str, str],
    is_named: bool,
) -> Change:
    if is_named:
        reason = "the directory names it"
    elif now is None:
        reason = "in several teams, none of them the primary one"
    else:
        reason = f'"{names[now]}" will be none of the teams that groups put them in'
    needs = [f"team.create:{wanted}"] if wanted.startswith(NEW_TEAM) else []
    if user.startswith(NEW_USER):
        needs.append(f"user.create:{user}")
    return single_change(
        step="update_primary_teams",
        action="primary.update",
        object_id=user,
        target=email,
        before={"team_id": now, "team": names[now] if now is not None else None},
        after={"team_id": wanted, "team": names[wanted]},
        reason=reason,
        depends_on=needs,
    )


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
        self,
        links: Links,
        swit: OrganizationSnapshot,
        people: People,
        users: UserPlan,
        scope: Groups,
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
