"""Dagster's runs of this code location: which are old, which are needed, and how one goes."""

import contextlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import dagster as dg
from sqlalchemy import text

from swit_provisioning.resources.code_location import OURS

JOBS: Final = ("plan", "apply", "sync", "prune")
_BY_HAND: Final = "__ASSET_JOB"
"""What Dagster calls the job of assets that are launched one by one."""
_BATCH: Final = 100
_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_UNDER_WAY: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


class Runs:
    """The runs of our code location in an instance that other projects may share."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Take Dagster's storage."""
        self._instance = instance
        self._ours = dict(OURS)

    def ended_before(self, time: datetime, *, but_not: set[str]) -> list[dg.DagsterRun]:
        """Runs made before a time that are over, but not these, nor re-executions of them."""
        filters = dg.RunsFilter(statuses=list(_ENDED), created_before=time, tags=self._ours)
        return [run for run in self._all(filters) if not but_not & {run.run_id, run.root_run_id}]

    def newest(self) -> set[str]:
        """Of each job the newest run and the newest that went well: `status` tells of them."""
        found: set[str] = set()
        for job in JOBS:
            for statuses in (None, [dg.DagsterRunStatus.SUCCESS]):
                filters = dg.RunsFilter(job_name=job, statuses=statuses, tags=self._ours)
                found |= {run.run_id for run in self._instance.get_runs(filters, limit=1)}
        return found

    def under_way(self) -> list[dg.DagsterRun]:
        """Runs that have begun, or will, and are not over."""
        return list(self._all(dg.RunsFilter(statuses=list(_UNDER_WAY), tags=self._ours)))

    def is_known(self, run_id: str) -> bool:
        """Whether Dagster has such a run, whoever's it is."""
        return self._instance.get_run_by_id(run_id) is not None

    def all(self) -> Iterator[dg.DagsterRun]:
        """Every run; one that says nothing of its location is ours by its job's name."""
        yield from self._all(dg.RunsFilter(tags=self._ours))
        for job in (*JOBS, _BY_HAND):
            found = self._all(dg.RunsFilter(job_name=job))
            yield from (run for run in found if not self._ours.keys() & run.tags.keys())

    def delete(self, run_id: str) -> None:
        """Delete a run with its events, and the files that Dagster leaves of it."""
        self._delete_results_of_checks(run_id)
        self._instance.delete_run(run_id)
        # With its storage in files, Dagster empties the run's own one and keeps it at full size.
        home = Path(self._instance.root_directory)
        # Of a run that the daemon's own account has launched it is the daemon's home: no files.
        with contextlib.suppress(PermissionError):
            for suffix in ("", "-wal", "-shm"):
                (home / "history" / "runs" / f"{run_id}.db{suffix}").unlink(missing_ok=True)
        shutil.rmtree(Path(self._instance.storage_directory()) / run_id, ignore_errors=True)

    def _delete_results_of_checks(self, run_id: str) -> None:
        """Dagster keeps them when it deletes their run, and has no call for it."""
        # Where its storage is no SQL database there is no such table.
        connect = getattr(self._instance.event_log_storage, "index_connection", None)
        if connect is not None:
            statement = text("DELETE FROM asset_check_executions WHERE run_id = :run_id")
            with connect() as connection:
                connection.execute(statement, {"run_id": run_id})

    def with_roots(self, run_ids: set[str]) -> set[str]:
        """These and the runs that they are re-executions of, whose frames they read."""
        runs = [self._instance.get_run_by_id(run_id) for run_id in run_ids]
        return {*run_ids, *(run.root_run_id for run in runs if run and run.root_run_id)}

    def _all(self, filters: dg.RunsFilter) -> Iterator[dg.DagsterRun]:
        cursor = None
        while True:
            records = self._instance.get_run_records(
                filters=filters, limit=_BATCH, cursor=cursor, ascending=True
            )
            yield from (record.dagster_run for record in records)
            if len(records) < _BATCH:
                return
            cursor = records[-1].dagster_run.run_id
