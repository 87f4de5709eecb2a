"""Both sides and the state, opened for one run and closed after it. Wiring only."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, Literal

import dagster as dg

from swit_provisioning.directory.interface import Directory
from swit_provisioning.directory.json_file import JsonDirectory
from swit_provisioning.directory.ldap_server import LdapDirectory
from swit_provisioning.directory.ldif_file import LdifDirectory
from swit_provisioning.resources.alive import alive
from swit_provisioning.resources.swit_access import swit_connection
from swit_provisioning.sandbox.sample import sample_directory_path
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient

Side = Literal["directory", "swit"]
CALLS_TAG: Final = "swit_provisioning/calls"
"""Run tag: API calls to Swit in this run, reads included."""


def open_directory(settings: Settings) -> Directory:
    """The directory that the settings name: a file, the bundled sample, or an LDAP server."""
    mapping = settings.attribute_mapping()
    path = settings.idp_file
    if path is None and settings.is_running_locally:
        path = sample_directory_path()
    if path is None:
        return LdapDirectory(settings.ldap(), mapping)
    if path.suffix.lower() == ".ldif":
        return LdifDirectory(path, mapping)
    return JsonDirectory(path, mapping)


def open_store(settings: Settings) -> Store:
    """The state database."""
    key = settings.token_encryption_key
    return Store.open(settings.database_url, encryption_key=key.get_secret_value() if key else None)


def needed_sides(run: dg.DagsterRun | None) -> tuple[Side, ...]:
    """What this run reads: a hand-picked asset of one side does not need the other's settings."""
    keys = [key.to_user_string() for key in (run.asset_selection if run else None) or ()]
    if keys and all(key.startswith("idp_") for key in keys):
        return ("directory",)
    if keys and all(key.startswith("swit_") for key in keys):
        return ("swit",)
    return ("directory", "swit")


def settings_for(context: dg.InitResourceContext) -> Settings:
    """The settings, or one error that names every variable this run misses."""
    settings = Settings.load()
    sides = needed_sides(context.run)
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
            yield opened.enter_context(open_store(settings))


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
