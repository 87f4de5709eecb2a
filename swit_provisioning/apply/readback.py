"""What membership calls really did: read back, because a partial success looks like a success."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.apply.record import Record
from swit_provisioning.apply.telling import emails_of, told
from swit_provisioning.reconcile.plan import Change, Plan
from swit_provisioning.store.journal import Answer
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.models import User
from swit_provisioning.swit.reading import read_users

_MEMBERSHIPS = ("membership.add", "membership.remove")


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Users as they are now, by Swit's id; none where there was nothing to read back."""

    users: Mapping[str, User] = field(default_factory=dict)
    everybody: bool = False
    """Whether who is not among them has no account."""

    @classmethod
    def read(cls, client: SwitClient) -> "Accounts":
        """All of them. Raises `SwitError`."""
        users = {user.user_id: user for user in read_users(client)}
        return cls(users=users, everybody=True)

    def is_in(self, user_id: str, team_id: str) -> bool | None:
        """Whether the user is in the team; `None` where nobody says."""
        user = self.users.get(user_id)
        if user is None:
            return False if self.everybody else None
        return None if user.teams is None else any(t.team_id == team_id for t in user.teams)

    def is_primary(self, user_id: str, team_id: str) -> bool:
        """Whether it is known to be the user's primary team."""
        user = self.users.get(user_id)
        return any(t.primary and t.team_id == team_id for t in (user.teams if user else None) or ())


def sent_memberships(plan: Plan, record: Record) -> Iterator[tuple[Change, Answer]]:
    """Membership changes that this application has sent, with what was answered."""
    for change in plan.changes:
        if change.action in _MEMBERSHIPS:
            answer = record.answer(change)
            if answer is not None and answer.outcome in DONE | {"rejected"}:
                yield change, answer


def reject_what_was_not_done(plan: Plan, record: Record, accounts: Accounts) -> None:
    """Note who was not added or not removed although Swit reported a success."""
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
            words = (answer.message, told(what, [emails[user] for user in missed]))
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
