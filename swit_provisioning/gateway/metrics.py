"""Metrics for Prometheus, computed from what is stored: they survive a restart of the gateway.

What the journal holds is pruned one day, so its numbers are gauges: a counter must never fall.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swit_provisioning import __version__
from swit_provisioning.gateway.facts import Facts

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
        for name, what, time in (
            ("next_run_timestamp_seconds", "When the schedule starts the next.", facts.next_run),
            ("token_expires_timestamp_seconds", "When the login ends.", facts.token_ends),
        ):
            if time is not None:
                yield _value(name, what, time.timestamp())


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", what, labels=labels)


def _value(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", what, value=value)
