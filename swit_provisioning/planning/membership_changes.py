"""The changes to memberships and primary teams.

There can be millions of memberships. They are compared as sorted columns of numbers, several times
as fast as sets of pairs of ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from swit_provisioning.planning.groups import Group, WantedMemberships, keys_by_name
from swit_provisioning.planning.match_teams import TeamMatches
from swit_provisioning.planning.match_users import UserMatches
from swit_provisioning.planning.model import Change, creations_of, single_change
from swit_provisioning.planning.normalize import name_key
from swit_provisioning.planning.policy import Policy
from swit_provisioning.planning.snapshots import (
    NONE,
    Mask,
    Numbers,
    OrganizationSnapshot,
    index_of,
    mask,
    places,
)
from swit_provisioning.planning.team_calls import Tree
from swit_provisioning.planning.user_changes import UserChanges

_OWN = -2
"""Position of Swit's own teams, which do not count as a user's teams."""
_LOST = -3
"""Position of a team that the plan deletes. It is not documented whether Swit then makes another
one of the user's teams the primary team."""


def membership_changes(
    wanted: WantedMemberships,
    groups: Mapping[str, Group],
    organization: OrganizationSnapshot,
    users: UserMatches,
    user_changes: UserChanges,
    teams: TeamMatches,
    tree: Tree,
    policy: Policy,
) -> tuple[Change, ...]:
    """The changes to memberships, then those to primary teams; none of disabled actions.

    Only memberships of groups' teams change, and none of users who are left alone. Memberships of
    removed users need no removal, as Swit ends them. `tree` has the teams as they are after all
    team changes.
    """
    team_of = {
        key: team
        for key, group in groups.items()
        if (team := teams.team_of.get(key, group.new_team)) in tree
    }
    ids = list(dict.fromkeys([*team_of.values(), *(t for t in tree.teams if t not in teams.own)]))
    index, user_index, rows = index_of(ids), wanted.user_index, organization.memberships
    pairs = _Pairs(ids, wanted.users, wanted.email_of)
    is_managed = mask(set(team_of.values()) - teams.kept, index)
    left_alone = mask(list(users.left_alone), user_index)
    is_removed = mask(user_changes.removed, user_index)
    of_group = places([team_of.get(key, "") for key in groups], index)
    want = pairs.of(of_group[wanted.rows["group"].to_numpy()], wanted.rows["user"].to_numpy())
    have = pairs.of(places(rows["team_id"], index), places(rows["user_id"], user_index))
    teams_of, users_of = pairs.split(want)
    want = want[is_managed[teams_of] & ~left_alone[users_of]]
    added = np.setdiff1d(want, have, assume_unique=True)
    removed = np.setdiff1d(have, want, assume_unique=True)
    teams_of, users_of = pairs.split(removed)
    removed = removed[is_managed[teams_of] & ~(left_alone | is_removed)[users_of]]
    if "membership.add" in policy.disabled_actions:
        added = added[:0]
    if "membership.remove" in policy.disabled_actions:
        removed = removed[:0]
    changes = [
        single_change(
            action="membership.add",
            object_id=team,
            target=tree.teams[team].name,
            after=members,
            reason="in the group",
            depends_on=creations_of(team),
        )
        for team, members in pairs.by_team(added)
    ]
    changes += (
        single_change(
            action="membership.remove",
            object_id=team,
            target=tree.teams[team].name,
            before=members,
            reason="not in the group",
        )
        for team, members in pairs.by_team(removed)
    )
    if "primary.update" in policy.disabled_actions:
        return tuple(changes)
    number = dict(zip(ids, range(len(ids)), strict=True))
    present = {**number, **dict.fromkeys(teams.own, _OWN)}
    now = np.full(len(wanted.users), NONE, dtype=np.int64)
    now[: len(users.users)] = [
        present.get(user.primary_team, _LOST) if user.primary_team else NONE for user in users.users
    ]
    named = np.full(len(wanted.users), NONE, dtype=np.int64)
    by_user = _named_teams(users, user_changes, groups, team_of)
    named[places(list(by_user), user_index)] = places(list(by_user.values()), index)
    changes += _primary_changes(
        pairs,
        want=want,
        have=have,
        added=added,
        removed=removed,
        now=now,
        named=named,
        tree=tree,
    )
    return tuple(changes)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Memberships as numbers: `user * len(teams) + team`, by positions.

    Sorted arrays of them are compared at once, and a user's memberships lie together. Arrays of
    teams are by the positions of users, with `NONE` where there is no team.
    """

    teams: Sequence[str]
    """Ids of teams, created ones too; groups' teams come first, in directory order."""
    users: Sequence[str]
    """Ids of users, created ones too."""
    email_of: Mapping[str, str]

    def of(self, team: Numbers, user: Numbers) -> Numbers:
        """The memberships of known teams and users, sorted, each once."""
        is_known = (team != NONE) & (user != NONE)
        return _distinct(user[is_known] * len(self.teams) + team[is_known])

    def split(self, pairs: Numbers) -> tuple[Numbers, Numbers]:
        """The positions of the teams, and those of the users."""
        size = max(len(self.teams), 1)
        return pairs % size, pairs // size

    def by_team(self, pairs: Numbers) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Each team id with its users' ids and addresses, sorted; teams in directory order."""
        team, user = self.split(pairs)
        order = np.argsort(team, kind="stable")
        team, user = team[order], user[order]
        starts = np.flatnonzero(np.diff(team, prepend=NONE)).tolist()
        for start, end in pairwise([*starts, len(team)]):
            ids = [self.users[place] for place in user[start:end].tolist()]
            ids.sort(key=self.email_of.__getitem__)
            emails = [self.email_of[user_id] for user_id in ids]
            yield self.teams[team[start]], {"user_ids": ids, "emails": emails}

    def first(self, within: Numbers) -> Numbers:
        """By users: the first of their teams in these memberships, or `NONE`."""
        team, user = self.split(within)
        first = np.full(len(self.users), NONE, dtype=np.int64)
        # The last assignment to a position wins, so go backwards to keep the first team.
        first[user[::-1]] = team[::-1]
        return first

    def count(self, within: Numbers) -> Numbers:
        """By users: the number of their teams in these memberships."""
        return np.bincount(self.split(within)[1], minlength=len(self.users))

    def are_in(self, teams: Numbers, within: Numbers) -> Mask:
        """By users: whether these memberships have them in the team that `teams` has for them."""
        team, user = self.split(within)
        found = np.zeros(len(self.users), dtype=np.bool_)
        found[user[teams[user] == team]] = True
        return found


