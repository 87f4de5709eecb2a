"""The journal: what was about to be sent, and what came of it. Nothing in it is ever rewritten.

An entry without an outcome is a call whose answer nobody noted: the process died in it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from swit_provisioning.reconcile.guards import COUNTED
from swit_provisioning.reconcile.plan import Change, PlanHash, shown_id
from swit_provisioning.store.approvals import APPROVALS
from swit_provisioning.store.database import Database
from swit_provisioning.store.lease import LeaseGrant, must_be_held
from swit_provisioning.store.tables import METADATA, UtcDateTime

JOURNAL: Final = Table(
    "journal",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("application_id", String(64), nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("run_id", String(64), nullable=False, index=True),
    Column("change_id", Text, nullable=False),
    Column("step", String(32), nullable=False),
    Column("action", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("approval_id", ForeignKey(APPROVALS.c.id)),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("outcome", String(16)),
    Column("message", Text),
    Column("http_status", Integer),
    Column("calls", Integer, nullable=False),
    Column("seconds", Float),
    Column("made_id", String(255)),
    Column("changed", Text, nullable=False),
    Column("left_out", Text, nullable=False),
    Column("kept", Text),
    Index("journal_of_application", "application_id", "plan_hash", "change_id"),
)
# Few entries have one, and each plan asks for them.
Index(
    "journal_kept",
    JOURNAL.c.id,
    sqlite_where=JOURNAL.c.kept.is_not(None),
    postgresql_where=JOURNAL.c.kept.is_not(None),
)

_MOST_IN_FLIGHT: Final = 1000
"""More calls than any run has in flight at once."""
_NOTHING: Final = "{}"
# Made once: with two writes for each call, what it costs to make a statement is felt.
_NEW_ENTRY: Final = insert(JOURNAL)
_NOTE_ANSWER: Final = update(JOURNAL).where(JOURNAL.c.id == bindparam("entry_id"))


@dataclass(frozen=True, kw_only=True)
class Application:
    """On whose account an entry is made: the same for all entries of one writer."""

    application_id: str
    plan_hash: PlanHash
    run_id: str
    approval_id: int | None = None
    """The approval that let the plan past a limit, if one did."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a change."""

    outcome: str
    """`applied`, `already so`, `rejected`, `failed` or `skipped`."""
    message: str | None = None
    http_status: int | None = None
    calls: int = 0
    """Requests sent for it, each repetition counted."""
    seconds: float = 0.0
    made_id: str | None = None
    """Swit's id of what was created."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """What counts against the limits: action -> objects changed; a membership for each user."""
    left_out: tuple[str, ...] = ()
    """Ids (as in the plan) of members that were not added or removed."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Values that Swit answered other than they were sent: field -> as Swit keeps it."""


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """One try of one change; `before` and `after` as in the plan."""

    entry_id: int
    application_id: str
    plan_hash: PlanHash
    run_id: str
    change_id: str
    step: str
    action: str
    target: str
    object_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    approval_id: int | None
    at: datetime
    """When it was about to be sent."""
    outcome: str | None
    """As in `Answer`; `None`: nobody knows what came of it."""
    message: str | None
    http_status: int | None
    calls: int
    seconds: float | None
    made_id: str | None
    changed: Mapping[str, int]
    left_out: tuple[str, ...]
    kept: Mapping[str, str]

    @property
    def plan_id(self) -> str:
        """The plan's name for people."""
        return shown_id(self.plan_hash)


