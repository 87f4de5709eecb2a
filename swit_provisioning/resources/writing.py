"""The right to write: one run at a time, by a lease that a dead run loses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import dagster as dg

from swit_provisioning.apply.lease import HeldLease
from swit_provisioning.resources.connections import settings_for
from swit_provisioning.resources.dead_runs import bury
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.who import who_am_i
from swit_provisioning.setting_sources import refuse_misspelled_settings
from swit_provisioning.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of both sides when a plan is sent."""

    read_at: datetime
    """When reading them began."""
    back: frozenset[str] = frozenset()
    """Ids of users who would have left and are in the directory again."""
    moved: frozenset[str] = frozenset()
    """Ids of changes that were no longer called for when both sides were read again."""

    def with_earlier(self, earlier: Self) -> Self:
        """Add what was left out before: a change that the guards did not judge stays left out."""
        return replace(self, back=self.back | earlier.back, moved=self.moved | earlier.moved)


class Writer:
    """Takes the lease when the first writer of a run asks, and gives it back after the run."""

    evidence: Evidence | None = None
    """What this process has read or found stored, once it sends."""
    has_sent: bool = False
    """Whether this process has begun to send: what it knows was new enough then."""

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
                bury(self._instance, self._held.taken_over_from)
        return self._held

    def close(self) -> None:
        """Give the lease back."""
        if self._held is not None:
            self._held.close()


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
        refuse_misspelled_settings()
        with open_store(settings_for(context)) as store:
            writer = Writer(store, instance, run.run_id)
            try:
                yield writer
            finally:
                writer.close()
