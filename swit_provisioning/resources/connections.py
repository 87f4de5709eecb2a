"""Both sides and the state, opened for one run and closed after it. Wiring only."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Final, Literal

import dagster as dg

from swit_provisioning.directory.interface import Directory
from swit_provisioning.resources.alive import alive
from swit_provisioning.resources.directories import open_directory
from swit_provisioning.resources.restoring import count_run
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.swit_access import swit_connection
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient

Side = Literal["directory", "swit"]
CALLS_TAG: Final = "swit_provisioning/calls"
"""Run tag: API calls to Swit in this run, reads included."""


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
