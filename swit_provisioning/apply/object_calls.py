"""The calls that change one user or one team.

Creations must not be sent twice. Their answer may be lost although Swit has created the object, so
the object is looked up before a creation is sent again, also one of an earlier run.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.planning.convergence import altered_values
from swit_provisioning.planning.guards import MARKINGS
from swit_provisioning.planning.model import is_first_primary_team
from swit_provisioning.planning.normalize import REMOVED, address_key, name_key
from swit_provisioning.planning.references import reference_key
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.errors import (
    SwitRejectedError,
    SwitThrottledError,
    SwitUnavailableError,
)
from swit_provisioning.swit.models import Team


def update_user(attempt: Attempt) -> Answer:
    """Update the name and the phone number, as far as they differ."""
    wanted = attempt.change.after
    user_id = attempt.swit_id(attempt.change.object_id)
    now = attempt.call(
        attempt.client.update_user,
        user_id,
        name=wanted.get("name"),
        phone_number=wanted.get("phone_number"),
    )
    said = {"name": now.name, "phone_number": now.phone_number} if now else {}
    return applied(attempt, kept=altered_values(wanted, said))


def deactivate_user(attempt: Attempt) -> Answer:
    """Deactivate the user."""
    attempt.call(attempt.client.deactivate_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def remove_user(attempt: Attempt) -> Answer:
    """Remove the user permanently."""
    attempt.call(attempt.client.remove_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def activate_user(attempt: Attempt) -> Answer:
    """Activate the user."""
    attempt.call(attempt.client.activate_user, attempt.swit_id(attempt.change.object_id))
    return applied(attempt)


def update_primary_team(attempt: Attempt) -> Answer:
    """Set the primary team, unless it is set already or the user is not in the team."""
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
    """The answer for one changed object; `kept` are values that Swit stores differently."""
    return Answer(
        outcome="applied",
        message=kept_in_words(kept or {}),
        made_id=made_id,
        changed={attempt.change.action: 1},
        kept=kept or {},
    )


def kept_in_words(kept: Mapping[str, str]) -> str | None:
    """The values that Swit stores differently, in words; `None` if there are none."""
    values = (f'{name.replace("_", " ")} "{value}"' for name, value in kept.items())
    return f"Swit keeps {', '.join(values)}" if kept else None


MOST_SENT: Final = 3
"""How often a creation is sent if its answer is lost each time and the object is not found."""

_FOUND: Final = "it exists: only an answer had been lost"
_PAGE: Final = 1000
_CONFLICT: Final = 409
_TAKEN: Final = re.compile(r"\b(already|exists?|taken|duplicated?|in use)\b", re.IGNORECASE)


def create_user(attempt: Attempt) -> Answer:
    """Create a user; a user with the same address is the same user."""
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
        return applied(attempt, kept=altered_values(wanted, said), made_id=made.user_id)

    def find() -> str | None:
        return _account_of(attempt, wanted["email"])

    return _create(attempt, make=make, find=find, find_ours=find)


def create_team(attempt: Attempt) -> Answer:
    """Create a team; a team with the same reference is the same team."""
    wanted = attempt.change.after
    parent_id = attempt.swit_id(wanted["parent_id"])
    name, reference = str(wanted["name"]), wanted.get("reference")

    def make() -> Answer:
        made = attempt.call(
            attempt.client.create_team, name=name, parent_id=parent_id, reference=reference
        )
        said = {"name": made.name or None, "reference": made.reference}
        return applied(attempt, kept=altered_values(wanted, said), made_id=made.team_id)

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
    """Send a creation again only after `find` has not found the object.

    `find` looks for an object that an earlier call may have created; `find_ours` for one that is
    certainly the object meant, also if no answer was lost.
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

    # One attempt more: after the last lost answer the object is looked up as well.
    tries = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(MOST_SENT + 1),
        wait=wait_exponential_jitter(initial=1, max=15, jitter=1),
        sleep=attempt.wait,
        reraise=True,
    )
    return tries(once)


def _may_pass(error: BaseException) -> bool:
    # After a 429 the client has already waited as long as it does.
    return isinstance(error, SwitUnavailableError) and not isinstance(error, SwitThrottledError)


def _refused(error: SwitRejectedError, find_ours: Callable[[], str | None]) -> Answer:
    """Look the object up: another program may have created it since the plan was made."""
    taken = error.status == _CONFLICT or _TAKEN.search(error.message)
    found = find_ours() if taken else None
    if found is None:
        raise error
    return Answer(outcome="already so", message=error.message, made_id=found)


def _account_of(attempt: Attempt, email: str) -> str | None:
    """Search every page: Swit may ignore the keyword and answer with all users."""
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
    """All teams as they are just before a step, read when its first change needs them.

    Safe for several threads: one reads, the others wait for it.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lock = threading.Lock()
        self._teams: dict[str, Team] | None = None
        self._below: dict[str, dict[str, None]] = {}

    def read(self, attempt: Attempt) -> None:
        """Read the teams as a call of this attempt, unless another attempt has."""
        with self._lock:
            if self._teams is None:
                teams = attempt.call(attempt.client.list_teams)
                for team in teams:
                    self._below.setdefault(team.parent_id or "", {})[team.team_id] = None
                self._teams = {team.team_id: team for team in teams}

    def __contains__(self, team_id: object) -> bool:
        """Whether the team exists."""
        with self._lock:
            return team_id in (self._teams or {})

    def below(self, team_id: str) -> list[Team]:
        """The child teams, in their present order."""
        with self._lock:
            teams = self._teams or {}
            return [teams[child] for child in self._below.get(team_id, ())]

    def remove(self, team_id: str) -> None:
        """Note that this step has deleted the team."""
        with self._lock:
            team = (self._teams or {}).pop(team_id)
            self._below[team.parent_id or ""].pop(team_id)


def update_team(attempt: Attempt) -> Answer:
    """Change name, parent and reference in one call."""
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
    return applied(attempt, kept=altered_values(wanted, said))


def delete_team(attempt: Attempt, now: TeamsNow) -> Answer:
    """Delete the team, unless it has a child team: Swit would probably delete that, too."""
    team_id = attempt.swit_id(attempt.change.object_id)
    now.read(attempt)
    if team_id not in now:
        return Answer(outcome="already so", message="the team no longer exists")
    below = [team.name for team in now.below(team_id)]
    if below:
        more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
        message = f"it has child teams that stay: {', '.join(below[:_MOST_NAMED])}{more}"
        return Answer(outcome="skipped", message=message)
    attempt.call(attempt.client.delete_team, team_id)
    now.remove(team_id)
    members = attempt.change.before.get("members", ())
    lost = sum(member not in attempt.leavers for member in members)
    counted = {"team.delete": 1, "membership.remove": lost}
    return Answer(outcome="applied", changed={name: n for name, n in counted.items() if n})


def sort_teams(attempt: Attempt, now: TeamsNow) -> Answer:
    """Sort the existing children as planned; children that were added since follow."""
    parent_id = attempt.swit_id(attempt.change.object_id)
    now.read(attempt)
    if parent_id not in now:
        return Answer(outcome="skipped", message="the team no longer exists")
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
