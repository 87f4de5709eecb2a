"""A process that dies in the middle of a call that a test has chosen."""

import threading

from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.reliability.forks import Copy

_SECONDS = 180


class Death:
    """Kills a copy at one call, its answer held back until it is dead."""

    def __init__(
        self, server: SandboxServer, *, at: int = 1, call: str = "*", after_work: bool
    ) -> None:
        """Wait for the call so called with the number `at`; it is carried out if `after_work`."""
        self._known = threading.Event()
        self._victim: Copy | None = None
        server.faults.add(
            Fault(kind="drop", call=call, skip=at - 1, act=self._strike, after_work=after_work)
        )

    def of(self, copy: Copy) -> Copy:
        """Say who is to die."""
        self._victim = copy
        self._known.set()
        return copy

    def _strike(self) -> None:
        if self._known.wait(_SECONDS) and self._victim is not None:
            self._victim.kill()
