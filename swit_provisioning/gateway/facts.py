"""What is known of runs, the lease and the schedule: from the state database and from Dagster.

No name of a person, no secret: what is here may be shown to a monitoring system.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from swit_provisioning.gateway.next_run import next_run
from swit_provisioning.resources.connections import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.store.lease import LeaseHolder

JOBS: Final = ("sync", "apply", "plan")

_FRESH_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class RunFact:
    """One run, as Dagster knows it."""

    run_id: str
    job: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took, once it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "status": self.status,
            "started_at": _text(self.started_at),
            "ended_at": _text(self.ended_at),
        }


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that `/status` and `/metrics` tell."""

    at: datetime
    test_mode: bool
    organization_id: str | None
    plans_count: bool
    """Whether `plan` counts as a run: where the schedule only plans."""
    last: Mapping[str, RunFact]
    """Job -> its newest run."""
    succeeded: Mapping[str, RunFact]
    """Job -> its newest run that went well."""
    lease: LeaseHolder | None
    next_run: datetime | None
    token_ends: datetime | None
    changes: Mapping[tuple[str, str | None], int]
    stops: Mapping[str, int]

    @property
    def last_run(self) -> RunFact | None:
        """The newest run of all that count."""
        return self._newest(self.last)

    @property
    def last_success(self) -> RunFact | None:
        """The newest one that went well."""
        return self._newest(self.succeeded)

    def document(self) -> dict[str, Any]:
        """The answer of `/status`, as plain JSON values."""
        lease, last, success = self.lease, self.last_run, self.last_success
        return {
            "mode": "TEST MODE" if self.test_mode else "live",
            "organization_id": self.organization_id,
            "last_run": last.document() if last else None,
            "last_success": success.document() if success else None,
            "next_run": _text(self.next_run),
            "lease": lease
            and {
                "run_id": lease.run_id,
                "since": _text(lease.since),
                "until": _text(lease.until),
            },
            "token_expires_at": _text(self.token_ends),
        }

    def _newest(self, runs: Mapping[str, RunFact]) -> RunFact | None:
        counting = [run for job, run in runs.items() if job != "plan" or self.plans_count]
        never = datetime.min.replace(tzinfo=UTC)
        return max(counting, key=lambda run: run.started_at or never, default=None)


def read_facts(settings: Settings) -> Facts:
    """Ask the state database and Dagster.

    Raises:
        StoreError: the state can't be read.

    """
    now = datetime.now(UTC)
    with open_store(settings) as store, dg.DagsterInstance.get() as dagster:
        token = store.tokens.load()
        return Facts(
            at=now,
            test_mode=settings.is_running_locally,
            organization_id=store.organization.bound_to(),
            plans_count=settings.schedule_action == "plan",
            last=_newest_runs(dagster),
            succeeded=_newest_runs(dagster, dg.DagsterRunStatus.SUCCESS),
            lease=store.lease.held(),
            next_run=next_run(settings, now),
            token_ends=token.expires_at if token else None,
            changes=store.journal.tries(),
            stops=store.plans.stops(),
        )


class CachedFacts:
    """Facts a few seconds old at most; read by one thread at a time, whoever asks."""

    def __init__(
        self, settings: Settings, *, read: Callable[[Settings], Facts] = read_facts
    ) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._read = read
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._at = 0.0
        self._since: object = None

    def get(self, *, since: object = None) -> Facts:
        """The facts; read anew where `since` is another than it was: something has happened.

        Raises:
            StoreError: the state can't be read.

        """
        with self._lock:
            old = time.monotonic() - self._at > _FRESH_SECONDS
            if self._facts is None or old or since != self._since:
                self._facts = self._read(self._settings)
                self._at, self._since = time.monotonic(), since
            return self._facts


def _newest_runs(
    dagster: dg.DagsterInstance, status: dg.DagsterRunStatus | None = None
) -> dict[str, RunFact]:
    found = {}
    for job in JOBS:
        wanted = dg.RunsFilter(job_name=job, statuses=[status] if status else None)
        for record in dagster.get_run_records(wanted, limit=1):
            found[job] = RunFact(
                run_id=record.dagster_run.run_id,
                job=job,
                status=record.dagster_run.status.value.lower(),
                started_at=_time(record.start_time) or record.create_timestamp,
                ended_at=_time(record.end_time),
            )
    return found


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")
