"""The right to write: one run at a time, by a lease that a dead run loses."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.resources.connections import open_store, settings_for
from swit_provisioning.store.store import Store


def who_am_i() -> str:
    """Who starts this run, for the journal and for the next one that waits."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class Writer:
    """Takes the lease when the first writer of a run asks, and gives it back after the run."""

    def __init__(self, store: Store, instance: dg.DagsterInstance, run_id: str) -> None:
        """Nothing is taken yet."""
        self._store, self._instance, self._run_id = store, instance, run_id
        self._held: HeldLease | None = None

    def lease(self) -> HeldLease:
        """The lease, taken now if it was not yet.

        Raises:
            LeaseHeldError: another run holds it; the message says which and until when.

        """
        if self._held is None:
            self._held = HeldLease.acquire(self._store, holder=self._run_id, who=who_am_i())
            if self._held.taken_over_from:
                self._bury(self._held.taken_over_from)
        return self._held

    def close(self) -> None:
        """Give the lease back."""
        if self._held is not None:
            self._held.close()

    def _bury(self, dead: str) -> None:
        """Mark the run that lost the lease as failed, so that it can be re-executed."""
        run = self._instance.get_run_by_id(dead)
        if run is None or run.is_finished:
            return
        self._instance.report_run_failed(run, "Its process is gone: the lease ran out.")
        self._instance.event_log_storage.free_concurrency_slots_for_run(dead)


class WriterResource(dg.ConfigurableResource[Writer]):
    """The right to write, for one run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Writer]:
        """Give back what was taken, however the run ends."""
        run = context.run
        instance = context.instance
        if run is None or instance is None:
            message = "a writer needs a Dagster run: launch the job `sync` or `apply`"
            raise dg.DagsterInvariantViolationError(message)
        with open_store(settings_for(context)) as store:
            writer = Writer(store, instance, run.run_id)
            try:
                yield writer
            finally:
                writer.close()
