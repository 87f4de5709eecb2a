"""The journal: each change that was about to be sent, and its answer. Entries are only completed.

An entry without an outcome is a call whose answer was never recorded: the process died during it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from swit_provisioning.planning.actions import CREATIONS, MEMBERSHIPS, Action
from swit_provisioning.planning.convergence import part_keys
from swit_provisioning.planning.limits import COUNTED
from swit_provisioning.planning.model import Change, PlanHash, shown_id
from swit_provisioning.planning.policy import Repeat, StoredValue
from swit_provisioning.state.coordination import LeaseGrant, must_be_held
from swit_provisioning.state.database import (
    METADATA,
    AnyRow,
    Database,
    Section,
    UtcDateTime,
    upsert,
)
from swit_provisioning.state.plan_approvals import ACCEPTANCES, APPROVALS

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
    Column("approval_id", ForeignKey(APPROVALS.c.id, name="journal_approval_id_fkey")),
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
# Made once: with two writes for each call, the cost of making a statement counts.
_NEW_ENTRY: Final = insert(JOURNAL)
_RECORD_ANSWER: Final = update(JOURNAL).where(JOURNAL.c.id == bindparam("entry_id"))


@dataclass(frozen=True, kw_only=True)
class Application:
    """What the entries of one run and one plan have in common."""

    application_id: str
    plan_hash: PlanHash
    run_id: str
    approval_id: int | None = None
    """The approval that let the plan past a limit, if one did."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a change."""

    outcome: str
    """`applied`, `already so`, `rejected`, `failed` or `skipped`."""
    message: str | None = None
    http_status: int | None = None
    calls: int = 0
    """Requests sent for it, including retries."""
    seconds: float = 0.0
    made_id: str | None = None
    """The Swit id of the created object."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """Action -> changed objects that count against the limits; a membership for each user."""
    left_out: tuple[str, ...] = ()
    """Ids (as in the plan) of members that were not added or removed."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Values that Swit stores differently from what was sent: field -> value as stored."""


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """One attempt to send one change; `before` and `after` as in the plan."""

    entry_id: int
    application_id: str
    plan_hash: PlanHash
    run_id: str
    change_id: str
    step: str
    action: Action
    target: str
    object_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    approval_id: int | None
    at: datetime
    """When the attempt began."""
    outcome: str | None
    """As in `Answer`; `None`: the outcome is not known."""
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


