"""Accounts that are there: updating, deactivating, removing, activating, the primary team."""

from collections.abc import Mapping

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.reconcile.changes import is_first_primary_team
from swit_provisioning.reconcile.kept import kept_values
from swit_provisioning.store.journal import Answer


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
