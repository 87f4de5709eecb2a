"""Additions and removals of one team: one call each, halved if it is refused or not answered."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from swit_provisioning.apply.attempt import Attempt, emails_of, named_list
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.errors import (
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnavailableError,
)
from swit_provisioning.swit.models import Team
from swit_provisioning.swit.transport import ATTEMPTS, PATIENCE_SECONDS

Refused = dict[str, SwitRejectedError]
"""Swit id of a user -> why Swit refused it."""

_FORBIDDEN: Final = 403
_LONGEST_WAIT_SECONDS: Final = 15.0


def add_members(attempt: Attempt) -> Answer:
    """Add the users that exist; the others are left out and named."""
    emails = emails_of(attempt.change.after)
    known = {user: attempt.record.swit_id(user) for user in emails}
    without = [user for user, swit_id in known.items() if swit_id is None]
    if len(without) == len(known):
        names = named_list("have no user in Swit", emails.values())
        return Answer(outcome="skipped", message=names, left_out=tuple(without))
    plan_id = {swit_id: user for user, swit_id in known.items() if swit_id is not None}
    batch = _Batch(
        attempt,
        attempt.client.add_team_users,
        is_so=lambda team, user: user in (team.user_ids or ()),
    )
    refused = {plan_id[user]: error for user, error in batch.send(list(plan_id)).items()}
    words = (
        named_list("have no user in Swit", [emails[user] for user in without]),
        _refusals(refused, emails),
    )
    message = "; ".join(filter(None, words)) or None
    return batch.answer(refused, message=message, left_out=(*without, *refused))


def remove_members(attempt: Attempt) -> Answer:
    """Remove the users that are still members."""
    emails = emails_of(attempt.change.before)
    batch = _Batch(attempt, attempt.client.remove_team_users, is_so=_is_out)
    errors = batch.send(list(emails))
    refused = {u: e for u, e in errors.items() if not isinstance(e, SwitNotFoundError)}
    message = _refusals(refused, emails)
    return batch.answer(refused, message=message, left_out=tuple(refused))


class _Batch:
    """Additions to one team, or removals from it.

    After a lost answer, Swit may have done all, a part or none of it. So the team is read back,
    finished users are counted, and the others are sent again in two halves, which Swit is more
    likely to finish within `SWIT_TIMEOUT_SECONDS`.
    """

    def __init__(
        self,
        attempt: Attempt,
        send: Callable[[str, Sequence[str]], None],
        *,
        is_so: Callable[[Team, str], bool],
    ) -> None:
        """`is_so` says of a team as listed whether a user is finished."""
        self._attempt = attempt
        self._send = send
        self._is_so = is_so
        self._team_id = attempt.swit_id(attempt.change.object_id)
        self._is_unsure = attempt.again
        """Whether Swit may have changed more than its answers say."""
        self._is_read = False
        """Whether the team was read since the last lost answer."""
        self._lost = 0
        """Consecutive lost answers: no call succeeded and no user was finished in between."""
        self._most_lost = 0
        self._parts: deque[list[str]] = deque()
        """Users to send, a call for each part."""
        self._refused: Refused = {}

    def send(self, users: list[str]) -> Refused:
        """Send all users; the refused ones. The others are finished.

        Halves of a batch are sent after all other parts. So a user for whom Swit always fails comes
        last, and the other users are finished by then.

        Raises:
            SwitRejectedError: it is not about single users: the team is gone, or access is denied.
            SwitUnavailableError: answers are lost although the batch was halved down to one user.

        """
        # A batch can be halved this often down to one user, and one user is tried four times.
        self._most_lost = max(ATTEMPTS, len(users).bit_length())
        if self._attempt.again:
            # Users that are finished now were finished by the earlier attempt.
            waiting = self._waiting(users)
            self._is_read = waiting is not None  # if the team is gone, Swit says what is wrong
            self._parts.append(users if waiting is None else waiting)
        else:
            self._parts.append(users)
        while self._parts:
            if part := self._parts.popleft():
                self._send_part(part)
        return {user: self._refused[user] for user in users if user in self._refused}

    def answer(self, refused: Refused, *, message: str | None, left_out: tuple[str, ...]) -> Answer:
        """The answer of a batch after its last call."""
        changed = self._attempt.changed_members
        return Answer(
            outcome="rejected" if refused else "applied" if changed else "already so",
            message=message,
            http_status=next((error.status for error in refused.values()), None),
            changed=self._attempt.counted_members(),
            left_out=left_out,
        )

    def _send_part(self, users: list[str]) -> None:
        try:
            self._attempt.call(self._send, self._team_id, users)
        except SwitRejectedError as error:
            self._after_refusal(users, error)
        except SwitThrottledError:
            raise  # Swit did nothing, and the client has waited as long as it does.
        except SwitUnavailableError as error:
            self._after_lost_answer(users, error)
        else:
            self._lost = 0
            self._attempt.changed_members += users

    def _after_refusal(self, users: list[str], error: SwitRejectedError) -> None:
        if not self._is_read:
            waiting = self._waiting(users)
            if waiting is None:
                raise error
            if len(waiting) < len(users):
                self._parts.append(waiting)
                return
        if error.status == _FORBIDDEN:
            raise error
        if len(users) == 1:
            self._refused[users[0]] = error
        else:
            self._halve(users)

    def _after_lost_answer(self, users: list[str], error: SwitUnavailableError) -> None:
        self._lost, self._is_unsure = self._lost + 1, True
        asked = error.retry_after or 0.0
        if asked > PATIENCE_SECONDS:
            raise error
        # Swit may still be working on it: the wait grows with each lost answer.
        self._attempt.wait(max(asked, min(2.0 ** (self._lost - 1), _LONGEST_WAIT_SECONDS)))
        waiting = self._waiting(users)
        if waiting is None:
            raise error
        self._is_read = False  # Swit may do the rest later, and refuse it when it is sent again.
        if len(waiting) < len(users):
            self._lost = 0
        if self._lost >= (ATTEMPTS if len(waiting) == 1 else self._most_lost):
            raise error
        self._halve(waiting)

    def _halve(self, users: list[str]) -> None:
        middle = (len(users) + 1) // 2
        self._parts += (users[:middle], users[middle:])

    def _waiting(self, users: list[str]) -> list[str] | None:
        """The users that are not finished; `None`: the team is gone."""
        teams = self._attempt.call(self._attempt.client.list_teams)
        self._is_read = True
        team = next((team for team in teams if team.team_id == self._team_id), None)
        if team is None:
            return None
        done = {user for user in users if self._is_so(team, user)}
        if self._is_unsure:
            self._attempt.changed_members += done
        return [user for user in users if user not in done]


def _is_out(team: Team, user: str) -> bool:
    # A list of members may be shortened: then a user outside it may still be a member.
    members = team.user_ids
    return members is not None and team.member_count == len(members) and user not in members


def _refusals(refused: Refused, emails: Mapping[str, str]) -> str | None:
    return named_list("were refused", [f"{emails[u]} ({e.message})" for u, e in refused.items()])