class Journal(Section):
    """All entries, oldest first.

    A process may die at any time; its entries are kept. A power cut may lose the last entries. Then
    these changes are sent again, as after a lost answer: every call may be sent twice except
    creations, and Swit refuses a second creation because the address or the name is taken.
    """

    def intent(
        self, change: Change, application: Application, *, lease: LeaseGrant | None = None
    ) -> int:
        """Record that this change is about to be sent; the id of the entry.

        Raises:
            LeaseLostError: `lease` was given and is lost; nothing is recorded.

        """
        values = _values(change, application)
        with self._database.write(durable=False) as connection:
            values["at"] = now = self._database.now(connection)
            if lease is not None:
                must_be_held(connection, lease, now=now)
            made = connection.execute(_NEW_ENTRY, values)
            key = made.inserted_primary_key
        return int(key[0]) if key else 0

    def outcome(self, entry_id: int, answer: Answer) -> None:
        """Record the answer."""
        with self._database.write(durable=False) as connection:
            connection.execute(_RECORD_ANSWER, {"entry_id": entry_id, **_answer_values(answer)})

    def unsent(self, change: Change, application: Application, answer: Answer) -> None:
        """Record a change that was not sent, and why."""
        values = {**_values(change, application), **_answer_values(answer)}
        with self._database.write(durable=False) as connection:
            values["at"] = self._database.now(connection)
            connection.execute(_NEW_ENTRY, values)

    def latest(self, application_id: str, *, plan_hash: PlanHash) -> dict[str, JournalEntry]:
        """Change id -> its newest entry in this application of this plan."""
        newest = select(func.max(JOURNAL.c.id)).where(
            JOURNAL.c.application_id == application_id, JOURNAL.c.plan_hash == plan_hash
        )
        ids = newest.group_by(JOURNAL.c.change_id)
        found = entries_where(self._database, JOURNAL.c.id.in_(ids))
        return {entry.change_id: entry for entry in found}

    def rows(self, *, run_id: str | None = None) -> list[JournalEntry]:
        """Entries, oldest first: of one run, or all."""
        conditions = [] if run_id is None else [JOURNAL.c.run_id == run_id]
        return entries_where(self._database, *conditions)

    def last_call_ended(self, *, but_not: str) -> datetime | None:
        """When the last call of applications other than `but_not` ended, as far as is known."""
        newest = (
            select(JOURNAL.c.at, JOURNAL.c.seconds)
            .where(JOURNAL.c.application_id != but_not)
            .order_by(JOURNAL.c.id.desc())
            .limit(_MOST_IN_FLIGHT)
        )
        rows = self._database.rows(newest)
        return max((at + timedelta(seconds=took or 0) for at, took in rows), default=None)

    def tries(self) -> dict[tuple[str, str | None], int]:
        """(Action, outcome) -> number of attempts; an unknown outcome is `None`."""
        counted = select(JOURNAL.c.action, JOURNAL.c.outcome, func.count()).group_by(
            JOURNAL.c.action, JOURNAL.c.outcome
        )
        rows = self._database.rows(counted)
        return {(action, outcome): number for action, outcome, number in rows}

    def users_created_since(self, time: datetime, *, but_not: str | None = None) -> int:
        """The number of users created after `time`, but for those of one application."""
        created = select(func.count()).where(
            JOURNAL.c.at > time, JOURNAL.c.action == "user.create", JOURNAL.c.changed != _NOTHING
        )
        if but_not is not None:
            created = created.where(JOURNAL.c.application_id != but_not)
        return int(self._database.scalar(created))

    def unapproved_since(self, time: datetime, *, but_not: str | None = None) -> dict[str, int]:
        """Action -> number of objects that were changed since `time` without an approval.

        An approval leaves out the actions that the guards it lifted count, and no others. What a
        first sync has created is left out, too: it may create all. A membership counts for each
        user, a team's marking as `team.mark`. `but_not` is an application that is not counted.
        """
        first = select(ACCEPTANCES.c.application_id).where(ACCEPTANCES.c.first_sync)
        counted = (
            select(JOURNAL.c.changed, APPROVALS.c.guards, JOURNAL.c.application_id.in_(first))
            .outerjoin(APPROVALS, APPROVALS.c.id == JOURNAL.c.approval_id)
            .where(JOURNAL.c.at >= time, JOURNAL.c.changed != _NOTHING)
        )
        if but_not is not None:
            counted = counted.where(JOURNAL.c.application_id != but_not)
        total: Counter[str] = Counter()
        for changed, guards, is_first_sync in self._database.rows(counted):
            approved = set[str](CREATIONS if is_first_sync else ()).union(
                *(COUNTED.get(guard, ()) for guard in json.loads(guards or "[]"))
            )
            number: dict[str, int] = json.loads(changed)
            total.update({k: n for k, n in number.items() if k not in approved})
        return dict(total)


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


def _answer_values(answer: Answer) -> dict[str, Any]:
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


def entries_where(database: Database, *conditions: ColumnElement[bool]) -> list[JournalEntry]:
    """The entries that meet all conditions, oldest first."""
    rows = database.rows(select(JOURNAL).where(*conditions).order_by(JOURNAL.c.id))
    return [
        JournalEntry(
            entry_id=values.pop("id"),
            before=json.loads(values.pop("before")),
            after=json.loads(values.pop("after")),
            changed=json.loads(values.pop("changed")),
            left_out=tuple(json.loads(values.pop("left_out"))),
            kept=json.loads(values.pop("kept") or _NOTHING),
            **values,
        )
        for values in (row._asdict() for row in rows)
    ]


RETRIED_AFTER: Final = timedelta(days=30)
"""After this time without an attempt, a change that does not stick is sent again."""

