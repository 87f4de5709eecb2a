"""The settings and the session of a run, opened when it starts and closed when it ends."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, Literal

import dagster as dg

from swit_provisioning.apply.progress import CURRENT_DISPLAY, RunProgress
from swit_provisioning.apply.run_model import RunIdentity
from swit_provisioning.apply.session import Session
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.dagster_runs import (
    CALLS_TAG,
    RETRY_TAG,
    SCHEDULE_TAG,
    WRITING_JOBS,
    alive,
    mark_failed,
    root_run_id,
)
from swit_provisioning.operations.services import current_actor, open_store, plan_judge
from swit_provisioning.setting_sources import refuse_misspelled_settings
from swit_provisioning.settings import Settings

Side = Literal["directory", "swit"]


def _settings_of(run: dg.DagsterRun | None) -> Settings:
    """The settings, the same throughout one run, or one error that names all that are missing."""
    if run is None:
        message = "settings need a Dagster run: launch a job"
        raise dg.DagsterInvariantViolationError(message)
    # A single asset of one side needs no settings of the other.
    keys = [key.to_user_string() for key in run.asset_selection or ()]
    sides: tuple[Side, ...] = ("directory", "swit")
    if keys and all(key.startswith("idp_") for key in keys):
        sides = ("directory",)
    elif keys and all(key.startswith("swit_") for key in keys):
        sides = ("swit",)
    return _loaded(run.run_id, sides)


@lru_cache(maxsize=1)
def _loaded(_run_id: str, sides: tuple[Side, ...]) -> Settings:
    settings = Settings.load()
    if settings.missing(*sides):
        with open_store(settings) as store:
            settings.require(*sides, token_stored=store.tokens.load() is not None)
    return settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """All settings, read when the run starts."""

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Read and check them."""
        return _settings_of(context.run)


class SessionResource(dg.ConfigurableResource[Session]):
    """Both sides, the state, the lease and the accepted plan, for all steps of a run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Session]:
        """Open it; release and close everything, however the run ends."""
        run, instance = context.run, context.instance
        if run is None or instance is None:
            message = "a session needs a Dagster run: launch the job `sync` or `apply`"
            raise dg.DagsterInvariantViolationError(message)
        if run.job_name in WRITING_JOBS:
            refuse_misspelled_settings()
        settings = _settings_of(run)
        with ExitStack() as opened:
            opened.enter_context(alive(settings.home, run.run_id))
            store = opened.enter_context(open_store(settings))
            session = opened.enter_context(
                Session(
                    run=RunIdentity(
                        run_id=run.run_id,
                        root_run_id=root_run_id(run),
                        actor=current_actor(),
                        may_write=run.job_name in WRITING_JOBS,
                        is_scheduled=SCHEDULE_TAG in run.tags,
                        retry_of=run.parent_run_id or run.run_id if RETRY_TAG in run.tags else None,
                    ),
                    policy=settings.policy(),
                    expected_organization=settings.expected_organization,
                    evidence_max_age=timedelta(minutes=settings.evidence_max_age_minutes),
                    concurrency=settings.swit_max_concurrency,
                    judge=plan_judge(settings, store),
                    open_directory=lambda: open_directory(settings, store),
                    open_swit=lambda: swit_connection(settings, store),
                    progress=RunProgress(CURRENT_DISPLAY.get()),
                    mark_run_failed=lambda dead: mark_failed(instance, dead),
                )
            )
            try:
                yield session
            finally:
                instance.add_run_tags(run.run_id, {CALLS_TAG: str(session.calls)})


QUIET: Final[ContextVar[bool]] = ContextVar("quiet", default=False)
"""Set by the command line around the run that it executes in its own process."""


SILENT: Final = dg.LoggerDefinition(
    lambda _context: logging.Logger("swit_provisioning.silent", logging.CRITICAL + 1),  # noqa: LOG001 - of one run
    description="Prints nothing.",
)
"""In place of Dagster's own logger, which prints every event."""


def logger_config() -> dict[str, Any]:
    """The loggers of a run's configuration: the silent one, or Dagster's."""
    return {"loggers": {"silent": {}}} if QUIET.get() else {}
