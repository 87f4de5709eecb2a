"""Teams that are there: updating, deleting and sorting, each after one look at all teams."""

from dataclasses import dataclass, field

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.users import applied
from swit_provisioning.reconcile.guards import MARKINGS
from swit_provisioning.reconcile.kept import kept_values
from swit_provisioning.reconcile.text import REMOVED
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.models import Team

_MOST_NAMED = 5


@dataclass(kw_only=True)
class TeamsNow:
    """All teams as they are just before a step; read when the first change of it asks."""

    teams: tuple[Team, ...] | None = None
    deleted: set[str] = field(default_factory=set)

    def read(self, attempt: Attempt) -> tuple[Team, ...]:
        """Teams in the order shown, without those that this step has deleted."""
        if self.teams is None:
            self.teams = attempt.call(attempt.client.list_teams)
        return tuple(team for team in self.teams if team.team_id not in self.deleted)


def update_team(attempt: Attempt) -> Answer:
    """Rename, move and re-key it in one call."""
    wanted = attempt.change.after
    parent = wanted.get("parent_id")
    now = attempt.call(
        attempt.client.update_team,
        attempt.swit_id(attempt.change.object_id),
        name=wanted.get("name"),
        parent_id=None if parent is None else attempt.swit_id(parent),
        reference=wanted.get("reference"),
    )
    if str(wanted.get("name", "")).startswith(REMOVED):
        return Answer(outcome="applied", changed={MARKINGS: 1})
    said = {"name": now.name or None, "reference": now.reference} if now else {}
    return applied(attempt, kept=kept_values(wanted, said))


def delete_team(attempt: Attempt, now: TeamsNow) -> Answer:
    """Delete it, unless a team is below it: Swit would most likely delete that too."""
    team_id = attempt.swit_id(attempt.change.object_id)
    teams = now.read(attempt)
    if all(team.team_id != team_id for team in teams):
        return Answer(outcome="already so", message="the team is not there any longer")
    below = [team.name for team in teams if team.parent_id == team_id]
    if below:
        more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
        message = f"teams are below it that stay: {', '.join(below[:_MOST_NAMED])}{more}"
        return Answer(outcome="skipped", message=message)
    attempt.call(attempt.client.delete_team, team_id)
    now.deleted.add(team_id)
    members = attempt.change.before.get("members", ())
    lost = sum(member not in attempt.leavers for member in members)
    counted = {"team.delete": 1, "membership.remove": lost}
    return Answer(outcome="applied", changed={name: n for name, n in counted.items() if n})


def sort_teams(attempt: Attempt, now: TeamsNow) -> Answer:
    """Put the children there are in the planned order; those that came since follow."""
    parent_id = attempt.swit_id(attempt.change.object_id)
    teams = now.read(attempt)
    if all(team.team_id != parent_id for team in teams):
        return Answer(outcome="skipped", message="the team is not there any longer")
    present = [team.team_id for team in teams if team.parent_id == parent_id]
    planned = [attempt.record.swit_id(team) for team in attempt.change.after["team_ids"]]
    first = [team for team in planned if team in present]
    wanted = first + [team for team in present if team not in first]
    if wanted == present:
        return Answer(outcome="already so", message="they are in this order already")
    attempt.call(attempt.client.sort_teams, parent_id, wanted)
    return applied(attempt)
