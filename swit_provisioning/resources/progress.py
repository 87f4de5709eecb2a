"""How far an apply has come: a bar where the command line runs it, log lines elsewhere."""

from contextvars import ContextVar
from typing import Final

import dagster as dg

from swit_provisioning.apply.lease import Progress
from swit_provisioning.reconcile.plan import Step


class SilentProgress:
    """Says nothing: the outcomes are logged by each op."""

    def advance(self, step: Step, done: int, planned: int) -> None:
        """Take note of nothing."""


CURRENT_PROGRESS: Final[ContextVar[Progress]] = ContextVar("progress", default=SilentProgress())  # noqa: B039 - it holds nothing
"""Set by the command line around the run it executes in its own process."""


class ProgressResource(dg.ConfigurableResource[Progress]):
    """The progress of the process that runs this."""

    def create_resource(self, context: dg.InitResourceContext) -> Progress:
        """The command line's bar, if there is one."""
        del context
        return CURRENT_PROGRESS.get()
