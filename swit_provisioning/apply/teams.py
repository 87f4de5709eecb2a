"""Teams that are there: updating, deleting and sorting, each after one look at all teams."""

import threading

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.users import applied
from swit_provisioning.reconcile.guards import MARKINGS
from swit_provisioning.reconcile.kept import kept_values
from swit_provisioning.reconcile.text import REMOVED
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.models import Team

_MOST_NAMED = 5


class TeamsNow:
    """All teams as they are just before a step; read when the first change of it asks.

    Safe for several threads: the others wait for the one that reads.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._lock = threading.Lock()
        self._teams: dict[str, Team] | None = None
        self._below: dict[str, dict[str, None]] = {}

    def read(self, attempt: Attempt) -> None:
        """Read the teams, on the account of this attempt, if nobody has yet."""
        with self._lock:
            if self._teams is None:
                teams = attempt.call(attempt.client.list_teams)
                for team in teams:
                    self._below.setdefault(team.parent_id or "", {})[team.team_id] = None
                self._teams = {team.team_id: team for team in teams}

    def __contains__(self, team_id: object) -> bool:
        """Whether it is there."""
        with self._lock:
            return team_id in (self._teams or {})

    def below(self, team_id: str) -> list[Team]:
        """The teams directly under this one, in the order shown."""
        with self._lock:
            teams = self._teams or {}
            return [teams[child] for child in self._below.get(team_id, ())]

    def take_out(self, team_id: str) -> None:
        """This step has deleted it."""
        with self._lock:
            team = (self._teams or {}).pop(team_id)
            self._below[team.parent_id or ""].pop(team_id)


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
    now.read(attempt)
    if team_id not in now:
        return Answer(outcome="already so", message="the team is not there any longer")
    below = [team.name for team in now.below(team_id)]
    if below:
        more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
        message = f"teams are below it that stay: {', '.join(below[:_MOST_NAMED])}{more}"
        return Answer(outcome="skipped", message=message)
    attempt.call(attempt.client.delete_team, team_id)
    now.take_out(team_id)
    members = attempt.change.before.get("members", ())
    lost = sum(member not in attempt.leavers for member in members)
    counted = {"team.delete": 1, "membership.remove": lost}
    return Answer(outcome="applied", changed={name: n for name, n in counted.items() if n})


def sort_teams(attempt: Attempt, now: TeamsNow) -> Answer:
    """Put the children there are in the planned order; those that came since follow."""
    parent_id = attempt.swit_id(attempt.change.object_id)
    now.read(attempt)
    if parent_id not in now:
        return Answer(outcome="skipped", message="the team is not there any longer")
    present = [team.team_id for team in now.below(parent_id)]
    planned = [attempt.record.swit_id(team) for team in attempt.change.after["team_ids"]]
    there = set(present)
    first = [team for team in planned if team in there]
    there -= set(first)
    wanted = first + [team for team in present if team in there]
    if wanted == present:
        return Answer(outcome="already so", message="they are in this order already")
    attempt.call(attempt.client.sort_teams, parent_id, wanted)
    return applied(attempt)
