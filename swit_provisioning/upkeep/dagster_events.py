"""People in what Dagster keeps: events can't be edited, so runs and histories that name one go."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import dagster as dg

from swit_provisioning.assets.applied import WRITERS
from swit_provisioning.checks.outcomes import FEW_REJECTED, NO_CHANGE_REJECTED
from swit_provisioning.reconcile.frames import SCHEMAS
from swit_provisioning.reconcile.guards import GUARDS

Names = Callable[[str], bool]
"""Whether a text names the person."""

_MOST_CHECKS: Final = 100_000
_CHECKS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(SCHEMAS, ()),
    **dict.fromkeys(("change_plan", "accepted_plan"), GUARDS),
    **dict.fromkeys(WRITERS, (NO_CHANGE_REJECTED,)),
    "change_log": (FEW_REJECTED,),
}
"""Our assets, and the checks of each."""


class DagsterEvents:
    """Everything that Dagster's storage holds of our runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Take Dagster's storage."""
        self._instance = instance

    def runs_naming(self, runs: Iterator[dg.DagsterRun], names: Names) -> list[str]:
        """Runs whose configuration, tags or events name the person."""
        return [run.run_id for run in runs if self._is_named(run, names)]

    def assets_naming(self, names: Names) -> list[dg.AssetKey]:
        """Assets whose newest materialization or results of checks do: these outlive their runs."""
        return [key for key in map(dg.AssetKey, _CHECKS) if self._keeps(key, names)]

    def wipe(self, assets: list[dg.AssetKey]) -> None:
        """Forget what was materialized and checked; the next run begins anew."""
        self._instance.wipe_assets(assets)

    def tidy(self, home: Path) -> None:
        """Leave nothing of deleted rows behind in files of SQLite; a server does so in its time."""
        for folder in ("history", "storage", "schedules"):
            for path in sorted((home / folder).rglob("*.db")):
                with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
                    database.execute("VACUUM")
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _is_named(self, run: dg.DagsterRun, names: Names) -> bool:
        if names(json.dumps([run.run_config, dict(run.tags)], ensure_ascii=False, default=str)):
            return True
        return any(names(_text(entry)) for entry in self._instance.all_logs(run.run_id))

    def _keeps(self, key: dg.AssetKey, names: Names) -> bool:
        newest = self._instance.get_latest_materialization_event(key)
        if newest is not None and names(_text(newest)):
            return True
        return any(names(text) for text in self._checks_of(key))

    def _checks_of(self, key: dg.AssetKey) -> Iterator[str]:
        storage = self._instance.event_log_storage
        for check in _CHECKS[key.to_user_string()]:
            found = storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=_MOST_CHECKS
            )
            yield from (_text(record.event) for record in found if record.event)


def _text(entry: dg.EventLogEntry) -> str:
    """All texts of an event as one; JSON would write names otherwise."""
    return json.dumps(json.loads(dg.serialize_value(entry)), ensure_ascii=False)
