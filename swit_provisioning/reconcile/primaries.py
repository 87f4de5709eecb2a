"""Whose primary team changes, judged on memberships as they will be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swit_provisioning.reconcile.changes import single_change
from swit_provisioning.reconcile.columns import Mask, Numbers, among, distinct
from swit_provisioning.reconcile.dn import InvalidDN, dn_key
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.memberships import Pairs
from swit_provisioning.reconcile.plan import NEW_TEAM, NEW_USER, Change
from swit_provisioning.reconcile.text import name_key

NONE = -1
"""No primary team."""
UNCOUNTED = -2
"""One of Swit's own, which is no team when a user's teams are counted."""
LOST = -3
"""A team that the plan deletes: Swit may make another one of the user's the primary team, or none
(nobody outside Swit knows)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Users:
    """Those who may need another primary team: places of users and of teams, side by side."""

    user: Numbers
    now: Numbers
    named: Numbers
    first: Numbers
    """The first of their teams by a group."""
    keeps: Numbers
    """How many teams they are in, those that the plan deletes not counted."""
    gets: Numbers
    """How many teams they join."""
    got: Numbers
    """One of those."""

    def of(self, rows: Mask) -> "_Users":
        return _Users(**{name: values[rows] for name, values in vars(self).items()})


def plan_primaries(
    pairs: Pairs,
    *,
    may_change: Mask,
    now: Numbers,
    named: Numbers,
    added: Numbers,
    removed: Numbers,
    names: Mapping[str, str],
    emails: Sequence[str],
) -> Iterator[Change]:
    """Set the primary team of who is in two teams or more, one at least by a group.

    The one that `primary_group` names, else the present one if it stays and is by a group, else
    the first by a group. `may_change`, `now`, `named` and `emails` are by the users' places:
    who has an entry and isn't left alone, the primary team and the named one (or `NONE`).
    `added` and `removed` are what will really be sent.
    """
    after = distinct(np.concatenate([pairs.present[~among(pairs.present, removed)], added]))
    ours = pairs.wanted[among(pairs.wanted, after)]
    users = _candidates(pairs, may_change, now, named, after, ours, added)
    stays = _are(pairs, users.user, users.now, after)
    now_is_ours = _are(pairs, users.user, users.now, ours)
    is_named = _are(pairs, users.user, users.named, ours)
    wanted = np.where(is_named, users.named, np.where(now_is_ours, users.now, users.first))
    without = (users.now == NONE) | ((users.now == LOST) & (users.keeps == 0))
    gets = users.gets > 0
    # Swit makes the first team that a user without a primary one gets the primary one.
    by_itself = without & gets & (~is_named | ((users.gets == 1) & (users.got == wanted)))
    changed = np.flatnonzero(~by_itself & ~(stays & (users.now == wanted)))
    for row in changed.tolist():
        user, old = int(users.user[row]), int(users.now[row])
        yield _change(
            user=pairs.users[user],
            email=emails[user],
            now=pairs.teams[old] if old >= 0 else None,
            wanted=pairs.teams[int(wanted[row])],
            names=names,
            is_named=bool(is_named[row]),
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


def _candidates(
    pairs: Pairs,
    may_change: Mask,
    now: Numbers,
    named: Numbers,
    after: Numbers,
    ours: Numbers,
    added: Numbers,
) -> _Users:
    """Users in two teams or more, one at least by a group."""
    size = len(pairs.users)
    everyone = np.arange(size)
    teams_after = np.bincount(pairs.split(after)[1], minlength=size)
    team, user = pairs.split(ours)
    first = np.full(size, NONE, dtype=np.int64)
    # The last assignment to a place stays: backwards, the first in directory order.
    first[user[::-1]] = team[::-1]
    added_team, added_user = pairs.split(added)
    got = np.full(size, NONE, dtype=np.int64)
    got[added_user] = added_team
    users = _Users(
        user=everyone,
        now=np.where((now >= 0) & ~_are(pairs, everyone, now, pairs.present), NONE, now),
        named=named,
        first=first,
        keeps=np.bincount(pairs.split(pairs.present)[1], minlength=size),
        gets=np.bincount(added_user, minlength=size),
        got=got,
    )
    return users.of(may_change & (teams_after > 1) & (first != NONE))


def _are(pairs: Pairs, user: Numbers, team: Numbers, within: Numbers) -> Mask:
    """For which rows the user's being in the team is among these memberships."""
    return (team >= 0) & among(team * max(len(pairs.users), 1) + user, within)


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
