"""The newest runs of each job, as Dagster knows them: for people and for monitoring systems."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from swit_provisioning.reconcile.text import clock
from swit_provisioning.resources.code_location import BLOCKED_TAG

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
        """How long it took, once it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def in_words(self) -> str:
        """How it ended, or how it stands, when, and which it is."""
        when = self.ended_at or self.started_at
        told = [self.status, clock(when) if when else "", self.job, self.run_id]
        return " · ".join(filter(None, told))

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
    """Job -> its newest run, of those that ended so if `status` says how; jobs without are not in.

    One that has not begun yet counts as started when it was launched.
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
    """The newest of all; of the job `plan` only where the schedule does no more than plan."""
    counting = [run for job, run in runs.items() if job != "plan" or plans_count]
    never = datetime.min.replace(tzinfo=UTC)
    return max(counting, key=lambda run: run.started_at or never, default=None)


def iso_text(time: datetime | None) -> str | None:
    """`2026-03-01T02:30:00+00:00`, or nothing for no time."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
