"""Whose primary team changes, judged on memberships as they will be."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from swit_provisioning.reconcile.changes import single_change
from swit_provisioning.reconcile.columns import NONE, Mask, Numbers, among, distinct
from swit_provisioning.reconcile.dn import InvalidDN, dn_key
from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.memberships import Pairs
from swit_provisioning.reconcile.plan import NEW_TEAM, NEW_USER, Change
from swit_provisioning.reconcile.text import name_key

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
