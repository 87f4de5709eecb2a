"""Facts for `/status` and metrics for Prometheus, computed from stored data.

They survive a restart of the gateway. The journal is pruned, so its numbers are gauges: a counter
must never decrease.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from swit_provisioning.operations.dagster_runs import (
    RunSummary,
    iso_text,
    newest_runs,
    newest_that_counts,
)
from swit_provisioning.operations.installation_status import next_run
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.state.coordination import LeaseHolder

_FRESH_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The data of `/status` and `/metrics`."""

    at: datetime
    test_mode: bool
    organization_id: str | None
    plans_count: bool
    """True if the schedule only plans, so that `plan` counts as a run."""
    last: Mapping[str, RunSummary]
    """Job -> its newest run."""
    succeeded: Mapping[str, RunSummary]
    """Job -> its newest successful run."""
    lease: LeaseHolder | None
    next_run: datetime | None
    token_ends: datetime | None
    changes: Mapping[tuple[str, str | None], int]
    stops: Mapping[str, int]

    @property
    def last_run(self) -> RunSummary | None:
        """The newest run that counts."""
        return newest_that_counts(self.last, plans_count=self.plans_count)

    @property
    def last_success(self) -> RunSummary | None:
        """The newest successful run that counts."""
        return newest_that_counts(self.succeeded, plans_count=self.plans_count)

    def document(self) -> dict[str, Any]:
        """The answer of `/status` as JSON values."""
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
    """Read the facts from the state database and Dagster.

    Raises:
        StoreError: the state database cannot be read.

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
    """Facts that are at most a few seconds old. Thread-safe; one thread reads at a time."""

    def __init__(
        self, settings: Settings, *, read: Callable[[Settings], Facts] = read_facts
    ) -> None:
        self._settings = settings
        self._read = read
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._at = 0.0
        self._since: object = None

    def get(self, *, since: object = None) -> Facts:
        """The facts; read again if `since` has changed, which means that something happened.

        Raises:
            StoreError: the state database cannot be read.

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
    """Counters since the start of this gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.refusals = Counter(
            f"{_PREFIX}_gateway_refusals",
            "Requests refused since the start of the gateway.",
            ["status"],
            registry=self.registry,
        )
        self.starts = Counter(
            f"{_PREFIX}_gateway_runs_started",
            "Runs of sync started by the gateway since its start.",
            registry=self.registry,
        )

    def page(self, facts: Facts) -> bytes:
        """The answer of `/metrics`, in Prometheus' text format."""
        stored = CollectorRegistry()
        stored.register(_StoredFacts(facts))
        return generate_latest(stored) + generate_latest(self.registry)


class CountRefusals:
    """ASGI middleware: counts every answer with an error status."""

    def __init__(self, app: ASGIApp, *, counters: GatewayCounters) -> None:
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
    """The facts as metrics, for one answer."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        facts = self._facts
        yield _gauges("info", "Version of the program; always 1.", [((__version__,), 1)], "version")
        changes = {
            (action, outcome or "unknown"): number
            for (action, outcome), number in sorted(facts.changes.items(), key=str)
        }
        what = "Attempts of changes in the journal."
        yield _gauges("changes", what, changes.items(), "action", "outcome")
        stops = {(guard,): number for guard, number in sorted(facts.stops.items())}
        yield _gauges("guard_stops", "Stored plans that a guard blocked.", stops.items(), "guard")
        took = {(job,): run.seconds for job, run in facts.last.items() if run.seconds is not None}
        what = "Duration of the newest run of the job."
        yield _gauges("last_run_duration_seconds", what, took.items(), "job")
        ended = {job: run for job, run in facts.last.items() if run.status not in _RUNNING}
        succeeded = {(job,): run.status == "success" for job, run in ended.items()}
        what = "Whether the newest run of the job succeeded."
        yield _gauges("last_run_success", what, succeeded.items(), "job")
        times = {(job,): run.ended_at for job, run in facts.succeeded.items() if run.ended_at}
        at = {job: time.timestamp() for job, time in times.items()}
        what = "Time of the last success of the job."
        yield _gauges("last_success_timestamp_seconds", what, at.items(), "job")
        age = {job: (facts.at - time).total_seconds() for job, time in times.items()}
        what = "Time since the last success of the job."
        yield _gauges("last_success_age_seconds", what, age.items(), "job")
        for name, what, moment in (
            ("next_run_timestamp_seconds", "Start of the next scheduled run.", facts.next_run),
            ("token_expires_timestamp_seconds", "Expiry of the login.", facts.token_ends),
        ):
            if moment is not None:
                yield _gauges(name, what, [((), moment.timestamp())])
        held = 0 if facts.lease is None else 1
        yield _gauges("lease_held", "Whether a run holds the lease.", [((), held)])


def _gauges(
    name: str, what: str, values: Iterable[tuple[Sequence[str], float]], *labels: str
) -> GaugeMetricFamily:
    """A metric with a value for each combination of values of its labels."""
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", what, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
