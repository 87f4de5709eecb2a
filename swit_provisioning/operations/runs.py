"""Dagster's runs: which are alive, the newest of each job, and the status that follows from them.

A run is alive while its process holds the lock on a file; the system releases the lock when the
process dies. Dagster itself does not detect that a process has died. Dead runs of other machines
are found by their lease.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg

from swit_provisioning.apply.approvals import PlanState
from swit_provisioning.operations.names import BLOCKED_TAG
from swit_provisioning.operations.services import current_actor, plan_judge
from swit_provisioning.planning.normalize import clock
from swit_provisioning.settings import ScheduleSettings, Settings
from swit_provisioning.state.coordination import LeaseHolder, Pause
from swit_provisioning.state.errors import LeaseHeldError
from swit_provisioning.state.restores import Restoration
from swit_provisioning.state.store import Store

_FOLDER: Final = "alive"


@contextmanager
def alive(home: Path, run_id: str) -> Iterator[None]:
    """Mark this run as alive in this process, while the block lasts."""
    folder = home / _FOLDER
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
    for path in sorted((home / _FOLDER).glob("[!.]*")):
        if not _is_locked(path):
            yield path.name
            path.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return True  # it has just ended normally
    return False


_A_MOMENT = timedelta(seconds=10)


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
    """Mark all dead runs as failed, found by expired leases and by unlocked files; their ids."""
    found = [run_id for run_id in dead_runs(home) if run_id != store.lease.holder()]
    overdue = _with_expired_lease(store)
    return [run_id for run_id in (*found, *overdue) if mark_failed(instance, run_id)]


def _with_expired_lease(store: Store) -> list[str]:
    """The run with the expired lease, which is taken from it first.

    If the run is alive after all, it sends nothing more.
    """
    if store.lease.dead_holder() is None:
        return []
    try:
        grant = store.lease.acquire("dead_runs", actor=current_actor(), ttl=_A_MOMENT)
    except LeaseHeldError:
        return []
    store.lease.release(grant)
    return [grant.taken_over_from] if grant.taken_over_from else []


JOBS: Final = ("sync", "apply", "plan")


@dataclass(frozen=True, kw_only=True)
class SeenRun:
    """One run."""

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

    def document(self) -> dict[str, Any]:
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
) -> dict[str, SeenRun]:
    """Job -> its newest run, of those with this status if one is given.

    Jobs without a run are left out. A run that has not started yet counts from its launch.
    """
    found = {}
    for job in JOBS:
        wanted = dg.RunsFilter(job_name=job, statuses=[status] if status else None)
        for record in dagster.get_run_records(wanted, limit=1):
            run = record.dagster_run
            found[job] = SeenRun(
                run_id=run.run_id,
                job=job,
                status="blocked" if run.tags.get(BLOCKED_TAG) else run.status.value.lower(),
                started_at=_time(record.start_time) or record.create_timestamp,
                ended_at=_time(record.end_time),
            )
    return found


def newest_that_counts(runs: Mapping[str, SeenRun], *, plans_count: bool) -> SeenRun | None:
    """The newest run; runs of the job `plan` only if `plans_count`."""
    counting = [run for job, run in runs.items() if job != "plan" or plans_count]
    never = datetime.min.replace(tzinfo=UTC)
    return max(counting, key=lambda run: run.started_at or never, default=None)


def iso_text(time: datetime | None) -> str | None:
    """`2026-03-01T02:30:00+00:00`, or `None`."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def next_run(settings: ScheduleSettings, now: datetime) -> datetime | None:
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    if settings.schedule_time is None:
        return None
    return next_daily(settings.schedule_time, settings.schedule_timezone, after=now)


def next_daily(clock: str, timezone: str, *, after: datetime) -> datetime:
    """The next time that it is `clock` (`HH:MM`) in `timezone`, in UTC.

    If the clock change skips the time, it is the end of the gap; if it comes twice, the second.
    """
    zone, due = ZoneInfo(timezone), time.fromisoformat(clock)
    day = after.astimezone(zone).date()
    while True:
        found = _on(datetime.combine(day, due), zone)
        if found > after:
            return found
        day += timedelta(days=1)


def _on(local: datetime, zone: ZoneInfo) -> datetime:
    found = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # The clock change skips it: by the two offsets of that night it lies on both sides of the gap.
    before, minute = found, timedelta(minutes=1)
    while (before + minute).astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
        before += minute
    return before + minute


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """The stored login."""

    stored: bool
    expires_at: datetime | None = None
    """When the access token expires; it is renewed when it is needed."""
    renewable: bool = False

    @property
    def days_left(self) -> float | None:
        """Days until the access token expires."""
        if self.expires_at is None:
            return None
        return (self.expires_at - datetime.now(UTC)).total_seconds() / 86400


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of the whole installation."""

    test_mode: bool
    organization_id: str | None
    last_run: SeenRun | None
    last_success: SeenRun | None
    next_run: datetime | None
    """When the schedule starts the next run; `None` without `SCHEDULE_TIME`."""
    next_action: str
    pause: Pause | None
    lease: LeaseHolder | None
    token: StoredLogin
    waiting: tuple[PlanState, ...]
    """Plans that a guard has stopped and that may still be approved."""
    begun: tuple[PlanState, ...] = ()
    """Plans that were applied in part, and whose remaining changes can still be sent."""
    restored: Restoration | None = None
    """Set if the state came back from a backup and no run has planned since."""


def status_of(settings: Settings, store: Store, instance: dg.DagsterInstance) -> Status:
    """Read it from the settings, the state database and Dagster's runs; Swit is not asked."""
    plans_count = settings.schedule_action == "plan"
    plans = plan_judge(settings, store).states(limit=100)
    return Status(
        test_mode=settings.is_test_mode,
        organization_id=store.organization.bound_to(),
        last_run=newest_that_counts(newest_runs(instance), plans_count=plans_count),
        last_success=newest_that_counts(
            newest_runs(instance, dg.DagsterRunStatus.SUCCESS), plans_count=plans_count
        ),
        next_run=next_run(settings, datetime.now(UTC)),
        next_action=settings.schedule_action,
        pause=store.pauses.now(),
        lease=store.lease.held(),
        token=_token(store),
        waiting=tuple(state for state in plans if state.name == "waiting for approval"),
        begun=tuple(state for state in plans if state.name == "begun"),
        restored=_restored(store),
    )


def _restored(store: Store) -> Restoration | None:
    latest = store.restorations.latest()
    return latest if latest is not None and latest.planned_by is None else None


def _token(store: Store) -> StoredLogin:
    pair = store.tokens.load()
    if pair is None:
        return StoredLogin(stored=False)
    renewable = pair.refresh_token is not None
    return StoredLogin(stored=True, expires_at=pair.expires_at, renewable=renewable)


def root_run_id(run: dg.DagsterRun) -> str:
    """The first run of a chain of re-executions: plans and journal belong to it."""
    return run.root_run_id or run.run_id
