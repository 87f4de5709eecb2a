"""Count and delete expired rows of the state: plans, decisions, the journal.

Rows that are still needed stay at any age: the newest plan, an application that may be continued,
the journal entries that the next plan reads, the identities, and rejections that are in force.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select

from swit_provisioning.state.coordination import PAUSES
from swit_provisioning.state.database import Section
from swit_provisioning.state.journal import JOURNAL, SEEN, kept_values
from swit_provisioning.state.plan_approvals import (
    ACCEPTANCES,
    APPROVALS,
    NEWEST_ACCEPTANCE,
    REJECTIONS,
)
from swit_provisioning.state.stored_plans import CONTENTS, MADE

_BATCH: Final = 500


@dataclass(frozen=True, kw_only=True)
class OldRows:
    """How many rows are expired, or were deleted."""

    plans: int
    """Each making of a plan counts: one plan may be made every night."""
    entries: int
    """Of the journal."""


class Retention(Section):
    """Counts and deletes rows by their age."""

    def runs_needed(self) -> set[str]:
        """Runs that sent parts of the application that may be continued, or made its plan."""
        with self._database.read() as connection:
            application_id, plan_hash = _unfinished(connection)
            senders = select(ACCEPTANCES.c.run_id).where(
                ACCEPTANCES.c.application_id == application_id
            )
            makers = select(MADE.c.run_id).where(MADE.c.plan_hash == plan_hash)
            return set(connection.execute(senders.union(makers)).scalars())

    def count_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Count what `delete_before` would delete."""
        with self._database.read() as connection:
            old, outdated = _old_entries(connection, journal)
            made, entries = (
                connection.execute(
                    select(func.count()).select_from(table).where(is_old)
                ).scalar_one()
                for table, is_old in ((MADE, _old_plans(connection, plans)), (JOURNAL, old))
            )
        return OldRows(plans=made, entries=entries + len(outdated))

    def delete_before(self, *, plans: datetime, journal: datetime) -> OldRows:
        """Delete plans made before `plans`, and the audit trail before `journal`."""
        with self._database.write() as connection:
            application_id, _ = _unfinished(connection)
            made = _delete(connection, MADE, _old_plans(connection, plans))
            used = select(MADE.c.content_hash)
            _delete(connection, CONTENTS, CONTENTS.c.content_hash.not_in(used))
            newest = select(func.max(ACCEPTANCES.c.accepted_at)).scalar_subquery()
            is_old = and_(
                ACCEPTANCES.c.accepted_at < plans,
                ACCEPTANCES.c.accepted_at != newest,
                ACCEPTANCES.c.application_id != application_id,
            )
            _delete(connection, ACCEPTANCES, is_old)
            old, outdated = _old_entries(connection, journal)
            entries = _delete(connection, JOURNAL, old)
            for first in range(0, len(outdated), _BATCH):
                ids = outdated[first : first + _BATCH]
                entries += _delete(connection, JOURNAL, JOURNAL.c.id.in_(ids))
            is_used = (
                APPROVALS.c.id.in_(select(ids).where(ids.is_not(None)))
                for ids in (ACCEPTANCES.c.approval_id, JOURNAL.c.approval_id)
            )
            _delete(connection, APPROVALS, and_(APPROVALS.c.at < journal, ~or_(*is_used)))
            _delete(connection, PAUSES, or_(PAUSES.c.ended_at < journal, PAUSES.c.until < journal))
            _delete(connection, REJECTIONS, REJECTIONS.c.lifted_at < journal)
        if made or entries:
            self._database.vacuum()
        return OldRows(plans=made, entries=entries)


def _unfinished(connection: Connection) -> tuple[str, str]:
    """Id and plan of the application that may be continued at any age: the newest, if unfinished.

    Two empty texts if there is none.
    """
    row = connection.execute(NEWEST_ACCEPTANCE).one_or_none()
    if row is None or row.finished_at is not None:
        return "", ""
    return row.application_id, row.plan_hash


def _old_plans(connection: Connection, before: datetime) -> ColumnElement[bool]:
    _, plan_hash = _unfinished(connection)
    newest = select(func.max(MADE.c.id)).scalar_subquery()
    return and_(MADE.c.made_at < before, MADE.c.plan_hash != plan_hash, MADE.c.id != newest)


def _old_entries(connection: Connection, before: datetime) -> tuple[ColumnElement[bool], list[int]]:
    """The condition for old entries, and the ids of further ones.

    These have a value that Swit stores differently, and a newer entry replaces them. The newest
    entry stays: its id must not be used a second time.
    """
    application_id, _ = _unfinished(connection)
    seen = func.coalesce(select(SEEN.c.entry_id).scalar_subquery(), 0)
    newest = select(func.max(JOURNAL.c.id)).scalar_subquery()
    is_old = and_(
        JOURNAL.c.at < before,
        JOURNAL.c.id <= seen,
        JOURNAL.c.id < newest,
        JOURNAL.c.application_id != application_id,
    )
    kept = connection.execute(select(JOURNAL.c.id).where(is_old, JOURNAL.c.kept.is_not(None)))
    outdated = set(kept.scalars()) - {entry_id for entry_id, _ in kept_values(connection).values()}
    return and_(is_old, JOURNAL.c.kept.is_(None)), sorted(outdated)


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(condition)).rowcount
