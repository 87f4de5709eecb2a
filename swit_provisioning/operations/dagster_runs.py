"""Dagster's runs of this project: their tags, which of them are alive, the newest of each job.

A run is alive while its process holds the lock on a file; the system releases the lock when the
process dies. Dagster itself does not detect that a process has died. Dead runs of other machines
are found by their lease.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
from sqlalchemy import text

from swit_provisioning.operations.services import current_actor
from swit_provisioning.planning.normalize import clock
from swit_provisioning.state.coordination import LeaseHeldError
from swit_provisioning.state.store import Store

LOCATION: Final = "swit_provisioning"
"""The name of the code location in workspace.yaml: the UI finds the job of a run by it."""
OURS: Final[Mapping[str, str]] = {"dagster/code_location": LOCATION}
"""The tag of every run of this code location."""
SCHEDULE_TAG: Final = "dagster/schedule_name"
"""Dagster's tag for a run that a schedule has launched."""
RETRY_TAG: Final = "dagster/retry_number"
"""Dagster's tag for a run that it starts by itself to retry a failed one."""
NO_RETRY_TAGS: Final[Mapping[str, str]] = {"dagster/max_retries": "0"}
"""Tags of a run that Dagster never retries by itself, whatever `run_retries` says."""
WRITING_JOBS: Final = ("sync", "apply")
"""The jobs that may write to Swit."""
BLOCKED_TAG: Final = "swit_provisioning/blocked"
"""Run tag: why the run was blocked. Empty in a re-execution of a blocked run."""
RESULT_TAG: Final = "swit_provisioning/result"
"""Run tag: the `RunState` of a refused run. Empty in a re-execution of a refused run."""
CALLS_TAG: Final = "swit_provisioning/calls"
"""Run tag: API calls to Swit in this run, reads included."""
LEFT_OUT_TAG: Final = "swit_provisioning/left_for_later"
"""Run tag: the changes of the plan that were not selected, counted."""
ONE_PERSON_TAG: Final = "swit_provisioning/one_person"
"""Run tag: the run planned for one person only."""
FEW_REJECTED: Final = "few_changes_were_rejected"
NO_CHANGE_REJECTED: Final = "no_change_was_rejected"
WRITERS: Final = ("applied_users", "applied_teams", "applied_sort", "applied_memberships")
INTERRUPTED: Final = "The run was interrupted by a signal (Ctrl-C or SIGTERM)."

_JOBS: Final = ("plan", "apply", "sync", "prune")
_BY_HAND: Final = "__ASSET_JOB"
"""Dagster's job of assets that are launched one by one."""
ENDED: Final = (
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
_BATCH: Final = 100
_ALIVE_FOLDER: Final = "alive"
_A_MOMENT: Final = timedelta(seconds=10)


def is_ours(run: dg.DagsterRun) -> bool:
    """Whether a run is of our code location; without that tag, by the name of its job."""
    locations = {tag: run.tags[tag] for tag in OURS if tag in run.tags}
    return locations == dict(OURS) if locations else run.job_name in (*_JOBS, _BY_HAND)


class Runs:
    """The runs of our code location in an instance that other projects may share."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._ours = dict(OURS)

    def ended_before(self, time: datetime, *, but_not: set[str]) -> list[dg.DagsterRun]:
        """Ended runs created before a time, without these and their re-executions."""
        filters = dg.RunsFilter(statuses=list(ENDED), created_before=time, tags=self._ours)
        return [run for run in self._all(filters) if not but_not & {run.run_id, run.root_run_id}]

    def newest(self) -> set[str]:
        """The newest run and the newest successful run of each job: `status` shows them."""
        found: set[str] = set()
        for job in _JOBS:
            for statuses in (None, [dg.DagsterRunStatus.SUCCESS]):
                filters = dg.RunsFilter(job_name=job, statuses=statuses, tags=self._ours)
                found |= {run.run_id for run in self._instance.get_runs(filters, limit=1)}
        return found

    def under_way(self) -> list[dg.DagsterRun]:
        """Runs that have started or are queued, and have not ended."""
        return list(self._all(dg.RunsFilter(statuses=list(_UNDER_WAY), tags=self._ours)))

    def is_known(self, run_id: str) -> bool:
        """Whether Dagster has a run with this id, of any code location."""
        return self._instance.get_run_by_id(run_id) is not None

    def all(self) -> Iterator[dg.DagsterRun]:
        """Every run of ours; one without a code location is ours by the name of its job."""
        yield from self._all(dg.RunsFilter(tags=self._ours))
        for job in (*_JOBS, _BY_HAND):
            found = self._all(dg.RunsFilter(job_name=job))
            yield from (run for run in found if not self._ours.keys() & run.tags.keys())

    def delete(self, run_id: str) -> None:
        """Delete a run with its events, and the files that Dagster leaves behind."""
        # Dagster keeps the results of checks. Storage that is no SQL database has no such table.
        connect = getattr(self._instance.event_log_storage, "index_connection", None)
        if connect is not None:
            statement = text("DELETE FROM asset_check_executions WHERE run_id = :run_id")
            with connect() as connection:
                connection.execute(statement, {"run_id": run_id})
        self._instance.delete_run(run_id)
        # With storage in files, Dagster empties the file of the run and keeps it at full size.
        home = Path(self._instance.root_directory)
        # The home is the daemon's if the daemon's own account launched the run: no files here.
        with contextlib.suppress(PermissionError):
            for suffix in ("", "-wal", "-shm"):
                (home / "history" / "runs" / f"{run_id}.db{suffix}").unlink(missing_ok=True)
        shutil.rmtree(Path(self._instance.storage_directory()) / run_id, ignore_errors=True)

    def with_roots(self, run_ids: set[str]) -> set[str]:
        """These runs and their root runs, whose frames they read."""
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


@contextlib.contextmanager
def alive(home: Path, run_id: str) -> Iterator[None]:
    """Mark this run as alive in this process, while the block lasts."""
    folder = home / _ALIVE_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, unlocked = folder / run_id, folder / f".{run_id}"
    with unlocked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # From now on others may check whether it is locked.
        unlocked.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def dead_runs(home: Path) -> Iterator[str]:
    """Runs whose process has died; each is returned once."""
    for path in sorted((home / _ALIVE_FOLDER).glob("[!.]*")):
        try:
            with path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):
            continue  # its process holds the lock, or it has just ended
        yield path.name
        path.unlink(missing_ok=True)


def mark_failed(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Mark a run as failed because its process has died, so that it can be re-executed.

    Returns whether it was still running for Dagster. Its pool slot is freed in any case: Dagster
    does so only minutes later.
    """
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, "Its process has died.")
    return True


