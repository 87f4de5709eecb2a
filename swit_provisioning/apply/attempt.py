"""One attempt to send a change, and what is known of Swit while a step is sent."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, ParamSpec, TypeVar

from swit_provisioning.apply.outcomes import DONE, Record
from swit_provisioning.planning.actions import MEMBERSHIPS
from swit_provisioning.planning.model import Change, Plan
from swit_provisioning.state.journal import Answer
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.models import Team, User
from swit_provisioning.swit.reader import read_users

_MOST_NAMED: Final = 20


def emails_of(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """User id as in the plan -> address."""
    return dict(zip(values["user_ids"], values["emails"], strict=True))


def named_list(what: str, people: Iterable[str]) -> str | None:
    """`3 were refused: ann@x, bob@x, eve@x`; `None` if there is nobody."""
    named = list(people)
    if not named:
        return None
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"{len(named)} {what}: {', '.join(named[:_MOST_NAMED])}{more}"


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Users as they are now, by Swit id; empty if there was nothing to read back."""

    users: Mapping[str, User] = field(default_factory=dict)
    is_complete: bool = False
    """Whether all users were read: a missing user does not exist."""

    @classmethod
    def read(cls, client: SwitClient) -> "Accounts":
        """Read all users. Raises `SwitError`."""
        users = {user.user_id: user for user in read_users(client)}
        return cls(users=users, is_complete=True)

    def is_in(self, user_id: str, team_id: str) -> bool | None:
        """Whether the user is in the team; `None` if that is not known."""
        user = self.users.get(user_id)
        if user is None:
            return False if self.is_complete else None
        return None if user.teams is None else any(t.team_id == team_id for t in user.teams)

    def is_primary(self, user_id: str, team_id: str) -> bool:
        """Whether it is known to be the user's primary team."""
        user = self.users.get(user_id)
        return any(t.primary and t.team_id == team_id for t in (user.teams if user else None) or ())


class TeamsNow:
    """All teams as they are just before a step, read when its first change needs them.

    Safe for several threads: one reads, the others wait for it.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lock = threading.Lock()
        self._teams: dict[str, Team] | None = None
        self._below: dict[str, dict[str, None]] = {}

    def read(self, list_teams: Callable[[], Iterable[Team]]) -> None:
        """Read the teams, unless another thread has."""
        with self._lock:
            if self._teams is None:
                teams = {team.team_id: team for team in list_teams()}
                for team in teams.values():
                    self._below.setdefault(team.parent_id or "", {})[team.team_id] = None
                self._teams = teams

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


def sent_memberships(plan: Plan, record: Record) -> Iterator[tuple[Change, Answer]]:
    """Membership changes that this application has sent, with their answers."""
    for change in plan.changes:
        if change.action in MEMBERSHIPS:
            answer = record.answer(change)
            if answer is not None and answer.outcome in DONE | {"rejected"}:
                yield change, answer


def reject_silent_failures(plan: Plan, record: Record, accounts: Accounts) -> None:
    """Record users as rejected whom Swit did not add or remove though it reported a success."""
    for change, answer in list(sent_memberships(plan, record)):
        team_id = record.swit_id(change.object_id) or ""
        adds = change.action == "membership.add"
        emails = emails_of(change.after if adds else change.before)
        sent = {user: record.swit_id(user) or "" for user in emails if user not in answer.left_out}
        missed = [
            user for user, real in sent.items() if accounts.is_in(real, team_id) is (not adds)
        ]
        if missed:
            what = f"were not {'added' if adds else 'removed'}, though Swit reported a success"
            words = (answer.message, named_list(what, [emails[user] for user in missed]))
            rejected = replace(
                answer,
                outcome="rejected",
                message="; ".join(filter(None, words)),
                left_out=(*answer.left_out, *missed),
                calls=0,
                seconds=0.0,
                changed={},
            )
            record.unsent(change, rejected)


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True)
class Attempt:
    """Everything that sending one change needs."""

    change: Change
    client: SwitClient
    record: Record
    accounts: Accounts
    """The users as read back after memberships had changed; empty before."""
    teams: TeamsNow
    again: bool
    """Whether an earlier call for this change may have reached Swit although its answer is lost."""
    departing: Collection[str]
    """Users whom the plan deactivates or removes: their memberships don't count separately."""
    wait: Callable[[float], None]
    """Sleeps for a number of seconds."""
    calls: int = 0
    """Requests sent, including the client's own retries."""
    http_status: int | None = None
    """The status of the last answer; `None` if there was none."""
    error: SwitError | None = None
    """The error of the last failed call."""
    changed_members: list[str] = field(default_factory=list)
    """Users whose membership this attempt has added or removed so far."""

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client."""
        before = self.client.calls_here
        try:
            return function(*args, **kwargs)
        except SwitError as error:
            self.error = error
            raise
        finally:
            sent = self.client.calls_here - before
            self.calls += sent
            if sent:
                self.http_status = self.client.status_here

    def read_teams(self) -> TeamsNow:
        """The teams as they are just before this step."""
        self.teams.read(lambda: self.call(self.client.list_teams))
        return self.teams

    def counted_members(self) -> dict[str, int]:
        """The changed memberships that count against the limits: those of users who stay."""
        counted = sum(user not in self.departing for user in self.changed_members)
        return {self.change.action: counted} if counted else {}

    def swit_id(self, object_id: str) -> str:
        """The Swit id of an object, which was created before the attempt if the plan creates it."""
        found = self.record.swit_id(object_id)
        if found is None:
            message = f"{object_id} was not made"
            raise LookupError(message)
        return found
