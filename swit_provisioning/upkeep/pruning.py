"""What is older than its retention: frames and pages, Dagster's runs, plans, the journal."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import dagster as dg
from upath import UPath

from swit_provisioning.resources.dead_runs import bury_the_dead
from swit_provisioning.resources.frame_files import FrameFiles
from swit_provisioning.settings import Settings
from swit_provisioning.store.retention import OldRows
from swit_provisioning.store.store import Store
from swit_provisioning.upkeep.our_runs import Runs


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """What was made before these times is out of date."""

    plans: datetime
    """Frames and runs, too."""
    journal: datetime

    @classmethod
    def at(cls, now: datetime, settings: Settings) -> Self:
        """As the settings say. What may still be applied is in date, and so is its journal."""
        may_be_applied = timedelta(hours=settings.plan_max_age_hours)
        plans = timedelta(days=settings.retention_days)
        journal = timedelta(days=settings.retention_days_journal)
        return cls(
            plans=now - max(plans, may_be_applied), journal=now - max(journal, may_be_applied)
        )


@dataclass(frozen=True, kw_only=True)
class OldThings:
    """What is out of date, or was deleted."""

    before: Cutoffs
    runs: tuple[str, ...]
    files: tuple[UPath, ...]
    """Frames, pages, and folders of runs."""
    rows: OldRows

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "before": self.before.plans.isoformat(),
            "before_journal": self.before.journal.isoformat(),
            "runs": len(self.runs),
            "files": len(self.files),
            "plans": self.rows.plans,
            "journal_entries": self.rows.entries,
        }

    def sentence(self) -> str:
        """The same for people."""
        return (
            f"of before {self.before.plans:%Y-%m-%d}: {len(self.runs):,} runs with their events,"
            f" {len(self.files):,} frames and pages, {self.rows.plans:,} plans; of before"
            f" {self.before.journal:%Y-%m-%d}: {self.rows.entries:,} journal entries"
        )


class Pruning:
    """Finds and deletes; what a run, a person or the next plan still needs stays at any age."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, store: Store) -> None:
        """Take the three places where things are kept."""
        self._settings = settings
        self._store, self._instance = store, instance
        self._runs = Runs(instance)
        self._files = FrameFiles(UPath(settings.frames_path))

    def find(self, now: datetime | None = None) -> OldThings:
        """Say what is out of date; nothing is deleted."""
        before = Cutoffs.at(now or datetime.now(UTC), self._settings)
        needed = self._files.latest_runs() | self._store.retention.runs_needed()
        kept = self._runs.with_roots(needed | self._runs.newest())
        going = {run.run_id for run in self._runs.ended_before(before.plans, but_not=kept)}
        files = list(self._old_files(going, kept, before.plans))
        rows = self._store.retention.count_before(plans=before.plans, journal=before.journal)
        return OldThings(before=before, runs=tuple(sorted(going)), files=tuple(files), rows=rows)

    def delete(self, old: OldThings) -> OldThings:
        """Delete what was found; what went.

        Of a pruning that broke off, the next one finds the rest. Runs whose process is gone are
        over from now on, so that their time comes, too.
        """
        bury_the_dead(self._instance, self._store, self._settings.home)
        for path in old.files:
            self._files.delete(path)
        for run_id in old.runs:
            self._runs.delete(run_id)
        self._store.retention.delete_before(plans=old.before.plans, journal=old.before.journal)
        return old

    def _old_files(self, going: set[str], kept: set[str], before: datetime) -> Iterator[UPath]:
        """Those of runs that go; of a run that Dagster no longer knows those that are old."""
        for run_id, paths in self._files.runs().items():
            if run_id in going:
                yield from paths
            elif run_id not in kept and not self._runs.is_known(run_id):
                yield from (path for path in paths if self._files.written_at(path) < before)
