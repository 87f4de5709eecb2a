"""The changes to memberships and primary teams.

There can be millions of memberships. They are compared as sorted numbers, several times as fast as
sets of pairs of ids.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from swit_provisioning.planning.groups import Group, WantedMemberships
from swit_provisioning.planning.match_teams import TeamMatches
from swit_provisioning.planning.match_users import UserMatches
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Policy, single_change
from swit_provisioning.planning.normalize import name_key
from swit_provisioning.planning.snapshots import (
    NONE,
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
from swit_provisioning.planning.user_changes import UserChanges


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Memberships as numbers: `user * len(teams) + team`, by the positions in two lists.

    Sorted arrays of such numbers are compared at once, and a user's memberships lie together.
    """

    teams: Sequence[str]
    """Ids of teams, created ones too; groups' teams come first, in directory order."""
    users: Sequence[str]
    """Ids of users, created ones too."""
    wanted: Numbers
    """The wanted memberships, sorted."""
    present: Numbers
    """The memberships in Swit of teams that remain, without Swit's own teams, sorted."""
    added: Numbers
    removed: Numbers

    def split(self, pairs: Numbers) -> tuple[Numbers, Numbers]:
        """The positions of the teams, and those of the users."""
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
    """Compare the wanted memberships with the present ones.

    `wanted` and `present` have positions of teams and of users, `NONE` if unknown. Only memberships
    of `managed` teams change, and none of `untouched` users. `removed_users` need no removal, as
    Swit ends their memberships.
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
    pairs: Pairs, names: Mapping[str, str], emails: Sequence[str]
) -> Iterator[Change]:
    """One change for each team's additions, then one for each team's removals.

    `names` has the teams' names by id, `emails` the users' addresses by position.
    """
    for team, users in _by_team(pairs, pairs.added, emails):
        yield single_change(
            step="add_members",
            action="membership.add",
            object_id=team,
            target=names[team],
            after=users,
            reason="in the group",
            depends_on=[f"team.create:{team}"] if team.startswith(NEW_TEAM) else (),
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
    """Each team id with its users' ids and addresses, sorted; teams in directory order."""
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
    """The memberships with a marked team and a marked user, as sorted numbers."""
    counts = np.append(teams, False)[team] & np.append(users, False)[user]
    return distinct(user[counts] * len(teams) + team[counts])


