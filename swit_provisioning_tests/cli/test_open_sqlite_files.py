"""Dagster's SQLite files during a run: they stay open, and nothing waits for the disk."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, QueuePool, create_engine

from swit_provisioning.cli.sync import sqlite_files_kept_open

_NORMAL, _FULL = 1, 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a write-ahead log, as Dagster makes them."""
    path = tmp_path / "runs.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE run (id INTEGER)")
    connection.close()
    return path


def synchronous(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


def test_the_log_is_moved_into_the_file_only_at_the_end(file: Path) -> None:
    """Dagster connects several hundred times in a run: each time would wait for the disk."""
    log = file.with_name("runs.db-wal")
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with sqlite_files_kept_open():
        for _ in range(3):
            with engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO run VALUES (1)")
            assert log.stat().st_size
        assert synchronous(engine) == _NORMAL
    assert not log.exists()
    assert synchronous(engine) == _FULL
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM run").scalar_one() == 3


def test_a_file_without_a_write_ahead_log_is_left_as_it_is(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=NullPool)
    with sqlite_files_kept_open():
        assert synchronous(engine) == _FULL


def test_the_state_database_still_waits_for_the_disk(file: Path) -> None:
    engine = create_engine(f"sqlite:///{file}", poolclass=QueuePool)
    with sqlite_files_kept_open():
        assert synchronous(engine) == _FULL
    engine.dispose()
