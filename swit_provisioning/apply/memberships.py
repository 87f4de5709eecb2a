"""A team's additions and removals: one call each, halved down to who is refused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from swit_provisioning.apply.attempt import Attempt
from swit_provisioning.apply.telling import emails_of, told
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.errors import SwitNotFoundError, SwitRejectedError
from swit_provisioning.swit.models import Team

Refused = dict[str, SwitRejectedError]
"""Swit's id of a user -> why Swit refused it."""

_FORBIDDEN: Final = 403


def add_members(attempt: Attempt) -> Answer:
    """Add who has an account; who has none is left out and named."""
    emails = emails_of(attempt.change.after)
    known = {user: attempt.record.swit_id(user) for user in emails}
    without = [user for user, swit_id in known.items() if swit_id is None]
    if len(without) == len(known):
        names = told("have no account", emails.values())
        return Answer(outcome="skipped", message=names, left_out=tuple(without))
    plan_id = {swit_id: user for user, swit_id in known.items() if swit_id is not None}
    batch = _Batch(attempt, attempt.client.add_team_users, is_so=_is_in)
    refused = {plan_id[user]: error for user, error in batch.send(list(plan_id)).items()}
    words = (
        told("have no account", [emails[user] for user in without]),
        _told_refused(refused, emails),
    )
    message = "; ".join(filter(None, words)) or None
    return batch.answer(refused, message=message, left_out=(*without, *refused))


def remove_members(attempt: Attempt) -> Answer:
    """Remove whoever is still a member."""
    emails = emails_of(attempt.change.before)
    batch = _Batch(attempt, attempt.client.remove_team_users, is_so=_is_out)
    errors = batch.send(list(emails))
    refused = {u: e for u, e in errors.items() if not isinstance(e, SwitNotFoundError)}
    message = _told_refused(refused, emails)
    return batch.answer(refused, message=message, left_out=tuple(refused))


class _Batch:
    """One team's additions or removals on their way."""

    def __init__(
        self,
        attempt: Attempt,
        send: Callable[[str, Sequence[str]], None],
        *,
        is_so: Callable[[Team, str], bool],
    ) -> None:
        """`is_so` tells from a team as listed whether nothing is left to do for a user."""
        self._attempt = attempt
        self._send = send
        self._is_so = is_so
        self._team_id = attempt.swit_id(attempt.change.object_id)
        self._changed: list[str] = []

    def send(self, users: list[str]) -> Refused:
        """Send all; who is refused. The others are done.

        Raises:
            SwitRejectedError: it is not about single users: the team is gone, or we may not.

        """
        try:
            self._call(users)
        except SwitRejectedError as error:
            team = self._look_up()
            if team is None or error.status == _FORBIDDEN:
                raise
            waiting = [user for user in users if not self._is_so(team, user)]
            if len(waiting) == len(users):
                return self._one_by_one(users, error)
            return self._try(waiting) if waiting else {}
        return {}

    def answer(self, refused: Refused, *, message: str | None, left_out: tuple[str, ...]) -> Answer:
        """What came of it; memberships of leavers count as theirs, not against the limit."""
        counted = sum(user not in self._attempt.leavers for user in self._changed)
        return Answer(
            outcome="rejected" if refused else "applied" if self._changed else "already so",
            message=message,
            http_status=next((error.status for error in refused.values()), None),
            changed={self._attempt.change.action: counted} if counted else {},
            left_out=left_out,
        )

    def _try(self, users: list[str]) -> Refused:
        try:
            self._call(users)
        except SwitRejectedError as error:
            return self._one_by_one(users, error)
        return {}

    def _one_by_one(self, users: list[str], error: SwitRejectedError) -> Refused:
        if len(users) == 1:
            return {users[0]: error}
        middle = len(users) // 2
        return self._try(users[:middle]) | self._try(users[middle:])

    def _call(self, users: list[str]) -> None:
        self._attempt.call(self._send, self._team_id, users)
        self._changed += users

    def _look_up(self) -> Team | None:
        teams = self._attempt.call(self._attempt.client.list_teams)
        return next((team for team in teams if team.team_id == self._team_id), None)


def _is_in(team: Team, user: str) -> bool:
    return user in (team.user_ids or ())


def _is_out(team: Team, user: str) -> bool:
    # A list of members may be shortened: then who is not in it may be one all the same.
    members = team.user_ids
    return members is not None and team.member_count == len(members) and user not in members


def _told_refused(refused: Refused, emails: Mapping[str, str]) -> str | None:
    return told("were refused", [f"{emails[u]} ({e.message})" for u, e in refused.items()])