def _distinct(numbers: Numbers) -> Numbers:
    """The numbers, sorted, each once; `np.unique` hashes them and takes four times as long."""
    ordered = np.sort(numbers)
    distinct: Numbers = ordered[np.diff(ordered, prepend=NONE) != 0]
    return distinct


def _primary_changes(
    pairs: _Pairs,
    *,
    want: Numbers,
    have: Numbers,
    added: Numbers,
    removed: Numbers,
    now: Numbers,
    named: Numbers,
    tree: Tree,
) -> Iterator[Change]:
    """Set the primary team of users in two or more teams, of which at least one is a group's.

    The wanted one is the team that `primary_group` names (`named`), else the present one (`now`) if
    it stays and is a group's, else the first of a group. `added` and `removed` are sent.
    """
    after = _distinct(np.append(np.setdiff1d(have, removed, assume_unique=True), added))
    ours = want[np.isin(want, after, assume_unique=True)]
    now = np.where((now >= 0) & ~pairs.are_in(now, have), NONE, now)
    first, is_named = pairs.first(ours), pairs.are_in(named, ours)
    wanted = np.where(is_named, named, np.where(pairs.are_in(now, ours), now, first))
    needs_one = (pairs.count(after) > 1) & (first != NONE)
    is_so = (now == wanted) & pairs.are_in(now, after)
    without = (now == NONE) | ((now == _LOST) & (pairs.count(have) == 0))
    # The first team that a user without a primary team joins becomes the primary team. Additions to
    # several teams arrive in any order, so this is certain for a single addition only.
    by_itself = without & (pairs.count(added) == 1) & (pairs.first(added) == wanted)
    changed = np.flatnonzero(needs_one & ~is_so & ~by_itself).tolist()
    for place in sorted(changed, key=lambda place: pairs.email_of[pairs.users[place]]):
        user, team = pairs.users[place], pairs.teams[wanted[place]]
        old = pairs.teams[now[place]] if now[place] >= 0 else None
        if is_named[place]:
            reason = "the directory names it"
        elif old is None:
            reason = "in several teams, none of them the primary one"
        else:
            reason = f'"{tree.teams[old].name}" will be none of the teams that groups put them in'
        yield single_change(
            action="primary.update",
            object_id=user,
            target=pairs.email_of[user],
            before={"team_id": old, "team": tree.teams[old].name if old is not None else None},
            after={"team_id": team, "team": tree.teams[team].name},
            reason=reason,
            depends_on=creations_of(team, user),
        )


def _named_teams(
    users: UserMatches,
    changes: UserChanges,
    groups: Mapping[str, Group],
    team_of: Mapping[str, str],
) -> dict[str, str]:
    """User id -> id of the team that the person's `primary_group` names, by key or unique name."""
    only = {name: next(iter(k)) for name, k in keys_by_name(groups).items() if len(k) == 1}
    named = {name: team_of[key] for name, key in only.items() if key in team_of}
    named |= team_of
    found: dict[str, str] = {}
    for person in (match.person for match in users.matches):
        text = person.primary_group
        if text and person.key in changes.user_of:
            team = named.get(text) or named.get(name_key(text))
            if team is not None:
                found[changes.user_of[person.key]] = team
    return found
