"""The lease while it is held: renewed in the background, checked before each call."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Self

from swit_provisioning.state.coordination import LeaseGrant, LeaseLostError
from swit_provisioning.state.database import StoreError
from swit_provisioning.state.store import Store

LEASE_TTL: Final = timedelta(seconds=45)
"""How long a dead run keeps other runs from writing."""

_RENEWALS_IN_A_TTL: Final = 4
# The share of the lease that must remain when a call begins; others wait for its full length.
_MARGIN_SHARE: Final = 1 / 9

log = logging.getLogger(__name__)


def awake_seconds() -> float:
    """Seconds that also pass while the machine sleeps, like the lease."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class HeldLease:
    """The right to write, as long as `check` doesn't raise. Close it, or use it as a context."""

    def __init__(
        self,
        store: Store,
        grant: LeaseGrant,
        *,
        asked_at: float,
        clock: Callable[[], float] = awake_seconds,
    ) -> None:
        """Keep renewing `grant`, which was requested at `asked_at` (seconds of `clock`)."""
        self._store = store
        self._clock = clock
        self._renewed_at = self._alive_at = asked_at
        self._lost: LeaseLostError | None = None
        self._over = threading.Event()
        self._calls = threading.Lock()
        self._in_flight = 0
        self.grant: Final = grant
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(
        cls,
        store: Store,
        *,
        holder: str,
        actor: str,
        ttl: timedelta = LEASE_TTL,
        clock: Callable[[], float] = awake_seconds,
    ) -> Self:
        """Take the lease for the run `holder`, which `actor` started.

        Raises:
            LeaseHeldError: another run holds it; the message says which, and until when.

        """
        asked_at = clock()
        grant = store.lease.acquire(holder, actor=actor, ttl=ttl)
        return cls(store, grant, asked_at=asked_at, clock=clock)

    def _keep(self) -> None:
        interval = self.grant.ttl.total_seconds() / _RENEWALS_IN_A_TTL
        while self._lost is None and not self._over.wait(interval):
            self.renew()

    def check(self) -> None:
        """Check that this run may still write; call it before each call to Swit.

        Raises:
            LeaseLostError: it may not.

        """
        if self._lost is not None:
            raise self._lost
        ttl = self.grant.ttl.total_seconds()
        age = self._clock() - self._renewed_at
        if age > ttl * (1 - _MARGIN_SHARE):
            why = f"it was last renewed {age:.0f} s ago"
            raise LeaseLostError(self.grant.holder, why)

    def stop(self) -> None:
        """Send nothing more: the run was interrupted."""
        self._lost = LeaseLostError(self.grant.holder, "the run was interrupted")

    @contextmanager
    def call_in_flight(self) -> Iterator[None]:
        """Keep the lease from being released while the block lasts."""
        with self._calls:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._calls:
                self._in_flight -= 1

    def renew(self) -> None:
        """Renew the lease now; the background thread does so by itself.

        A process that was suspended for longer than the lease lasts has lost it, even if no other
        run has taken it since: what the process knows of both sides may be outdated.
        """
        asked_at = self._clock()
        if self._was_suspended(until=asked_at):
            return
        try:
            self._store.lease.renew(self.grant)
        except LeaseLostError as error:
            self._lost = error
        except StoreError as error:
            log.warning("The lease could not be renewed: %s", error)
        else:
            self._renewed_at = asked_at
        self._was_suspended(until=self._clock())

    def _was_suspended(self, *, until: float) -> bool:
        seconds, self._alive_at = until - self._alive_at, until
        if seconds <= self.grant.ttl.total_seconds():
            return False
        why = f"this process was suspended for {seconds:.0f} s"
        self._lost = LeaseLostError(self.grant.holder, why)
        return True

    def close(self) -> None:
        """Stop renewing and release the lease, so that the next run need not wait.

        While a call is in flight the lease is kept until it expires: Swit may still execute that
        call.
        """
        self._over.set()
        self._thread.join()
        if self._in_flight:
            log.warning("A call is still in flight, so the lease expires by itself.")
            return
        try:
            self._store.lease.release(self.grant)
        except StoreError as error:
            log.warning("The lease could not be released, it expires by itself: %s", error)

    def __enter__(self) -> Self:
        """Use it as a context: it is released at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.close()
