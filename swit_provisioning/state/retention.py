"""Deletes expired rows of the state: plans, decisions, the journal.

Rows that are still needed stay at any age: the newest plan, an application that may be continued,
the journal entries that the next plan reads, the identities, and rejections that are in force.
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
    """How many rows are expired, or were deleted."""

    plans: int
    """Each making of a plan counts: one plan may be made every night."""
    entries: int
    """Of the journal."""


@dataclass(frozen=True, kw_only=True)
class _Unfinished:
    """The application that may be continued at any age: the newest, unless it is finished."""

    application_id: str = ""
    plan_hash: str = ""


class Retention:
    """Counts and deletes rows by their age."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def runs_needed(self) -> set[str]:
        """Runs that sent parts of the application that may be continued, or made its plan."""
        with self._database.read() as connection:
            unfinished = _unfinished(connection)
            hands = select(ACCEPTANCES.c.run_id).where(
                ACCEPTANCES.c.application_id == unfinished.application_id
            )
            makers = select(MADE.c.run_id).where(MADE.c.plan_hash == unfinished.plan_hash)
            return set(connection.execute(hands.union(makers)).scalars())

    def count_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Count what `delete_before` would delete."""
        with self._database.read() as connection:
            unfinished = _unfinished(connection)
            made = _count(connection, MADE, _old_plans(plans, unfinished))
            entries = _count(connection, JOURNAL, _old_entries(journal, unfinished))
            entries += len(_outdated_kept(connection, _old_entries_kept(journal, unfinished)))
        return OldRows(plans=made, entries=entries)

    def delete_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Delete plans made before `plans`, and the audit trail before `journal`."""
        with self._database.write() as connection:
            unfinished = _unfinished(connection)
            made = _delete(connection, MADE, _old_plans(plans, unfinished))
            _delete(
                connection, CONTENTS, CONTENTS.c.content_hash.not_in(_used(MADE.c.content_hash))
            )
            _delete(connection, ACCEPTANCES, _old_acceptances(plans, unfinished))
            entries = _delete(connection, JOURNAL, _old_entries(journal, unfinished))
            outdated = _outdated_kept(connection, _old_entries_kept(journal, unfinished))
            for first in range(0, len(outdated), _BATCH):
                ids = outdated[first : first + _BATCH]
                entries += _delete(connection, JOURNAL, JOURNAL.c.id.in_(ids))
            _delete(connection, APPROVALS, _old_approvals(journal))
            _delete(connection, PAUSES, or_(PAUSES.c.ended_at < journal, PAUSES.c.until < journal))
            _delete(connection, REJECTIONS, REJECTIONS.c.lifted_at < journal)
        if made or entries:
            self._database.tidy()
        return OldRows(plans=made, entries=entries)


def _unfinished(connection: Connection) -> _Unfinished:
    newest = select(ACCEPTANCES).order_by(ACCEPTANCES.c.accepted_at.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None or row.finished_at is not None:
        return _Unfinished()
    return _Unfinished(application_id=row.application_id, plan_hash=row.plan_hash)


def _old_plans(before: datetime, unfinished: _Unfinished) -> ColumnElement[bool]:
    newest = select(func.max(MADE.c.id)).scalar_subquery()
    return and_(
        MADE.c.made_at < before, MADE.c.plan_hash != unfinished.plan_hash, MADE.c.id != newest
    )


def _old_acceptances(before: datetime, unfinished: _Unfinished) -> ColumnElement[bool]:
    newest = select(func.max(ACCEPTANCES.c.accepted_at)).scalar_subquery()
    return and_(
        ACCEPTANCES.c.accepted_at < before,
        ACCEPTANCES.c.accepted_at != newest,
        ACCEPTANCES.c.application_id != unfinished.application_id,
    )


def _old(before: datetime, unfinished: _Unfinished) -> ColumnElement[bool]:
    """The newest entry stays: its id must not be used a second time."""
    seen = func.coalesce(select(SEEN.c.entry_id).scalar_subquery(), 0)
    newest = select(func.max(JOURNAL.c.id)).scalar_subquery()
    return and_(
        JOURNAL.c.at < before,
        JOURNAL.c.id <= seen,
        JOURNAL.c.id < newest,
        JOURNAL.c.application_id != unfinished.application_id,
    )


def _old_entries(before: datetime, unfinished: _Unfinished) -> ColumnElement[bool]:
    return and_(_old(before, unfinished), JOURNAL.c.kept.is_(None))


def _old_entries_kept(before: datetime, unfinished: _Unfinished) -> ColumnElement[bool]:
    return and_(_old(before, unfinished), JOURNAL.c.kept.is_not(None))


def _outdated_kept(connection: Connection, old: ColumnElement[bool]) -> list[int]:
    """Entries with a value that Swit stores differently, if a newer entry replaces them."""
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
