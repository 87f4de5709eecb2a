"""What was made now, made to look as if made long ago: tests move the data, not the clock."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select, update

from swit_provisioning.state.database import METADATA, UtcDateTime
from swit_provisioning.state.store import Store


def age_state(store: Store, by: timedelta) -> None:
    """Move every time in the state database back."""
    with store._database.write() as connection:
        for table in METADATA.sorted_tables:
            _age_table(connection, table, by)


def _age_table(connection: Connection, table: Table, by: timedelta) -> None:
    times = [column for column in table.columns if isinstance(column.type, UtcDateTime)]
    keys = list(table.primary_key.columns)
    for row in connection.execute(select(table)).mappings().all():
        earlier: dict[str, Any] = {c.name: row[c.name] - by for c in times if row[c.name]}
        if earlier:
            mine = [column == row[column.name] for column in keys]
            connection.execute(update(table).where(*mine).values(earlier))


def age_home(home: Path, by: timedelta) -> None:
    """Move every run and every file below `DAGSTER_HOME` back."""
    with closing(sqlite3.connect(home / "history" / "runs.db")) as runs, runs:
        for column in ("create_timestamp", "update_timestamp"):
            earlier = (
                f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-{by.total_seconds():.0f} seconds')"
            )
            runs.execute(f"UPDATE runs SET {column} = {earlier}")  # noqa: S608 - words of our own
        for column in ("start_time", "end_time"):
            runs.execute(f"UPDATE runs SET {column} = {column} - {by.total_seconds()}")  # noqa: S608 - the same
    for path in home.rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - by.total_seconds()
            os.utime(path, (then, then))
