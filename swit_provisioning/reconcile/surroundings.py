"""Where in the tree a plan changes teams: what a picture of it needs, and no more."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from swit_provisioning.reconcile.plan import Change, TeamBefore
from swit_provisioning.reconcile.teams import Team


def teams_around(changes: Iterable[Change], teams: Mapping[str, Team]) -> tuple[TeamBefore, ...]:
    """The teams that change, as read, and all above them, before and after; none if none does."""
    near: set[str] = set()
    for team_id in _touched(changes):
        here: str | None = team_id
        while here is not None and here in teams and here not in near:
            near.add(here)
            here = teams[here].parent_id
    if not near:
        return ()
    left_out = Counter(
        team.parent_id for team in teams.values() if team.team_id not in near and team.parent_id
    )
    return tuple(
        TeamBefore(
            team_id=team.team_id,
            name=team.name,
            parent_id=team.parent_id,
            others=left_out[team.team_id],
        )
        for team in teams.values()
        if team.team_id in near
    )


def _touched(changes: Iterable[Change]) -> Iterator[str]:
    """Ids of teams that are made, changed, deleted, sorted, or come to be above such a team."""
    for change in changes:
        if change.action.startswith("team."):
            yield change.object_id
            if parent := change.after.get("parent_id"):
                yield parent
