"""Making users and teams: the two calls that must not be sent twice.

Their answer may be lost although Swit has done the work. So before one is sent again, and before
one is sent that an earlier run may have sent, the object is looked up.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.planning.dn import reference_key
from swit_provisioning.planning.guards import MARKINGS
from swit_provisioning.planning.memory import kept_values
from swit_provisioning.planning.model import is_first_primary_team
from swit_provisioning.planning.normalize import REMOVED, address_key, name_key
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.errors import (
    SwitRejectedError,
    SwitThrottledError,
    SwitUnavailableError,
)
from swit_provisioning.swit.models import Team


def update_user(attempt: Attempt) -> Answer:
    """Send what differs of name and phone number."""
    wanted = attempt.change.after
    user_id = attempt.swit_id(attempt.change.object_id)
    now = attempt.call(
        attempt.client.update_user,
        user_id,
        name=wanted.get("name"),
        phone_number=wanted.get("phone_number"),
    )
    said = {"name": now.name, "phone_number": now.phone_number} if now else {}
    return applied(attempt, kept=kept_values(wanted, said))


def deactivate_user(attempt: Attempt) -> Answer:
    """Take the access away."""
    attempt.call(attempt.client.deactivate_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def remove_user(attempt: Attempt) -> Answer:
    """Delete the account for good."""
    attempt.call(attempt.client.remove_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def activate_user(attempt: Attempt) -> Answer:
    """Give the access back."""
    attempt.call(attempt.client.activate_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def update_primary_team(attempt: Attempt) -> Answer:
    """Make one of the user's teams the primary one, unless it is by now, or is none of them."""
    user_id = attempt.swit_id(attempt.change.object_id)
    team_id = attempt.swit_id(attempt.change.after["team_id"])
    if attempt.accounts.is_primary(user_id, team_id):
        return Answer(outcome="already so", message="it is the primary team already")
    if attempt.accounts.is_in(user_id, team_id) is False:
        return Answer(outcome="rejected", message="the user is not in that team")
    attempt.call(attempt.client.update_primary_team, user_id, team_id=team_id)
    if is_first_primary_team(attempt.change):
        return Answer(outcome="applied")
    return applied(attempt)


def applied(
    attempt: Attempt, *, kept: Mapping[str, str] | None = None, made_id: str | None = None
) -> Answer:
    """One object was changed as planned, but for the values that Swit `kept` in its own way."""
    return Answer(
        outcome="applied",
        message=told_as_kept(kept or {}),
        made_id=made_id,
        changed={attempt.change.action: 1},
        kept=kept or {},
    )


def told_as_kept(kept: Mapping[str, str]) -> str | None:
    """The same for people; `None` where Swit took all values as they were sent."""
    told = (f'{name.replace("_", " ")} "{value}"' for name, value in kept.items())
    return f"Swit keeps {', '.join(told)}" if kept else None


MOST_SENT: Final = 3
"""How often a creation is sent whose answer is lost each time and that is not found after it."""

_FOUND: Final = "it was there: only an answer had been lost"
_PAGE: Final = 1000
_CONFLICT: Final = 409
_TAKEN: Final = re.compile(r"\b(already|exists?|taken|duplicated?|in use)\b", re.IGNORECASE)


def create_user(attempt: Attempt) -> Answer:
    """Make an account; one with the same address is the same account."""
    wanted = attempt.change.after

    def make() -> Answer:
        made = attempt.call(
            attempt.client.create_user,
            email=wanted["email"],
            name=wanted["name"],
            phone_number=wanted.get("phone_number"),
            language=wanted.get("language"),
            timezone=wanted.get("timezone"),
        )
        said = {"name": made.name or None, "phone_number": made.phone_number}
        return applied(attempt, kept=kept_values(wanted, said), made_id=made.user_id)

    def find() -> str | None:
        return _account_of(attempt, wanted["email"])

    return _create(attempt, make=make, find=find, find_ours=find)


def create_team(attempt: Attempt) -> Answer:
    """Make a team; one with the same reference is the same team."""
    wanted = attempt.change.after
    parent_id = attempt.swit_id(wanted["parent_id"])
    name, reference = str(wanted["name"]), wanted.get("reference")

    def make() -> Answer:
        made = attempt.call(
            attempt.client.create_team, name=name, parent_id=parent_id, reference=reference
        )
        said = {"name": made.name or None, "reference": made.reference}
        return applied(attempt, kept=kept_values(wanted, said), made_id=made.team_id)

    def find_ours() -> str | None:
        return _team_with(attempt.call(attempt.client.list_teams), reference, name)

    def find() -> str | None:
        teams = attempt.call(attempt.client.list_teams)
        return _team_with(teams, reference, name) or _team_called(teams, name, parent_id)

    return _create(attempt, make=make, find=find, find_ours=find_ours)


def _create(
    attempt: Attempt,
    *,
    make: Callable[[], Answer],
    find: Callable[[], str | None],
    find_ours: Callable[[], str | None],
) -> Answer:
    """Send it once more only after `find` has not found it.

    `find` looks for what a call of ours may have made; `find_ours` for what is certainly the
    object meant, also where no call of ours was lost.
    """
    lost = attempt.again
    sent = 0
    failure: SwitUnavailableError | None = None

    def once() -> Answer:
        nonlocal lost, sent, failure
        found = find() if lost else None
        if found is not None:
            return replace(applied(attempt, made_id=found), message=_FOUND)
        if failure is not None and sent >= MOST_SENT:
            raise failure
        sent += 1
        try:
            return make()
        except SwitThrottledError:
            raise
        except SwitUnavailableError as error:
            lost, failure = True, error
            raise
        except SwitRejectedError as error:
            return _refused(error, find_ours)

    # One more than is sent: after the last lost answer it is looked up as well.
    tries = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(MOST_SENT + 1),
        wait=wait_exponential_jitter(initial=1, max=15, jitter=1),
        sleep=attempt.wait,
        reraise=True,
    )
    return tries(once)


def _may_pass(error: BaseException) -> bool:
    # The client has waited out its patience with 429 already.
    return isinstance(error, SwitUnavailableError) and not isinstance(error, SwitThrottledError)


def _refused(error: SwitRejectedError, find_ours: Callable[[], str | None]) -> Answer:
    """Someone else may have made it since the plan was made."""
    taken = error.status == _CONFLICT or _TAKEN.search(error.message)
    found = find_ours() if taken else None
    if found is None:
        raise error
    return Answer(outcome="already so", message=error.message, made_id=found)


def _account_of(attempt: Attempt, email: str) -> str | None:
    """Swit may not know the keyword and answer with everybody, so every page is looked through."""
    sought = address_key(email)
    for page in count(1):
        answer = attempt.call(attempt.client.list_users, keyword=email, page=page, count=_PAGE)
        for user in answer.users:
            if address_key(user.email) == sought:
                return user.user_id
        if not answer.users or page * _PAGE >= answer.total_rows:
            break
    return None


def _team_with(teams: tuple[Team, ...], reference: str | None, name: str) -> str | None:
    key = reference_key(reference)
    ours = [team for team in teams if key and reference_key(team.reference) == key]
    ours.sort(key=lambda team: name_key(team.name) != name_key(name))
    return ours[0].team_id if ours else None


def _team_called(teams: tuple[Team, ...], name: str, parent_id: str) -> str | None:
    for team in teams:
        if name_key(team.name) == name_key(name) and team.parent_id == parent_id:
            return team.team_id
    return None


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
