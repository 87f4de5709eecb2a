"""Teams that nobody manages, and the group that each could belong to: told, never decided by it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from swit_provisioning.reconcile.groups import Group
from swit_provisioning.reconcile.members import Members
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.state import SwitState
from swit_provisioning.reconcile.teams import Owners, Team
from swit_provisioning.reconcile.text import clean_team_name, name_key, without_number

KIND: Final = "unmanaged team"
_FEW: Final = 3
"""Members in common before they say anything without the same name."""
_NEARLY_ALL: Final = 0.8

Likelihood = Literal["almost surely", "probably", "perhaps"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A group whose team this could be."""

    group: Group
    likelihood: Likelihood
    same_name: bool
    common: int
    """Members of the team that the group puts there too."""


def unmanaged_teams(
    groups: Mapping[str, Group], owners: Owners, members: Members, swit: SwitState, policy: Policy
) -> Iterator[Finding]:
    """One finding for each team that is left as it is because no group stands behind it."""
    if not owners.unmanaged:
        return
    if policy.unmanaged_teams == "delete" and "team.delete" not in policy.disabled_actions:
        return
    inside = _members(swit, owners.unmanaged)
    in_groups = members.groups_of({user for users in inside.values() for user in users})
    likeness = _Likeness(groups, in_groups, members.sizes())
    for team_id, team in owners.teams.items():
        if team_id in owners.unmanaged:
            users = inside.get(team_id, [])
            candidate = likeness.best(team, users)
            adopting = _adopting(candidate, owners, likeness.called(team.name))
            message = _message(len(users), candidate, adopting, policy)
            yield Finding(kind=KIND, subject=team.name, side="swit", message=message)


class _Likeness:
    """Which groups are called as a team, or have its members."""

    def __init__(
        self,
        groups: Mapping[str, Group],
        in_groups: Mapping[str, list[int]],
        sizes: list[int],
    ) -> None:
        self._by_rank = {group.rank: group for group in groups.values()}
        self._in_groups, self._sizes = in_groups, sizes
        self._called: dict[str, set[int]] = {}
        for group in groups.values():
            for name in group.names:
                self._called.setdefault(name_key(name), set()).add(group.rank)

    def called(self, name: str) -> list[Group]:
        """The groups of this name, compared without case, in directory order."""
        return [self._by_rank[rank] for rank in sorted(self._called.get(name_key(name), ()))]

    def best(self, team: Team, users: Collection[str]) -> Candidate | None:
        """The group that fits best, the first of several in directory order."""
        plain = clean_team_name(team.name)
        names = {name_key(plain), name_key(without_number(plain))}
        called = {rank for name in names for rank in self._called.get(name, ())}
        common = Counter(rank for user in users for rank in self._in_groups.get(user, ()))
        found = [
            (likelihood, rank)
            for rank in sorted(called | set(common))
            if (likelihood := self._likelihood(rank, called, common[rank], len(users)))
        ]
        if not found:
            return None
        best, rank = min(found, key=lambda each: (_ORDER.index(each[0]), -common[each[1]], each[1]))
        return Candidate(
            group=self._by_rank[rank],
            likelihood=best,
            same_name=rank in called,
            common=common[rank],
        )

    def _likelihood(
        self, rank: int, called: set[int], common: int, members: int
    ) -> Likelihood | None:
        half = common > 0 and 2 * common >= members
        if rank in called:
            if len(called) > 1:
                return "probably" if half else "perhaps"
            return "almost surely" if half else "probably"
        if common < _FEW or not half:
            return None
        nearly = common >= _NEARLY_ALL * max(members, self._sizes[rank])
        return "probably" if nearly else "perhaps"


_ORDER: Final[tuple[Likelihood, ...]] = ("almost surely", "probably", "perhaps")


def _members(swit: SwitState, teams: Collection[str]) -> dict[str, list[str]]:
    rows = swit.memberships[swit.memberships["team_id"].isin(list(teams))]
    found: dict[str, list[str]] = {}
    for team, user in zip(rows["team_id"], rows["user_id"], strict=True):
        found.setdefault(team, []).append(user)
    return found


def _message(size: int, candidate: Candidate | None, adopting: str, policy: Policy) -> str:
    members = "1 member" if size == 1 else f"{size} members"
    return (
        f"No group stands behind this team ({members}); UNMANAGED_TEAMS={policy.unmanaged_teams}"
        f" leaves it as it is. {_belongs(candidate, size)} {adopting} UNMANAGED_TEAMS=delete would"
        " delete it. Name it in SWIT_TEAMS_TO_KEEP if it is meant to be as it is."
    )


def _belongs(candidate: Candidate | None, members: int) -> str:
    if candidate is None:
        return "No group is called so or has most of its members."
    why = ["the same name"] if candidate.same_name else []
    if candidate.common or not candidate.same_name:
        why.append(f"{candidate.common} of {members} members in common")
    return f"It is {candidate.likelihood} the team of {candidate.group.dn}: {' and '.join(why)}."


def _adopting(candidate: Candidate | None, owners: Owners, called: list[Group]) -> str:
    """What `adopt` would do with it: it goes by the name alone."""
    if len(called) > 1:
        return "UNMANAGED_TEAMS=adopt would leave it too, as several groups are called so."
    if called and called[0].key in owners.team_of:
        return "UNMANAGED_TEAMS=adopt would leave it too, as the group of its name has a team."
    if called:
        return f"UNMANAGED_TEAMS=adopt would make it the team of {called[0].dn}."
    told = "UNMANAGED_TEAMS=adopt would leave it too, as no group is called so"
    is_free = candidate is not None and candidate.group.key not in owners.team_of
    if candidate is None or not is_free or not candidate.group.names:
        return f"{told}."
    return f'{told}; called "{candidate.group.names[0]}" in Swit it would be that group\'s.'
