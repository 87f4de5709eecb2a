"""Sends one change: the calls of each action, and the outcome of each kind of error.

A creation must not be sent twice. Its answer may be lost although Swit has created the object, so
the object is looked up before the creation is sent again, also after an earlier run.
"""

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.membership_calls import add_members, remove_members
from swit_provisioning.planning.actions import SPECS, Action
from swit_provisioning.planning.convergence import altered_values
from swit_provisioning.planning.limits import MARKINGS
from swit_provisioning.planning.model import is_first_primary_team
from swit_provisioning.planning.normalize import REMOVED, address_key, name_key, reference_key
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.errors import (
    SwitError,
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnavailableError,
)

MOST_SENT: Final = 3
"""How often a creation is sent if its answer is lost each time and the object is not found."""

_MOST_NAMED: Final = 5
_PAGE: Final = 1000
_CONFLICT: Final = 409
_TAKEN: Final = re.compile(r"\b(already|exists?|taken|duplicated?|in use)\b", re.IGNORECASE)

log = logging.getLogger(__name__)


def send(attempt: Attempt) -> Answer:
    """Send a change. An error that concerns this change alone becomes its answer.

    The answer carries the HTTP status that decided it, else that of the last call. If a batch of
    memberships fails, its answer counts the memberships that were changed before.

    Raises:
        StoreError: the journal can't be written, or the lease is lost.

    """
    answer = _sent(attempt)
    if attempt.changed_members and not answer.changed:
        answer = replace(answer, changed=attempt.counted_members())
    if answer.http_status is None and attempt.calls:
        return replace(answer, http_status=attempt.http_status)
    return answer


def _sent(attempt: Attempt) -> Answer:
    action = attempt.change.action
    try:
        return SENDERS[action](attempt)
    except SwitNotFoundError as error:
        outcome = "already so" if SPECS[action].effect == "takes away" else "rejected"
        return Answer(outcome=outcome, message=error.message, http_status=error.status)
    except SwitRejectedError as error:
        return Answer(outcome="rejected", message=error.message, http_status=error.status)
    except SwitError as error:
        return Answer(outcome="failed", message=str(error), http_status=error.status)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - one change must not cost the others
        # The message of the error may contain anything, so only its kind and place are shown.
        kind, place = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        log.error("%s failed with %s:\n%s", action, kind, place)  # noqa: TRY400 - see above
        message = f"an internal error ({kind}), not one of Swit: please report it, with the log"
        return Answer(outcome="failed", message=message)


def applied(
    attempt: Attempt, *, kept: Mapping[str, str] | None = None, made_id: str | None = None
) -> Answer:
    """The answer for one changed object; `kept` are values that Swit stores differently."""
    values = (f'{name.replace("_", " ")} "{value}"' for name, value in (kept or {}).items())
    return Answer(
        outcome="applied",
        message=f"Swit keeps {', '.join(values)}" if kept else None,
        made_id=made_id,
        changed={attempt.change.action: 1},
        kept=kept or {},
    )


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
        stored = {"name": made.name or None, "phone_number": made.phone_number}
        return applied(attempt, kept=altered_values(wanted, stored), made_id=made.user_id)

    def find() -> str | None:
        # Search every page: Swit may ignore the keyword and answer with all users.
        email = wanted["email"]
        for page in count(1):
            answer = attempt.call(attempt.client.list_users, keyword=email, page=page, count=_PAGE)
            for user in answer.users:
                if address_key(user.email) == address_key(email):
                    return user.user_id
            if not answer.users or page * _PAGE >= answer.total_rows:
                break
        return None

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
        stored = {"name": made.name or None, "reference": made.reference}
        return applied(attempt, kept=altered_values(wanted, stored), made_id=made.team_id)

    def find(*, by_name: bool = True) -> str | None:
        teams = attempt.call(attempt.client.list_teams)
        key = reference_key(reference)
        ours = [team for team in teams if key and reference_key(team.reference) == key]
        ours.sort(key=lambda team: name_key(team.name) != name_key(name))
        if by_name:
            ours += [
                team
                for team in teams
                if name_key(team.name) == name_key(name) and team.parent_id == parent_id
            ]
        return ours[0].team_id if ours else None

    return _create(attempt, make=make, find=find, find_ours=lambda: find(by_name=False))


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
            message = "it exists: only an answer had been lost"
            return replace(applied(attempt, made_id=found), message=message)
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
            # Another program may have created the object since the plan was made.
            taken = error.status == _CONFLICT or _TAKEN.search(error.message)
            found = find_ours() if taken else None
            if found is None:
                raise
            return Answer(outcome="already so", message=error.message, made_id=found)

    # One attempt more: after the last lost answer the object is looked up as well. After a 429 the
    # client has already waited as long as it does.
    tries = Retrying(
        retry=retry_if_exception_type(SwitUnavailableError)
        & retry_if_not_exception_type(SwitThrottledError),
        stop=stop_after_attempt(MOST_SENT + 1),
        wait=wait_exponential_jitter(initial=1, max=15, jitter=1),
        sleep=attempt.wait,
        reraise=True,
    )
    return tries(once)


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
    stored = {"name": now.name, "phone_number": now.phone_number} if now else {}
    return applied(attempt, kept=altered_values(wanted, stored))


