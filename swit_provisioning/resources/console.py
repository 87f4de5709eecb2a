"""Nothing is printed where the command line tells the story itself; all of it is in the UI."""

import logging
from contextvars import ContextVar
from typing import Any, Final

import dagster as dg

QUIET: Final[ContextVar[bool]] = ContextVar("quiet", default=False)
"""Set by the command line around the run that it executes in its own process."""


def _silent(context: dg.InitLoggerContext) -> logging.Logger:
    del context
    made = logging.Logger("swit_provisioning.silent", logging.CRITICAL)  # noqa: LOG001 - of one run
    made.addHandler(logging.NullHandler())
    return made


SILENT: Final = dg.LoggerDefinition(_silent, description="Prints nothing.")
"""In place of Dagster's own logger, which prints every event."""


def logger_config() -> dict[str, Any]:
    """What a run's configuration says of loggers: nothing, or the silent one."""
    return {"loggers": {"silent": {}}} if QUIET.get() else {}
