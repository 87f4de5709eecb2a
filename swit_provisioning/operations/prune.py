"""Retention: expired frames and pages, Dagster runs, plans and journal entries."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import dagster as dg
from upath import UPath

from swit_provisioning.operations.dagster_runs import Runs, mark_dead_runs_failed
from swit_provisioning.settings import Settings
from swit_provisioning.state.expired_rows import OldRows
from swit_provisioning.state.store import Store

_LATEST: Final = "latest"
"""The file beside an asset's frames that names the run which made the newest one."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class FrameFiles:
    """`<asset>/<run id>.parquet` and the files beside it; `<run id>/` of the ops in graphs."""

    def __init__(self, base: UPath) -> None:
        self.base = base

    def runs(self) -> dict[str, list[UPath]]:
        """Run id -> its files and folders."""
        found: dict[str, list[UPath]] = {}
        for folder in self._folders():
            for path in [folder] if _is_run(folder.name) else folder.iterdir():
                if _is_run(path.stem):
                    found.setdefault(path.stem, []).append(path)
        return found

    def latest_runs(self) -> set[str]:
        """The runs that made the newest frame of an asset."""
        return {pointer.read_text().strip() for pointer in self._pointers()}

    def latest(self, asset: str) -> UPath | None:
        """The newest frame of an asset, if there is one."""
        pointer = self.base / asset / _LATEST
        if not pointer.exists():
            return None
        frame = self.base / asset / f"{pointer.read_text().strip()}.parquet"
        return frame if frame.exists() else None

    @staticmethod
    def written_at(path: UPath) -> datetime:
        """When the file, or the newest file in the folder, was written."""
        files = [path]
        if path.is_dir():
            files = [UPath(found) for found in path.rglob("*") if found.is_file()]
        times: list[datetime] = [found.fs.modified(found.path) for found in files]
        aware = (t.replace(tzinfo=UTC) if t.tzinfo is None else t for t in times)
        return max(aware, default=_LONG_AGO)

    @staticmethod
    def delete(path: UPath) -> None:
        """Delete a file, or a folder with its content."""
        if path.is_dir():
            path.rmdir(recursive=True)
        else:
            path.unlink(missing_ok=True)

    def delete_runs(self, run_ids: Collection[str]) -> None:
        """Delete the files of these runs, and the pointers to them."""
        for pointer in list(self._pointers()):
            if pointer.read_text().strip() in run_ids:
                pointer.unlink()
        for run_id, paths in self.runs().items():
            if run_id in run_ids:
                for path in paths:
                    self.delete(path)

    def _folders(self) -> Iterator[UPath]:
        if self.base.exists():
            yield from (path for path in self.base.iterdir() if path.is_dir())

    def _pointers(self) -> Iterator[UPath]:
        for folder in self._folders():
            pointer = folder / _LATEST
            if pointer.exists():
                yield pointer


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class ExpiredData:
    """Runs, files and rows that are expired, or were deleted."""

    before: datetime
    """Runs, frames and plans that were made before are expired."""
    before_journal: datetime
    runs: tuple[str, ...]
    files: tuple[UPath, ...]
    """Frames, pages, and folders of runs."""
    rows: OldRows

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "before": self.before.isoformat(),
            "before_journal": self.before_journal.isoformat(),
            "runs": len(self.runs),
            "files": len(self.files),
            "plans": self.rows.plans,
            "journal_entries": self.rows.entries,
        }

    def sentence(self) -> str:
        """The same for people."""
        return (
            f"of before {self.before:%Y-%m-%d}: {len(self.runs):,} runs with their events,"
            f" {len(self.files):,} frames and pages, {self.rows.plans:,} plans; of before"
            f" {self.before_journal:%Y-%m-%d}: {self.rows.entries:,} journal entries"
        )


class Pruning:
    """Finds and deletes expired data; data that is still needed stays at any age."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, store: Store) -> None:
        self._settings = settings
        self._store, self._instance = store, instance
        self._runs = Runs(instance)
        self._files = FrameFiles(UPath(settings.frames_path))

    def find(self, now: datetime | None = None) -> ExpiredData:
        """Find expired data; delete nothing. A plan that may be applied never expires."""
        may_be_applied = timedelta(hours=self._settings.plan_max_age_hours)
        before, before_journal = (
            (now or datetime.now(UTC)) - max(timedelta(days=days), may_be_applied)
            for days in (self._settings.retention_days, self._settings.retention_days_journal)
        )
        needed = self._files.latest_runs() | self._store.retention.runs_needed()
        kept = self._runs.with_roots(needed | self._runs.newest())
        expired = {run.run_id for run in self._runs.ended_before(before, but_not=kept)}
        files: list[UPath] = []
        for run_id, paths in self._files.runs().items():
            if run_id in expired:
                files += paths
            elif run_id not in kept and not self._runs.is_known(run_id):
                # Old files of runs that Dagster no longer knows.
                files += [path for path in paths if self._files.written_at(path) < before]
        return ExpiredData(
            before=before,
            before_journal=before_journal,
            runs=tuple(sorted(expired)),
            files=tuple(files),
            rows=self._store.retention.count_before(plans=before, journal=before_journal),
        )

    def delete(self, old: ExpiredData) -> ExpiredData:
        """Delete what was found, and return it.

        If this is interrupted, the next pruning finds the rest. Dead runs are marked as failed, so
        that they expire, too.
        """
        mark_dead_runs_failed(self._instance, self._store, self._settings.home)
        for path in old.files:
            self._files.delete(path)
        for run_id in old.runs:
            self._runs.delete(run_id)
        self._store.retention.delete_before(plans=old.before, journal=old.before_journal)
        return old
