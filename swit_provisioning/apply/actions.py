"""Sends one change: the calls of each action, and the outcome of each kind of error."""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.membership_calls import add_members, remove_members
from swit_provisioning.apply.object_calls import (
    TeamsNow,
    activate_user,
    create_team,
    create_user,
    deactivate_user,
    delete_team,
    remove_user,
    sort_teams,
    update_primary_team,
    update_team,
    update_user,
)
from swit_provisioning.planning.actions import SPECS, Action
from swit_provisioning.state.errors import StoreError
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.errors import SwitError, SwitNotFoundError, SwitRejectedError

log = logging.getLogger(__name__)

_SENDERS: Final[Mapping[Action, Callable[[Attempt], Answer]]] = {
    "user.create": create_user,
    "user.update": update_user,
    "user.deactivate": deactivate_user,
    "user.remove": remove_user,
    "user.activate": activate_user,
    "team.create": create_team,
    "team.update": update_team,
    "membership.add": add_members,
    "membership.remove": remove_members,
    "primary.update": update_primary_team,
}
_TEAM_SENDERS: Final[Mapping[Action, Callable[[Attempt, TeamsNow], Answer]]] = {
    "team.delete": delete_team,
    "team.sort": sort_teams,
}


def send(attempt: Attempt, now: TeamsNow) -> Answer:
    """Send a change. An error that concerns this change alone becomes its answer.

    The answer carries the HTTP status that decided it, else that of the last call. If a batch of
    memberships fails, its answer counts the memberships that were changed before.

    Raises:
        StoreError: the journal can't be written, or the lease is lost.

    """
    answer = _sent(attempt, now)
    if attempt.changed_members and not answer.changed:
        answer = replace(answer, changed=attempt.counted_members())
    if answer.http_status is None and attempt.calls:
        return replace(answer, http_status=attempt.http_status)
    return answer


def _sent(attempt: Attempt, now: TeamsNow) -> Answer:
    action = attempt.change.action
    try:
        if action in _TEAM_SENDERS:
            return _TEAM_SENDERS[action](attempt, now)
        return _SENDERS[action](attempt)
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
        return _internal_error(attempt, error)


def _internal_error(attempt: Attempt, error: Exception) -> Answer:
    # The message of the error may hold anything, so only its kind and place are shown.
    place = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    log.error("%s failed with %s:\n%s", attempt.change.action, kind, place)
    message = f"an internal error ({kind}), not one of Swit: please report it, with the log"
    return Answer(outcome="failed", message=message)