def _change_user(attempt: Attempt, call: Callable[[str], None]) -> Answer:
    attempt.call(call, attempt.swit_id(attempt.change.object_id))
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
    stored = {"name": now.name or None, "reference": now.reference} if now else {}
    return applied(attempt, kept=altered_values(wanted, stored))


def delete_team(attempt: Attempt) -> Answer:
    """Delete the team, unless it has a child team: Swit would probably delete that, too."""
    team_id = attempt.swit_id(attempt.change.object_id)
    teams = attempt.read_teams()
    if team_id not in teams:
        return Answer(outcome="already so", message="the team no longer exists")
    below = [team.name for team in teams.below(team_id)]
    if below:
        more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
        message = f"it has child teams that stay: {', '.join(below[:_MOST_NAMED])}{more}"
        return Answer(outcome="skipped", message=message)
    attempt.call(attempt.client.delete_team, team_id)
    teams.remove(team_id)
    members = attempt.change.before.get("members", ())
    lost = sum(member not in attempt.departing for member in members)
    counted = {"team.delete": 1, "membership.remove": lost}
    return Answer(outcome="applied", changed={name: n for name, n in counted.items() if n})


def sort_teams(attempt: Attempt) -> Answer:
    """Sort the existing children as planned; children that were added since follow."""
    parent_id = attempt.swit_id(attempt.change.object_id)
    teams = attempt.read_teams()
    if parent_id not in teams:
        return Answer(outcome="skipped", message="the team no longer exists")
    present = [team.team_id for team in teams.below(parent_id)]
    planned = [attempt.record.swit_id(team) for team in attempt.change.after["team_ids"]]
    there = set(present)
    first = [team for team in planned if team in there]
    there -= set(first)
    wanted = first + [team for team in present if team in there]
    if wanted == present:
        return Answer(outcome="already so", message="they are in this order already")
    attempt.call(attempt.client.sort_teams, parent_id, wanted)
    return applied(attempt)


SENDERS: Final[Mapping[Action, Callable[[Attempt], Answer]]] = {
    "user.create": create_user,
    "user.update": update_user,
    "user.deactivate": lambda attempt: _change_user(attempt, attempt.client.deactivate_user),
    "user.remove": lambda attempt: _change_user(attempt, attempt.client.remove_user),
    "user.activate": lambda attempt: _change_user(attempt, attempt.client.activate_user),
    "team.delete": delete_team,
    "team.create": create_team,
    "team.update": update_team,
    "team.sort": sort_teams,
    "membership.add": add_members,
    "membership.remove": remove_members,
    "primary.update": update_primary_team,
}
