"""What came of a change, and the five words for it."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.planning.model import NEW_TEAM, NEW_USER, Change, Plan
from swit_provisioning.planning.schemas import CHANGE_LOG, OUTCOMES
from swit_provisioning.state.history import Deed
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


_MEMBERSHIPS: Final = frozenset({"membership.add", "membership.remove"})
_NEEDS_CREATIONS: Final = frozenset({"user.create", "team.create"})


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
    return change.action in _MEMBERSHIPS and needed.action == "user.create"


def _objects(change: Change) -> Iterator[str]:
    """Ids without which the call can't be written."""
    if change.action not in _NEEDS_CREATIONS:
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


def outcomes_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """One row for each change, in the order given (schema `OUTCOMES`)."""
    return OUTCOMES.frame(
        {
            "change_id": o.change.change_id,
            "step": o.change.step,
            "action": o.change.action,
            "target": o.change.target,
            "outcome": o.outcome,
            "message": o.message,
            "http_status": o.http_status,
            "calls": o.calls,
        }
        for o in outcomes
    )


UNKNOWN: Final = "unknown"
"""In counts: nobody noted what came of it."""
_USERS: Final = {"membership.add": "after", "membership.remove": "before"}


def change_log_frame(deeds: Iterable[Deed]) -> pd.DataFrame:
    """One row for each entry (schema `CHANGE_LOG`)."""
    return CHANGE_LOG.frame(_row(deed) for deed in deeds)


def outcome_counts(log: pd.DataFrame) -> dict[str, int]:
    """How many changes ended how: of each the last try counts."""
    last = last_tries(log)["outcome"].fillna(UNKNOWN)
    return {str(outcome): int(n) for outcome, n in Counter(last).items()}


def last_tries(log: pd.DataFrame) -> pd.DataFrame:
    """The rows that say what came of each change in the end."""
    return log.drop_duplicates("change_id", keep="last")


def _row(deed: Deed) -> dict[str, Any]:
    entry, approval = deed.entry, deed.approval
    objects = _change_log_objects(entry)
    return {
        "entry": entry.entry_id,
        "at": entry.at.isoformat(),
        "run_id": entry.run_id,
        "plan_id": entry.plan_id,
        "change_id": entry.change_id,
        "step": entry.step,
        "action": entry.action,
        "target": entry.target,
        "object_id": entry.made_id or entry.object_id,
        "before": _text(entry.before),
        "after": _text(entry.after),
        "reason": entry.reason,
        "outcome": entry.outcome,
        "message": entry.message,
        "http_status": entry.http_status,
        "calls": entry.calls,
        "seconds": entry.seconds,
        "objects": objects,
        "refused": _refused(entry, objects),
        "approved_by": approval.who if approval else None,
        "approved_because": approval.why if approval else None,
    }


def _change_log_objects(entry: JournalEntry) -> int:
    side = _USERS.get(entry.action)
    if side is None:
        return 1
    return len((entry.after if side == "after" else entry.before)["user_ids"])


def _refused(entry: JournalEntry, objects: int) -> int:
    """Of a batch those who were left out; all where Swit refused the team itself."""
    if entry.outcome != "rejected":
        return 0
    return len(entry.left_out) or objects


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), ensure_ascii=False)


MOST_REFUSED: Final = 10
"""So many of one action may always be refused."""
LARGEST_SHARE: Final = 5
"""And one in so many."""


@dataclass(frozen=True, kw_only=True)
class MassRefusal:
    """One action that Swit refused for too many objects."""

    action: str
    refused: int
    objects: int
    """How many were to be changed; a membership counts for each user."""
    said: str
    """Swit's words about the first."""

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        said = f" Swit said: {self.said.rstrip('.')}." if self.said else ""
        return (
            f"{self.refused} of {self.objects} {self.action} were rejected, more than a fifth:"
            f" something is wrong with all of them.{said} Mend it, then run: swit-provisioning sync"
        )


def mass_refusals(log: pd.DataFrame) -> list[MassRefusal]:
    """Actions of which more than a fifth and more than ten were rejected in the end."""
    found = []
    for action, rows in last_tries(log).groupby("action", sort=False):
        refused, objects = int(rows["refused"].sum()), int(rows["objects"].sum())
        if refused <= MOST_REFUSED or refused * LARGEST_SHARE <= objects:
            continue
        said = rows.loc[rows["refused"] > 0, "message"].dropna()
        words = str(said.iloc[0]) if len(said) else ""
        found.append(MassRefusal(action=str(action), refused=refused, objects=objects, said=words))
    return found
