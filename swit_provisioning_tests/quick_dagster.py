"""A quick storage for Dagster, for tests that are not about how Dagster stores its runs.

As shipped, Dagster keeps each run in an SQLite file of its own. It opens a new database engine and
waits for the disk several times for each of the 280 events of a `sync`, which is most of the time
of a run. Here everything is in one SQLite file, each process keeps one connection, and nothing
waits for the disk. A killed process loses nothing: the file is the operating system's.
"""

import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import dagster as dg
import sqlalchemy
from dagster._config import StringSource
from dagster._core.instance.types import MayHaveInstanceWeakref
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.in_memory import InMemoryRunStorage
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._serdes import ConfigurableClass, ConfigurableClassData

_SETTINGS = """\
storage:
  custom:
    module: swit_provisioning_tests.quick_dagster
    class: QuickStorage
    config:
      file: "{file}"
"""


def make_quick_home(home: Path) -> None:
    """Make a `DAGSTER_HOME` with the shipped `dagster.yaml`, but for the storage."""
    (home / "history").mkdir(mode=0o700, parents=True, exist_ok=True)
    shipped = (files("swit_provisioning") / "dagster.yaml").read_text(encoding="utf-8")
    settings = _SETTINGS.format(file=home / "history" / "runs.db")
    file = home / "dagster.yaml"
    file.touch(mode=0o600)
    file.write_text(settings + shipped, encoding="utf-8")


class _Database:
    """One connection for all threads of a process, one after the other."""

    def __init__(self, file: str) -> None:
        is_new = not Path(file).exists()
        self.engine = sqlalchemy.create_engine(
            f"sqlite:///{file}",
            poolclass=sqlalchemy.StaticPool,
            connect_args={"check_same_thread": False, "timeout": 60},
        )
        self._connection = self.engine.connect()
        self._lock = threading.RLock()
        for pragma in ("journal_mode=WAL", "synchronous=OFF"):
            self._connection.exec_driver_sql(f"PRAGMA {pragma}")
        self._connection.rollback()
        if is_new:
            for tables in (
                SqlEventLogStorageMetadata,
                RunStorageSqlMetadata,
                ScheduleStorageSqlMetadata,
            ):
                with self.transaction() as connection:
                    tables.create_all(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlalchemy.Connection]:
        """A transaction, or a part of the one that this thread is in."""
        with self._lock:
            if self._connection.in_transaction():
                yield self._connection
            else:
                with self._connection.begin():
                    yield self._connection

    def close(self) -> None:
        self._connection.close()
        self.engine.dispose()


class _OnDatabase(MayHaveInstanceWeakref[Any]):
    """What the three storages have in common."""

    _database: _Database

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        self._instance_weakref = weakref.ref(instance)

    def connect(self) -> Any:  # noqa: ANN401 - a context manager of Dagster's type
        return self._database.transaction()

    def dispose(self) -> None:
        """Nothing: `QuickStorage` closes the database."""


class _Events(_OnDatabase, InMemoryEventLogStorage):
    def __init__(self, database: _Database) -> None:
        self._database, self._engine = database, database.engine
        self._inst_data = None
        self._handlers = defaultdict(set)
        self._storage_id = 0

    def _connect(self) -> Any:  # noqa: ANN401 - a context manager of Dagster's type
        return self._database.transaction()


class _Runs(_OnDatabase, InMemoryRunStorage):
    def __init__(self, database: _Database) -> None:
        self._database, self._engine = database, database.engine


class _Schedules(_OnDatabase, SqliteScheduleStorage):
    def __init__(self, database: _Database) -> None:
        self._database = database


class QuickStorage(DagsterStorage[Any], ConfigurableClass):
    """All that Dagster stores, in one file."""

    def __init__(self, file: str, inst_data: ConfigurableClassData | None) -> None:
        self._database = _Database(file)
        self._events = _Events(self._database)
        self._runs = _Runs(self._database)
        self._schedules = _Schedules(self._database)
        self._inst_data = inst_data

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {"file": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(config_value["file"], inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        super().register_instance(instance)
        for storage in (self._events, self._runs, self._schedules):
            storage.register_instance(instance)

    @property
    def event_log_storage(self) -> _Events:
        return self._events

    @property
    def run_storage(self) -> _Runs:
        return self._runs

    @property
    def schedule_storage(self) -> _Schedules:
        return self._schedules

    def dispose(self) -> None:
        self._database.close()