UNCOUNTED = -2
"""One of Swit's own teams, which do not count as a user's teams."""
LOST = -3
"""A team that the plan deletes. It is not documented whether Swit then makes another one of the
user's teams the primary team."""


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
    """Set the primary team of users in two or more teams, of which at least one is a group's.

    The wanted one is the team that `primary_group` names, else the present one if it stays and is a
    group's, else the first of a group. `now` (primary team), `named` (both `NONE` if absent) and
    `emails` are by users' positions. `added` and `removed` are the memberships that are sent.
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
    # The first team that a user without a primary team joins becomes the primary team. Additions to
    # several teams arrive in any order, so this is certain for a single addition only.
    by_itself = without & (_count(pairs, added) == 1) & (_first(pairs, added) == wanted)
    changed = np.flatnonzero(is_asked & ~is_so & ~by_itself)
    for user in sorted(changed.tolist(), key=emails.__getitem__):
        old = int(now[user])
        yield _primary_change(
            user=pairs.users[user],
            email=emails[user],
            now=pairs.teams[old] if old >= 0 else None,
            wanted=pairs.teams[int(wanted[user])],
            names=names,
            is_named=bool(is_named[user]),
        )


def named_groups(groups: Mapping[str, Group], teams: Mapping[str, str]) -> dict[str, str]:
    """Values of `primary_group` that name a group (key, unique name) -> id of its team."""
    called: dict[str, set[str]] = {}
    for key, group in groups.items():
        for name in group.names:
            called.setdefault(name_key(name), set()).add(key)
    only = {name: next(iter(keys)) for name, keys in called.items() if len(keys) == 1}
    found = {name: teams[key] for name, key in only.items() if key in teams}
    return found | {key: teams[key] for key in groups if key in teams}


def _first(pairs: Pairs, within: Numbers) -> Numbers:
    """By users: the first of their teams in these memberships, or `NONE`."""
    team, user = pairs.split(within)
    first = np.full(len(pairs.users), NONE, dtype=np.int64)
    # The last assignment to a position wins, so go backwards to keep the first team.
    first[user[::-1]] = team[::-1]
    return first


def _count(pairs: Pairs, within: Numbers) -> Numbers:
    """By users: the number of their teams in these memberships."""
    return np.bincount(pairs.split(within)[1], minlength=len(pairs.users))


def _is_in(pairs: Pairs, teams: Numbers, within: Numbers) -> Mask:
    """By users: whether these memberships have them in the team that `teams` names for them."""
    team, user = pairs.split(within)
    found = np.zeros(len(pairs.users), dtype=np.bool_)
    found[user[teams[user] == team]] = True
    return found


def _primary_change(
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
class MembershipChanges:
    """The changes to memberships, then those to primary teams."""

    changes: tuple[Change, ...]


def membership_changes(
    wanted: WantedMemberships,
    groups: Mapping[str, Group],
    organization: OrganizationSnapshot,
    users: UserMatches,
    user_changes: UserChanges,
    teams: TeamMatches,
    tree: Tree,
    policy: Policy,
) -> MembershipChanges:
    """Compare the wanted memberships with Swit's; changes of disabled actions are left out.

    `tree` has the teams as they are after all team changes.
    """
    by_key = {
        key: team
        for key, group in groups.items()
        if (team := teams.team_of.get(key, group.new_team)) in tree
    }
    ids = list(dict.fromkeys([*by_key.values(), *(t for t in tree.name if t not in teams.own)]))
    number = {team: place for place, team in enumerate(ids)}
    user_index, rows = wanted.user_index, organization.memberships
    of_group = [number[by_key[key]] if key in by_key else NONE for key in groups]
    pairs = compare(
        teams=ids,
        users=wanted.users,
        wanted=(
            np.array([*of_group, NONE], dtype=np.int64)[wanted.rows["group"].to_numpy()],
            wanted.rows["user"].to_numpy(),
        ),
        present=(places(rows["team_id"], index_of(ids)), places(rows["user_id"], user_index)),
        managed=mask(set(by_key.values()) - teams.kept, index_of(ids)),
        untouched=mask(list(users.left_alone), user_index),
        removed_users=mask(user_changes.removed, user_index),
    )
    changes = [
        change
        for change in plan_memberships(pairs, tree.name, wanted.emails)
        if change.action not in policy.disabled_actions
    ]
    if "primary.update" not in policy.disabled_actions:
        nobody = pairs.added[:0]
        changes += plan_primaries(
            pairs,
            now=_present_primaries(users, len(wanted.users), number, teams.own),
            named=_named_primaries(users, user_changes, user_index, groups, by_key, number),
            added=nobody if "membership.add" in policy.disabled_actions else pairs.added,
            removed=nobody if "membership.remove" in policy.disabled_actions else pairs.removed,
            names=tree.name,
            emails=wanted.emails,
        )
    return MembershipChanges(changes=tuple(changes))


def _present_primaries(
    users: UserMatches, size: int, number: Mapping[str, int], own: Collection[str]
) -> Numbers:
    """By users: the position of the primary team; `LOST` where the plan deletes it."""
    known = {**number, **dict.fromkeys(own, UNCOUNTED)}
    now = np.full(size, NONE, dtype=np.int64)
    now[: len(users.users)] = [
        known.get(user.primary_team, LOST) if user.primary_team else NONE for user in users.users
    ]
    return now


def _named_primaries(
    users: UserMatches,
    changes: UserChanges,
    user_index: pa.Array,
    groups: Mapping[str, Group],
    by_key: Mapping[str, str],
    number: Mapping[str, int],
) -> Numbers:
    """By users: the position of the team that the person's `primary_group` names."""
    named = named_groups(groups, by_key)
    wanted = {
        changes.user_of[person.key]: number[named[key]]
        for person in (match.person for match in users.matches)
        if person.key in changes.user_of
        and (text := person.primary_group)
        and (key := text if text in named else name_key(text)) in named
    }
    found = np.full(len(user_index), NONE, dtype=np.int64)
    found[places(list(wanted), user_index)] = list(wanted.values())
    return found
