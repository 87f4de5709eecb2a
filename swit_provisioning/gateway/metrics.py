"""Metrics for Prometheus, computed from what is stored: they survive a restart of the gateway.

What the journal holds is pruned one day, so its numbers are gauges: a counter must never fall.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swit_provisioning import __version__
from swit_provisioning.operations.runs import (
    SeenRun,
    iso_text,
    newest_runs,
    newest_that_counts,
    next_run,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.state.coordination import LeaseHolder

_FRESH_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that `/status` and `/metrics` tell."""

    at: datetime
    test_mode: bool
    organization_id: str | None
    plans_count: bool
    """Whether `plan` counts as a run: where the schedule only plans."""
    last: Mapping[str, SeenRun]
    """Job -> its newest run."""
    succeeded: Mapping[str, SeenRun]
    """Job -> its newest run that went well."""
    lease: LeaseHolder | None
    next_run: datetime | None
    token_ends: datetime | None
    changes: Mapping[tuple[str, str | None], int]
    stops: Mapping[str, int]

    @property
    def last_run(self) -> SeenRun | None:
        """The newest run of all that count."""
        return newest_that_counts(self.last, plans_count=self.plans_count)

    @property
    def last_success(self) -> SeenRun | None:
        """The newest one that went well."""
        return newest_that_counts(self.succeeded, plans_count=self.plans_count)

    def document(self) -> dict[str, Any]:
        """The answer of `/status`, as plain JSON values."""
        lease, last, success = self.lease, self.last_run, self.last_success
        return {
            "mode": "TEST MODE" if self.test_mode else "live",
            "organization_id": self.organization_id,
            "last_run": last.document() if last else None,
            "last_success": success.document() if success else None,
            "next_run": iso_text(self.next_run),
            "lease": lease
            and {
                "run_id": lease.run_id,
                "since": iso_text(lease.since),
                "until": iso_text(lease.until),
            },
            "token_expires_at": iso_text(self.token_ends),
        }


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
            test_mode=settings.is_test_mode,
            organization_id=store.organization.bound_to(),
            plans_count=settings.schedule_action == "plan",
            last=newest_runs(dagster),
            succeeded=newest_runs(dagster, dg.DagsterRunStatus.SUCCESS),
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


_PREFIX: Final = "swit_provisioning"
_FIRST_ERROR: Final = 400
_RUNNING: Final = frozenset({"queued", "not_started", "starting", "started", "canceling"})


class GatewayCounters:
    """What the gateway itself has counted since it was started."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.refusals = Counter(
            f"{_PREFIX}_gateway_refusals",
            "Requests that were refused since the gateway was started.",
            ["status"],
            registry=self.registry,
        )
        self.starts = Counter(
            f"{_PREFIX}_gateway_runs_started",
            "Runs of sync that were started through the gateway since it was started.",
            registry=self.registry,
        )

    def page(self, facts: Facts) -> bytes:
        """The answer of `/metrics`, in Prometheus' text format."""
        stored = CollectorRegistry()
        stored.register(_StoredFacts(facts))
        return generate_latest(stored) + generate_latest(self.registry)


class CountRefusals:
    """ASGI middleware: counts every answer that is an error, whoever gives it."""

    def __init__(self, app: ASGIApp, *, counters: GatewayCounters) -> None:
        """Take the application, and where to count."""
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= _FIRST_ERROR:
                self._counters.refusals.labels(message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counting)


class _StoredFacts(Collector):
    """The facts as metrics, one set for one answer."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        facts = self._facts
        version = _gauge("info", "Version of the program; always 1.", "version")
        version.add_metric([__version__], 1)
        yield version
        changes = _gauge("changes", "Tries of changes in the journal.", "action", "outcome")
        for (action, outcome), number in sorted(facts.changes.items(), key=str):
            changes.add_metric([action, outcome or "unknown"], number)
        yield changes
        stops = _gauge("guard_stops", "Stored plans that a guard stopped.", "guard")
        for guard, number in sorted(facts.stops.items()):
            stops.add_metric([guard], number)
        yield stops
        yield from self._runs()
        yield from self._times()
        held = "Whether a run holds the right to write."
        yield _value("lease_held", held, 0 if facts.lease is None else 1)

    def _runs(self) -> Iterator[Metric]:
        took = _gauge("last_run_duration_seconds", "How long the job's newest run took.", "job")
        well = _gauge("last_run_success", "Whether the job's newest run went well.", "job")
        for job, run in self._facts.last.items():
            if run.status not in _RUNNING:
                well.add_metric([job], run.status == "success")
            if run.seconds is not None:
                took.add_metric([job], run.seconds)
        yield took
        yield well

    def _times(self) -> Iterator[Metric]:
        facts = self._facts
        at = _gauge("last_success_timestamp_seconds", "When the job last went well.", "job")
        since = _gauge("last_success_age_seconds", "How long ago that is.", "job")
        for job, run in facts.succeeded.items():
            if run.ended_at is not None:
                at.add_metric([job], run.ended_at.timestamp())
                since.add_metric([job], (facts.at - run.ended_at).total_seconds())
        yield at
        yield since
        for name, what, moment in (
            ("next_run_timestamp_seconds", "When the schedule starts the next.", facts.next_run),
            ("token_expires_timestamp_seconds", "When the login ends.", facts.token_ends),
        ):
            if moment is not None:
                yield _value(name, what, moment.timestamp())


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", what, labels=labels)


def _value(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", what, value=value)
