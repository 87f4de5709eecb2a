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

from swit_provisioning.daily import next_run
from swit_provisioning.resources.seen_runs import (
    SeenRun,
    iso_text,
    newest_runs,
    newest_that_counts,
)
from swit_provisioning.resources.state import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.store.lease import LeaseHolder

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
