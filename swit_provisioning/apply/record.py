"""What is known of each change of one application: its newest outcome, in memory and on disk."""

import threading
from typing import Final

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.apply.outcomes import DONE
from swit_provisioning.reconcile.plan import NEW_TEAM, NEW_USER, Change, Plan
from swit_provisioning.store.journal import Answer, Application, JournalEntry
from swit_provisioning.store.store import Store

_CREATIONS: Final = frozenset({"user.create", "team.create"})
NEW: Final = (NEW_USER, NEW_TEAM)
"""What the ids of things begin with that the plan itself makes."""


class Record:
    """The journal of one application of one plan. Safe for several threads."""

    def __init__(self, *, store: Store, plan: Plan, application: Application) -> None:
        """Read what was done already."""
        self._journal = store.journal
        self._application = application
        self._lock = threading.Lock()
        self._changes = {change.change_id: change for change in plan.changes}
        self._makers = {c.object_id: c for c in plan.changes if c.action in _CREATIONS}
        entries = store.journal.latest(application.application_id, plan_hash=plan.plan_hash)
        self._answers = {name: _answer(entry) for name, entry in entries.items()}

    def change(self, change_id: str) -> Change | None:
        """The change of the plan that is so called."""
        return self._changes.get(change_id)

    def maker(self, object_id: str) -> Change | None:
        """The change that makes this object, for an id that begins with `new:`."""
        return self._makers.get(object_id)

    def answer(self, change: Change) -> Answer | None:
        """What came of it; `None` where it was not sent, or nobody knows."""
        with self._lock:
            return self._answers.get(change.change_id)

    def is_done(self, change: Change) -> bool:
        """Whether others may build on it."""
        answer = self.answer(change)
        return answer is not None and answer.outcome in DONE

    def may_have_been_sent(self, change: Change) -> bool:
        """Whether a call of an earlier try may have reached Swit."""
        with self._lock:
            if change.change_id not in self._answers:
                return False
            answer = self._answers[change.change_id]
        return answer is None or answer.outcome != "skipped"

    def swit_id(self, object_id: str) -> str | None:
        """Swit's id of an object of the plan; `None` for one that was not made."""
        if not object_id.startswith(NEW):
            return object_id
        maker = self.maker(object_id)
        answer = self.answer(maker) if maker else None
        return answer.made_id if answer and answer.outcome in DONE else None

    def intent(self, change: Change, lease: HeldLease) -> int:
        """Note that it is about to be sent; the entry's number. Raises `LeaseLostError`."""
        entry_id = self._journal.intent(change, self._application, lease=lease.grant)
        with self._lock:
            self._answers[change.change_id] = None
        return entry_id

    def outcome(self, change: Change, entry_id: int, answer: Answer) -> None:
        """Note what came of it."""
        self._journal.outcome(entry_id, answer)
        with self._lock:
            self._answers[change.change_id] = answer

    def unsent(self, change: Change, answer: Answer) -> None:
        """Note that it was not sent, and why."""
        self._journal.unsent(change, self._application, answer)
        with self._lock:
            self._answers[change.change_id] = answer


def _answer(entry: JournalEntry) -> Answer | None:
    if entry.outcome is None:
        return None
    return Answer(
        outcome=entry.outcome,
        message=entry.message,
        http_status=entry.http_status,
        calls=entry.calls,
        seconds=entry.seconds or 0.0,
        made_id=entry.made_id,
        changed=entry.changed,
        left_out=entry.left_out,
        kept=entry.kept,
    )
