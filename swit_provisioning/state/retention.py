"""What is older than anybody needs it, taken out of the state: plans, who decided, the journal.

What counts at any age stays: the newest plan, an application that may still be gone on with, what
the next plan reads in the journal, who is who, rejections that stand.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
)

from swit_provisioning.state.coordination import PAUSES
from swit_provisioning.state.database import Database
from swit_provisioning.state.decisions import ACCEPTANCES, APPROVALS, REJECTIONS
from swit_provisioning.state.journal import JOURNAL, SEEN, newest_kept
from swit_provisioning.state.plans import CONTENTS, MADE

_BATCH: Final = 500


@dataclass(frozen=True, kw_only=True)
class OldRows:
    """How many rows are out of date, or were deleted."""

    plans: int
    """Makings of plans: one plan may have been made in many nights."""
    entries: int
    """Of the journal."""


@dataclass(frozen=True, kw_only=True)
class _GoingOn:
    """The one application that may be gone on with at any age: the newest, if it isn't through."""

    application_id: str = ""
    plan_hash: str = ""


class Retention:
    """Finds and deletes rows by their age."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def runs_needed(self) -> set[str]:
        """Runs that had a hand in the application that may be gone on with, or made its plan."""
        with self._database.read() as connection:
            going_on = _going_on(connection)
            hands = select(ACCEPTANCES.c.run_id).where(
                ACCEPTANCES.c.application_id == going_on.application_id
            )
            makers = select(MADE.c.run_id).where(MADE.c.plan_hash == going_on.plan_hash)
            return set(connection.execute(hands.union(makers)).scalars())

    def count_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Count what `delete_before` would delete."""
        with self._database.read() as connection:
            going_on = _going_on(connection)
            made = _count(connection, MADE, _old_plans(plans, going_on))
            entries = _count(connection, JOURNAL, _old_entries(journal, going_on))
            entries += len(_outdated_kept(connection, _old_entries_kept(journal, going_on)))
        return OldRows(plans=made, entries=entries)

    def delete_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Delete plans made before one time, and what the audit trail holds of before another."""
        with self._database.write() as connection:
            going_on = _going_on(connection)
            made = _delete(connection, MADE, _old_plans(plans, going_on))
            _delete(
                connection, CONTENTS, CONTENTS.c.content_hash.not_in(_used(MADE.c.content_hash))
            )
            _delete(connection, ACCEPTANCES, _old_acceptances(plans, going_on))
            entries = _delete(connection, JOURNAL, _old_entries(journal, going_on))
            outdated = _outdated_kept(connection, _old_entries_kept(journal, going_on))
            for first in range(0, len(outdated), _BATCH):
                ids = outdated[first : first + _BATCH]
                entries += _delete(connection, JOURNAL, JOURNAL.c.id.in_(ids))
            _delete(connection, APPROVALS, _old_approvals(journal))
            _delete(connection, PAUSES, or_(PAUSES.c.ended_at < journal, PAUSES.c.until < journal))
            _delete(connection, REJECTIONS, REJECTIONS.c.lifted_at < journal)
        if made or entries:
            self._database.tidy()
        return OldRows(plans=made, entries=entries)


def _going_on(connection: Connection) -> _GoingOn:
    newest = select(ACCEPTANCES).order_by(ACCEPTANCES.c.accepted_at.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None or row.finished_at is not None:
        return _GoingOn()
    return _GoingOn(application_id=row.application_id, plan_hash=row.plan_hash)


def _old_plans(before: datetime, going_on: _GoingOn) -> ColumnElement[bool]:
    newest = select(func.max(MADE.c.id)).scalar_subquery()
    return and_(
        MADE.c.made_at < before, MADE.c.plan_hash != going_on.plan_hash, MADE.c.id != newest
    )


def _old_acceptances(before: datetime, going_on: _GoingOn) -> ColumnElement[bool]:
    newest = select(func.max(ACCEPTANCES.c.accepted_at)).scalar_subquery()
    return and_(
        ACCEPTANCES.c.accepted_at < before,
        ACCEPTANCES.c.accepted_at != newest,
        ACCEPTANCES.c.application_id != going_on.application_id,
    )


def _old(before: datetime, going_on: _GoingOn) -> ColumnElement[bool]:
    """The newest entry stays: its number must not be given a second time."""
    seen = func.coalesce(select(SEEN.c.entry_id).scalar_subquery(), 0)
    newest = select(func.max(JOURNAL.c.id)).scalar_subquery()
    return and_(
        JOURNAL.c.at < before,
        JOURNAL.c.id <= seen,
        JOURNAL.c.id < newest,
        JOURNAL.c.application_id != going_on.application_id,
    )


def _old_entries(before: datetime, going_on: _GoingOn) -> ColumnElement[bool]:
    return and_(_old(before, going_on), JOURNAL.c.kept.is_(None))


def _old_entries_kept(before: datetime, going_on: _GoingOn) -> ColumnElement[bool]:
    return and_(_old(before, going_on), JOURNAL.c.kept.is_not(None))


def _outdated_kept(connection: Connection, old: ColumnElement[bool]) -> list[int]:
    """Of the entries that say what Swit keeps otherwise, those that newer ones replace."""
    found = connection.execute(select(JOURNAL.c.id).where(old)).scalars()
    return sorted(set(found) - newest_kept(connection))


def _old_approvals(before: datetime) -> ColumnElement[bool]:
    used = (_used(table.c.approval_id) for table in (ACCEPTANCES, JOURNAL))
    return and_(APPROVALS.c.at < before, *(APPROVALS.c.id.not_in(ids) for ids in used))


def _used(column: Column[Any]) -> Select[Any]:
    return select(column).where(column.is_not(None))


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(table).where(condition)
    return connection.execute(counted).scalar_one()


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(condition)).rowcount