_REPEATS: Final = Table(
    "repeat",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("times", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)
SEEN: Final = Table(
    "journal_seen",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", Integer, nullable=False),
)


class JournalMemory(Section):
    """What the next plan needs of the journal, and changes that are planned again and again."""

    def applied(self) -> tuple[dict[str, datetime], int]:
        """Key of a part of a change -> when it was applied, and the id of the newest entry.

        Only entries that the last plan has not read. Of a batch, only the users that Swit accepted
        count.
        """
        c, seen = JOURNAL.c, self._seen()
        columns = (c.application_id, c.action, c.object_id, c.before, c.after, c.left_out, c.at)
        done = select(*columns, c.outcome).where(
            c.id > seen, c.outcome.in_(("applied", "rejected"))
        )
        with self._database.read() as connection:
            newest = connection.execute(select(func.max(c.id))).scalar() or 0
            rows = connection.execute(done.where(c.id <= newest).order_by(c.id)).all()
            applications = sorted({row.application_id for row in rows})
            makings = select(c.application_id, c.object_id, c.made_id).where(
                c.application_id.in_(applications), c.made_id.is_not(None)
            )
            made = {(a, in_plan): swit_id for a, in_plan, swit_id in connection.execute(makings)}
        found: dict[str, datetime] = {}
        for row in rows:
            found |= dict.fromkeys(_keys(row, made), row.at)
        return found, newest

    def kept(self) -> dict[tuple[str, str], StoredValue]:
        """Swit id and field -> the value sent last and the different one that Swit stores."""
        with self._database.read() as connection:
            return {place: kept for place, (_, kept) in kept_values(connection).items()}

    def repeats(self) -> dict[str, Repeat]:
        """Key of a part of a change -> how often it was applied and then reverted in Swit."""
        with self._database.read() as connection:
            since = self._database.now(connection) - RETRIED_AFTER
            rows = connection.execute(select(_REPEATS).where(_REPEATS.c.last_at >= since)).all()
        return {row.key: Repeat(times=row.times, last_at=row.last_at) for row in rows}

    def _seen(self) -> int:
        """The newest journal entry that the last plan has read; 0 before the first plan."""
        return self._database.scalar(select(SEEN.c.entry_id)) or 0

    def remember(self, repeats: Mapping[str, Repeat], *, seen: int) -> None:
        """Replace all repeats, and record that the journal was read up to `seen`."""
        rows = [{"key": key, **vars(repeat)} for key, repeat in repeats.items()]
        with self._database.write() as connection:
            connection.execute(delete(_REPEATS))
            if rows:
                connection.execute(insert(_REPEATS), rows)
            upsert(connection, SEEN, key={"id": 1}, values={"entry_id": seen})


def kept_values(connection: Connection) -> dict[tuple[str, str], tuple[int, StoredValue]]:
    """Swit id and field -> the newest entry with a value that Swit stored differently, and both."""
    c = JOURNAL.c
    noted = select(c.id, c.object_id, c.made_id, c.after, c.kept).where(c.kept.is_not(None))
    found: dict[tuple[str, str], tuple[int, StoredValue]] = {}
    for row in connection.execute(noted.order_by(c.id)):
        sent = json.loads(row.after)
        for name, value in json.loads(row.kept).items():
            place = row.made_id or row.object_id, name
            found[place] = row.id, StoredValue(sent=sent[name], stored=value)
    return found


def _keys(row: AnyRow, made: Mapping[tuple[str, str], str]) -> list[str]:
    """Keys of the parts of a change that Swit accepted; `made` has the ids of new objects."""
    action, left_out = row.action, frozenset(json.loads(row.left_out))
    if row.outcome == "rejected" and not (action in MEMBERSHIPS and left_out):
        return []

    def real(name: str) -> str:
        return made.get((row.application_id, name), name)

    before, after = json.loads(row.before), json.loads(row.after)
    parts = part_keys(action, row.object_id, before, after, real=real)
    return [key for part, key in parts.items() if part not in left_out]
