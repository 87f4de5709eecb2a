"""What came of a change, and the five words for it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.planning.actions import CREATIONS, MEMBERSHIPS
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Plan
from swit_provisioning.state.journal import Answer, Application, JournalEntry
from swit_provisioning.state.store import Store

OutcomeKind = Literal["applied", "already so", "rejected", "failed", "skipped"]
"""`rejected`: Swit refused it; `failed`: only time can mend it; `skipped`: what it needs is not."""

DONE: Final[frozenset[str]] = frozenset({"applied", "already so"})
"""What others that need the change may build on."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one change, as far as the journal knows."""

    change: Change
    outcome: OutcomeKind
    message: str | None
    """Swit's words, or ours, where it was not simply done."""
    http_status: int | None
    """The status of the answer that decided it; `None` where there was none."""
    calls: int
    """Requests of the last try, each repetition counted."""


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
        self._makers = {c.object_id: c for c in plan.changes if c.action in CREATIONS}
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


class Needs:
    """Which changes of a plan wait for which others."""

    def __init__(self, plan: Plan, record: Record) -> None:
        """Take the plan and what is known of its changes."""
        self._record = record
        additions = (change for change in plan.changes if change.action == "membership.add")
        self._additions = {change.object_id: change for change in additions}

    def unmet(self, change: Change) -> str | None:
        """Why this change can't be sent now; `None` if it can."""
        return next(self._reasons(change), None)

    def may_join_now(self, change: Change) -> bool:
        """Whether someone who was left out of an addition has an account by now."""
        answer = self._record.answer(change)
        left_out = answer.left_out if answer else ()
        return any(self._record.swit_id(user) is not None for user in left_out)

    def _reasons(self, change: Change) -> Iterator[str]:
        for change_id in change.depends_on:
            needed = self._record.change(change_id)
            if needed is None:
                yield f"it needs {change_id}, which is not part of this plan"
            elif not self._record.is_done(needed) and not _can_do_without(change, needed):
                yield self._told(needed)
        for object_id in _objects(change):
            if self._record.swit_id(object_id) is None:
                maker = self._record.maker(object_id)
                yield self._told(maker) if maker else f"nothing in this plan makes {object_id}"
        if change.action == "primary.update":
            yield from self._not_a_member(change)

    def _not_a_member(self, change: Change) -> Iterator[str]:
        """A user can't have a primary team that this plan failed to put them in."""
        addition = self._additions.get(change.after["team_id"])
        if addition is None or change.object_id not in addition.after["user_ids"]:
            return
        answer = self._record.answer(addition)
        tried = answer is not None and answer.outcome in DONE | {"rejected"}
        if answer is None or not tried or change.object_id in answer.left_out:
            yield self._told(addition)

    def _told(self, needed: Change) -> str:
        answer = self._record.answer(needed)
        what = f"it needs {needed.action} of {needed.target}"
        if answer is None:
            return f"{what}, which was not sent"
        return f"{what}, which was {answer.outcome}"


def _can_do_without(change: Change, needed: Change) -> bool:
    """Whoever has no account is left out; the team's other members need not wait."""
    return change.action in MEMBERSHIPS and needed.action == "user.create"


def _objects(change: Change) -> Iterator[str]:
    """Ids without which the call can't be written."""
    if change.action not in CREATIONS:
        yield change.object_id
    for name in ("parent_id", "team_id"):
        value = change.after.get(name)
        if isinstance(value, str) and value.startswith(NEW):
            yield value


def bindings_to_remember(
    plan: Plan, store: Store, application_id: str
) -> list[tuple[Literal["user", "group"], str, str]]:
    """Kind, directory id and Swit id of each binding whose object is there.

    What the plan was to make and did not make is left out.
    """
    application = Application(application_id=application_id, plan_hash=plan.plan_hash, run_id="")
    record = Record(store=store, plan=plan, application=application)
    found = ((b.kind, b.directory_id, record.swit_id(b.object_id)) for b in plan.bindings)
    return [(kind, directory_id, known) for kind, directory_id, known in found if known]
