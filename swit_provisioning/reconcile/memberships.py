"""Who joins and who leaves which team: two sets of pairs, compared as numbers."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from swit_provisioning.reconcile.changes import single_change
from swit_provisioning.reconcile.columns import NONE, Mask, Numbers, among, distinct
from swit_provisioning.reconcile.plan import Change


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
