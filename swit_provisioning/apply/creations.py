"""Making users and teams: the two calls that must not be sent twice.

Their answer may be lost although Swit has done the work. So before one is sent again, and before
one is sent that an earlier run may have sent, the object is looked up.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.users import applied
from swit_provisioning.reconcile.kept import kept_values
from swit_provisioning.reconcile.references import reference_key
from swit_provisioning.reconcile.text import address_key, name_key
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.errors import (
    SwitRejectedError,
    SwitThrottledError,
    SwitUnavailableError,
)
from swit_provisioning.swit.models import Team

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
