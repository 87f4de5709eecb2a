"""The same tables and statements as PostgreSQL would get them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from swit_provisioning.store.lease import _LEASE
from swit_provisioning.store.tables import METADATA, UtcDateTime


def test_times_carry_their_zone_on_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    for table in METADATA.sorted_tables:
        words = str(CreateTable(table).compile(dialect=dialect))
        assert "DATETIME" not in words
        assert "WITHOUT TIME ZONE" not in words
    assert "until TIMESTAMP WITH TIME ZONE" in str(CreateTable(_LEASE).compile(dialect=dialect))


def test_the_lease_row_is_locked_on_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    assert "FOR UPDATE" in str(select(_LEASE).with_for_update().compile(dialect=dialect))


def test_a_time_without_a_zone_is_refused() -> None:
    kind = UtcDateTime()
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    with pytest.raises(ValueError, match="has no time zone"):
        kind.process_bind_param(datetime(2026, 1, 1), dialect)  # noqa: DTZ001 - the point of it


def test_a_time_is_in_utc_whatever_zone_it_came_in() -> None:
    kind = UtcDateTime()
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    seoul = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    kept = kind.process_bind_param(seoul, dialect)
    assert kept == datetime(2026, 1, 1, tzinfo=UTC)
    assert kept is not None
    assert kind.process_result_value(kept.replace(tzinfo=None), dialect) == kept
