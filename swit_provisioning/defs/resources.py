"""Both sides and the state, opened for one run and closed after it. Wiring only."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, Self

import dagster as dg

from swit_provisioning.apply.lease import Headway, HeldLease, Meter
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.names import CALLS_TAG
from swit_provisioning.operations.restore_detection import count_run
from swit_provisioning.operations.runs import alive, bury
from swit_provisioning.operations.services import open_store, who_am_i
from swit_provisioning.planning.model import Plan, Step
from swit_provisioning.setting_sources import refuse_misspelled_settings
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import Directory
from swit_provisioning.state.store import Store
from swit_provisioning.swit.client import SwitClient

Side = Literal["directory", "swit"]


def needed_sides(run: dg.DagsterRun | None) -> tuple[Side, ...]:
    """What this run reads: a hand-picked asset of one side does not need the other's settings."""
    keys = [key.to_user_string() for key in (run.asset_selection if run else None) or ()]
    if keys and all(key.startswith("idp_") for key in keys):
        return ("directory",)
    if keys and all(key.startswith("swit_") for key in keys):
        return ("swit",)
    return ("directory", "swit")


def settings_for(context: dg.InitResourceContext) -> Settings:
    """The settings, the same for all of one run, or one error that names what this run misses."""
    sides = needed_sides(context.run)
    return _of_run(context.run.run_id, sides) if context.run else _settings(sides)


@lru_cache(maxsize=1)
def _of_run(run_id: str, sides: tuple[Side, ...]) -> Settings:
    del run_id
    return _settings(sides)


def _settings(sides: tuple[Side, ...]) -> Settings:
    settings = Settings.load()
    if settings.missing(*sides):
        with open_store(settings) as store:
            settings.require(*sides, token_stored=store.tokens.load() is not None)
    return settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """All settings, read when the run starts."""

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Read and check them."""
        return settings_for(context)


class StoreResource(dg.ConfigurableResource[Store]):
    """The state database, open for one run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Store]:
        """Open it, close it after the run, which is known to be alive for so long."""
        settings = settings_for(context)
        with ExitStack() as opened:
            if context.run is not None:
                opened.enter_context(alive(settings.home, context.run.run_id))
            store = opened.enter_context(open_store(settings))
            if context.run is not None and context.instance is not None:
                count_run(settings, store, context.instance, context.run.run_id)
            yield store


class DirectoryResource(dg.ConfigurableResource[Directory]):
    """The directory. Nothing is connected before it is read."""

    def create_resource(self, context: dg.InitResourceContext) -> Directory:
        """Choose the kind that the settings name."""
        return open_directory(settings_for(context))


class SwitResource(dg.ConfigurableResource[SwitClient]):
    """The Swit client; one for all steps of a run, so that one pace holds."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[SwitClient]:
        """Open the connection, close it after the run."""
        settings = settings_for(context)
        with open_store(settings) as store, swit_connection(settings, store) as client:
            try:
                yield client
            finally:
                _tag_calls(context, client)


def _tag_calls(context: dg.InitResourceContext, client: SwitClient) -> None:
    """Leave the number of API calls on the run, where the UI and the command line find it."""
    if context.run is not None and context.instance is not None:
        context.instance.add_run_tags(context.run.run_id, {CALLS_TAG: str(client.calls)})


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


LINE_EVERY_SECONDS: Final = 15.0
"""Each line is an event that is stored: often enough for a person, and not for each change."""


class Display(Protocol):
    """Shows where a run stands, as often as it is told."""

    def show(self, headway: Headway) -> None:
        """Show it."""


class NoDisplay:
    """There is nobody in front of a terminal."""

    def show(self, headway: Headway) -> None:
        """Show nothing."""


CURRENT_DISPLAY: Final[ContextVar[Display]] = ContextVar("display", default=NoDisplay())  # noqa: B039 - it holds nothing
"""Set by the command line around the run it executes in its own process."""


class RunProgress:
    """One for all writers of a run, so that calls and seconds go on from op to op."""

    def __init__(self, display: Display, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is measured before the first writer begins."""
        self._display, self._clock = display, clock
        self._meter: Meter | None = None
        self._log: Callable[[str], object] = lambda _line: None
        self._next_line = 0.0

    def begin(self, plan: Plan, *, sent: Callable[[], int], log: Callable[[str], object]) -> None:
        """An op begins to send: `sent` counts the client's calls, `log` writes to the op's log."""
        self._log = log
        if self._meter is None:
            self._meter = Meter(plan, sent=sent, clock=self._clock)
            self._next_line = self._clock() + LINE_EVERY_SECONDS

    def advance(self, step: Step, done: int, planned: int) -> None:
        """`done` of `planned` changes of this step have an outcome."""
        if self._meter is None:
            return
        headway = self._meter.headway(step, done, planned)
        self._display.show(headway)
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_EVERY_SECONDS
            self._log(headway.sentence)


class ProgressResource(dg.ConfigurableResource[RunProgress]):
    """The progress of one run."""

    def create_resource(self, context: dg.InitResourceContext) -> RunProgress:
        """On the command line's display, if there is one."""
        del context
        return RunProgress(CURRENT_DISPLAY.get())


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
