"""What all tables share: their register, how a time is kept, and how a row is put in place."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    MetaData,
    Table,
    TypeDecorator,
    and_,
    insert,
    update,
)
from sqlalchemy.exc import IntegrityError

METADATA: Final = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides of the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; raises `ValueError` for a time without a time zone."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"{value!r} has no time zone; give datetime.now(UTC)"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back; SQLite keeps no time zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def put(
    connection: Connection, table: Table, *, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Write the one row that `key` names, new or not."""
    change = update(table).where(and_(*(table.c[name] == value for name, value in key.items())))
    if connection.execute(change.values(**values)).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**key, **values))
    except IntegrityError:
        # Another process was faster: its row is there now.
        connection.execute(change.values(**values))