class Journal:
    """All entries, oldest first.

    A process may die at any time, and what it noted is there. What a power cut takes of the last
    notes is sent again, as it is where an answer was lost: every call may be sent twice but the
    creations, and those Swit refuses for the address or the name that is taken by then.
    """

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def intent(
        self, change: Change, application: Application, *, lease: LeaseGrant | None = None
    ) -> int:
        """Note that this change is about to be sent; the entry's id.

        Raises:
            LeaseLostError: `lease` was given and is lost; nothing is noted.

        """
        values = _values(change, application)
        with self._database.note() as connection:
            values["at"] = now = self._database.now(connection)
            if lease is not None:
                must_be_held(connection, lease, now=now)
            made = connection.execute(_NEW_ENTRY, values)
            key = made.inserted_primary_key
        return int(key[0]) if key else 0

    def outcome(self, entry_id: int, answer: Answer) -> None:
        """Note what came of it."""
        with self._database.note() as connection:
            connection.execute(_NOTE_ANSWER, {"entry_id": entry_id, **_noted(answer)})

    def unsent(self, change: Change, application: Application, answer: Answer) -> None:
        """Note a change that was not sent at all, and why."""
        values = {**_values(change, application), **_noted(answer)}
        with self._database.note() as connection:
            values["at"] = self._database.now(connection)
            connection.execute(_NEW_ENTRY, values)

    def latest(
        self, application_id: str, *, plan_hash: PlanHash | None = None
    ) -> dict[str, JournalEntry]:
        """Change id -> its newest entry in this application (of this plan, if one is named)."""
        newest = select(func.max(JOURNAL.c.id)).where(JOURNAL.c.application_id == application_id)
        if plan_hash is not None:
            newest = newest.where(JOURNAL.c.plan_hash == plan_hash)
        ids = newest.group_by(JOURNAL.c.plan_hash, JOURNAL.c.change_id)
        rows = select(JOURNAL).where(JOURNAL.c.id.in_(ids)).order_by(JOURNAL.c.id)
        return {entry.change_id: entry for entry in self._entries(rows)}

    def rows(
        self,
        *,
        application_id: str | None = None,
        run_id: str | None = None,
        since: datetime | None = None,
    ) -> list[JournalEntry]:
        """Entries, oldest first: of one application, of one run, from a time on, or all."""
        rows = select(JOURNAL).order_by(JOURNAL.c.id)
        if application_id is not None:
            rows = rows.where(JOURNAL.c.application_id == application_id)
        if run_id is not None:
            rows = rows.where(JOURNAL.c.run_id == run_id)
        if since is not None:
            rows = rows.where(JOURNAL.c.at >= since)
        return self._entries(rows)

    def last_call_ended(self, *, but_not: str) -> datetime | None:
        """When the newest calls of other applications than `but_not` ended, as far as is known."""
        newest = (
            select(JOURNAL.c.at, JOURNAL.c.seconds)
            .where(JOURNAL.c.application_id != but_not)
            .order_by(JOURNAL.c.id.desc())
            .limit(_MOST_IN_FLIGHT)
        )
        with self._database.read() as connection:
            rows = connection.execute(newest).all()
        return max((at + timedelta(seconds=took or 0) for at, took in rows), default=None)

    def tries(self) -> dict[tuple[str, str | None], int]:
        """(Action, outcome) -> how many tries ended so; one that nobody knows has no outcome."""
        counted = select(JOURNAL.c.action, JOURNAL.c.outcome, func.count()).group_by(
            JOURNAL.c.action, JOURNAL.c.outcome
        )
        with self._database.read() as connection:
            rows = connection.execute(counted).all()
        return {(action, outcome): number for action, outcome, number in rows}

    def unapproved_since(self, time: datetime, *, but_not: str | None = None) -> dict[str, int]:
        """Action -> how many objects it changed from `time` on without an approval.

        An approval leaves out the actions that the guards it lifted count, and no others. A
        membership counts for each user, a team's marking as `team.mark`. `but_not` is an
        application that is not counted.
        """
        counted = (
            select(JOURNAL.c.changed, APPROVALS.c.guards)
            .outerjoin(APPROVALS, APPROVALS.c.id == JOURNAL.c.approval_id)
            .where(JOURNAL.c.at >= time, JOURNAL.c.changed != _NOTHING)
        )
        if but_not is not None:
            counted = counted.where(JOURNAL.c.application_id != but_not)
        total: Counter[str] = Counter()
        with self._database.read() as connection:
            for changed, guards in connection.execute(counted):
                approved = set[str]().union(
                    *(COUNTED.get(guard, ()) for guard in json.loads(guards or "[]"))
                )
                number: dict[str, int] = json.loads(changed)
                total.update({k: n for k, n in number.items() if k not in approved})
        return dict(total)

    def _entries(self, query: Select[Any]) -> list[JournalEntry]:
        with self._database.read() as connection:
            return [entry_of(row) for row in connection.execute(query).mappings()]


def _values(change: Change, application: Application) -> dict[str, Any]:
    return {
        "application_id": application.application_id,
        "plan_hash": application.plan_hash,
        "run_id": application.run_id,
        "change_id": change.change_id,
        "step": change.step,
        "action": change.action,
        "target": change.target,
        "object_id": change.object_id,
        "before": json.dumps(dict(change.before), ensure_ascii=False),
        "after": json.dumps(dict(change.after), ensure_ascii=False),
        "reason": change.reason,
        "approval_id": application.approval_id,
        "calls": 0,
        "changed": _NOTHING,
        "left_out": "[]",
    }


def _noted(answer: Answer) -> dict[str, Any]:
    return {
        "outcome": answer.outcome,
        "message": answer.message,
        "http_status": answer.http_status,
        "calls": answer.calls,
        "seconds": answer.seconds,
        "made_id": answer.made_id,
        "changed": json.dumps(dict(answer.changed)),
        "left_out": json.dumps(answer.left_out, ensure_ascii=False),
        "kept": json.dumps(dict(answer.kept), ensure_ascii=False) if answer.kept else None,
    }


def entry_of(row: RowMapping) -> JournalEntry:
    """The entry that a row of the table holds."""
    values = dict(row)
    return JournalEntry(
        entry_id=values.pop("id"),
        before=json.loads(values.pop("before")),
        after=json.loads(values.pop("after")),
        changed=json.loads(values.pop("changed")),
        left_out=tuple(json.loads(values.pop("left_out"))),
        kept=json.loads(values.pop("kept") or _NOTHING),
        **values,
    )