def mark_dead_runs_failed(instance: dg.DagsterInstance, store: Store, home: Path) -> list[str]:
    """Mark all dead runs as failed, found by unlocked files and by an expired lease; their ids."""
    holder = store.lease.holder()
    dead = [run_id for run_id in dead_runs(home) if holder is None or run_id != holder.run_id]
    if holder is not None and store.lease.held() is None:
        # The lease is taken from it first: if the run is alive after all, it sends nothing more.
        with contextlib.suppress(LeaseHeldError):
            grant = store.lease.acquire("dead_runs", actor=current_actor(), ttl=_A_MOMENT)
            store.lease.release(grant)
            dead += [grant.taken_over_from] if grant.taken_over_from else []
    return [run_id for run_id in dead if mark_failed(instance, run_id)]


def root_run_id(run: dg.DagsterRun) -> str:
    """The first run of a chain of re-executions: plans and journal belong to it."""
    return run.root_run_id or run.run_id


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run, as `status` and metrics show it."""

    run_id: str
    job: str
    status: str
    """`blocked`, or in Dagster's words, in lower case: `success`, `failure`, `started`..."""
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """Duration, once it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def in_words(self) -> str:
        """Status, time, job and id on one line."""
        when = self.ended_at or self.started_at
        parts = [self.status, clock(when) if when else "", self.job, self.run_id]
        return " · ".join(filter(None, parts))

    def document(self) -> dict[str, str | None]:
        """As plain JSON values."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "status": self.status,
            "started_at": iso_text(self.started_at),
            "ended_at": iso_text(self.ended_at),
        }


def newest_runs(
    dagster: dg.DagsterInstance, status: dg.DagsterRunStatus | None = None
) -> dict[str, RunSummary]:
    """Job -> its newest run, of those with this status if one is given.

    Runs for one person do not count, and jobs without a run are left out. A run that has not
    started yet counts from its launch.
    """
    found = {}
    for job in ("sync", "apply", "plan"):
        wanted = dg.RunsFilter(job_name=job, statuses=[status] if status else None)
        records = dagster.get_run_records(wanted, limit=1)
        while records and ONE_PERSON_TAG in records[0].dagster_run.tags:
            earlier = records[0].dagster_run.run_id
            records = dagster.get_run_records(wanted, limit=1, cursor=earlier)
        for record in records:
            run = record.dagster_run
            found[job] = RunSummary(
                run_id=run.run_id,
                job=job,
                status="blocked" if run.tags.get(BLOCKED_TAG) else run.status.value.lower(),
                started_at=_time(record.start_time) or record.create_timestamp,
                ended_at=_time(record.end_time),
            )
    return found


def newest_that_counts(runs: Mapping[str, RunSummary], *, plans_count: bool) -> RunSummary | None:
    """The newest run; runs of the job `plan` only if `plans_count`."""
    counting = [run for job, run in runs.items() if job != "plan" or plans_count]
    never = datetime.min.replace(tzinfo=UTC)
    return max(counting, key=lambda run: run.started_at or never, default=None)


def iso_text(time: datetime | None) -> str | None:
    """`2026-03-01T02:30:00+00:00`, or `None`."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
