"""Outcomes of changes, and the journal of one application that holds them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.planning.actions import CREATIONS, MEMBERSHIPS
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Plan
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store

OutcomeKind = Literal["applied", "already so", "rejected", "failed", "skipped"]
"""`rejected`: Swit refused it; `failed`: it may succeed later; `skipped`: a needed one did not."""

DONE: Final[frozenset[str]] = frozenset({"applied", "already so"})
"""Outcomes after which dependent changes may be sent."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one change, by the journal."""

    change: Change
    outcome: OutcomeKind
    message: str | None
    """The message of Swit or of this program; `None` if it was simply applied."""
    http_status: int | None
    """The HTTP status of the decisive answer; `None` if there was none."""
    calls: int
    """Requests of the last attempt, including retries."""


NEW: Final = (NEW_USER, NEW_TEAM)
"""The prefixes of ids of objects that the plan itself creates."""


class Record:
    """The journal of one application of one plan. Safe for several threads."""

    def __init__(self, *, store: Store, plan: Plan, application: Application) -> None:
        """Read the answers recorded so far."""
        self._journal = store.journal
        self._application = application
        self._lock = threading.Lock()
        self._changes = {change.change_id: change for change in plan.changes}
        self._makers = {c.object_id: c for c in plan.changes if c.action in CREATIONS}
        entries = store.journal.latest(application.application_id, plan_hash=plan.plan_hash)
        self._answers = {
            name: Answer(
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
            if entry.outcome is not None
            else None
            for name, entry in entries.items()
        }

    def change(self, change_id: str) -> Change | None:
        """The change of the plan with this id."""
        return self._changes.get(change_id)

    def maker(self, object_id: str) -> Change | None:
        """The change that creates this object, for an id that begins with `new:`."""
        return self._makers.get(object_id)

    def answer(self, change: Change) -> Answer | None:
        """The answer; `None` if the change was not sent, or its answer is not known."""
        with self._lock:
            return self._answers.get(change.change_id)

    def is_done(self, change: Change) -> bool:
        """Whether dependent changes may be sent."""
        answer = self.answer(change)
        return answer is not None and answer.outcome in DONE

    def may_have_been_sent(self, change: Change) -> bool:
        """Whether a call of an earlier attempt may have reached Swit."""
        with self._lock:
            if change.change_id not in self._answers:
                return False
            answer = self._answers[change.change_id]
        return answer is None or answer.outcome != "skipped"

    def swit_id(self, object_id: str) -> str | None:
        """The Swit id of an object of the plan; `None` if it was not created."""
        if not object_id.startswith(NEW):
            return object_id
        maker = self.maker(object_id)
        answer = self.answer(maker) if maker else None
        return answer.made_id if answer and answer.outcome in DONE else None

    def intent(self, change: Change, lease: HeldLease) -> int:
        """Record that it is about to be sent; the id of the entry. Raises `LeaseLostError`."""
        entry_id = self._journal.intent(change, self._application, lease=lease.grant)
        with self._lock:
            self._answers[change.change_id] = None
        return entry_id

    def outcome(self, change: Change, entry_id: int, answer: Answer) -> None:
        """Record the answer."""
        self._journal.outcome(entry_id, answer)
        with self._lock:
            self._answers[change.change_id] = answer

    def unsent(self, change: Change, answer: Answer) -> None:
        """Record that it was not sent, and why."""
        self._journal.unsent(change, self._application, answer)
        with self._lock:
            self._answers[change.change_id] = answer


class Dependencies:
    """Which changes of a plan depend on which others."""

    def __init__(self, plan: Plan, record: Record) -> None:
        """Take the plan and the answers to its changes."""
        self._record = record
        additions = (change for change in plan.changes if change.action == "membership.add")
        self._additions = {change.object_id: change for change in additions}

    def unmet(self, change: Change) -> str | None:
        """Why this change can't be sent now; `None` if it can."""
        return next(self._reasons(change), None)

    def may_join_now(self, change: Change) -> bool:
        """Whether a user who was left out of an addition exists now."""
        answer = self._record.answer(change)
        left_out = answer.left_out if answer else ()
        return any(self._record.swit_id(user) is not None for user in left_out)

    def _reasons(self, change: Change) -> Iterator[str]:
        for change_id in change.depends_on:
            needed = self._record.change(change_id)
            if needed is None:
                yield f"it needs {change_id}, which is not part of this plan"
            # A user who does not exist is left out; the other members of the team need not wait.
            elif not self._record.is_done(needed) and not (
                change.action in MEMBERSHIPS and needed.action == "user.create"
            ):
                yield self._reason(needed)
        new = [change.after.get(name) for name in ("parent_id", "team_id")]
        called = [] if change.action in CREATIONS else [change.object_id]
        called += [value for value in new if isinstance(value, str) and value.startswith(NEW)]
        for object_id in called:
            if self._record.swit_id(object_id) is None:
                maker = self._record.maker(object_id)
                yield (
                    self._reason(maker) if maker else f"no change of this plan creates {object_id}"
                )
        addition = self._additions.get(change.after.get("team_id", ""))
        if (
            change.action == "primary.update"
            and addition is not None
            and change.object_id in addition.after["user_ids"]
        ):
            # A team that this plan failed to add the user to can't become the primary team.
            answer = self._record.answer(addition)
            tried = answer is not None and answer.outcome in DONE | {"rejected"}
            if answer is None or not tried or change.object_id in answer.left_out:
                yield self._reason(addition)

    def _reason(self, needed: Change) -> str:
        answer = self._record.answer(needed)
        what = f"it needs {needed.action} of {needed.target}"
        if answer is None:
            return f"{what}, which was not sent"
        return f"{what}, which was {answer.outcome}"


def bindings_to_remember(
    plan: Plan, store: Store, application_id: str
) -> list[tuple[Literal["user", "group"], str, str]]:
    """Kind, directory id and Swit id of each match whose object exists.

    Objects that the plan was to create and did not create are left out.
    """
    application = Application(application_id=application_id, plan_hash=plan.plan_hash, run_id="")
    record = Record(store=store, plan=plan, application=application)
    found = ((b.kind, b.directory_id, record.swit_id(b.object_id)) for b in plan.bindings)
    return [(kind, directory_id, known) for kind, directory_id, known in found if known]
