"""What is particular about a database on a server, which several machines share."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from swit_provisioning.state.coordination import _LEASE, LeaseHeldError
from swit_provisioning.state.database import (
    METADATA,
    StoreBusyError,
    StoreUnavailableError,
    UtcDateTime,
    open_database,
    utc_now,
)
from swit_provisioning.state.store import Store
from swit_provisioning_tests.postgresql import Postgresql
from swit_provisioning_tests.state.processes import start


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


@pytest.fixture
def shared(postgresql_server: Postgresql) -> Iterator[Store]:
    with Store.open(postgresql_server.new_database()) as opened:
        yield opened


def test_a_lease_runs_out_by_the_servers_clock(shared: Store) -> None:
    """Machines that share it may disagree about the time."""
    shared.lease.acquire("R1", actor="ann", ttl=timedelta(0))
    taken = shared.lease.acquire("R2", actor="bob", ttl=timedelta(hours=1))
    assert taken.taken_over_from == "R1"
    with pytest.raises(LeaseHeldError, match="R2, started by bob"):
        shared.lease.acquire("R3", actor="eve", ttl=timedelta(hours=1))


_HOLD = """
import sys
from swit_provisioning.state.store import Store
with Store.open(sys.argv[1]) as store, store.tokens.exclusive():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_killed_process_leaves_no_lock_behind(postgresql_server: Postgresql) -> None:
    url = postgresql_server.new_database()
    process = start(_HOLD, url)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    database = open_database(url, utc_now)
    with pytest.raises(StoreBusyError), database.exclusive(timeout_seconds=0.01):
        pytest.fail("two were in at once")
    process.kill()
    process.communicate(timeout=30)
    with database.exclusive(timeout_seconds=30):
        pass
    database.close()


def test_a_server_that_does_not_answer_is_explained_without_the_password() -> None:
    with pytest.raises(StoreUnavailableError, match=r"can't be used.*STATE_DATABASE_URL") as caught:
        Store.open("postgresql://joe:hunter2@127.0.0.1:1/state")
    assert "hunter2" not in str(caught.value)
