"""Accounts that are there: updating, deactivating, removing, activating, the primary team."""

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.store.journal import Answer


def update_user(attempt: Attempt) -> Answer:
    """Send what differs of name and phone number."""
    wanted = attempt.change.after
    user_id = attempt.swit_id(attempt.change.object_id)
    attempt.call(
        attempt.client.update_user,
        user_id,
        name=wanted.get("name"),
        phone_number=wanted.get("phone_number"),
    )
    return applied(attempt)


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
        return Answer(outcome="skipped", message="the user is not in that team")
    attempt.call(attempt.client.update_primary_team, user_id, team_id=team_id)
    return applied(attempt)


def applied(attempt: Attempt) -> Answer:
    """One object was changed as planned."""
    return Answer(outcome="applied", changed={attempt.change.action: 1})
