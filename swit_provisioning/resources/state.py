"""The state database that the settings name. No Dagster, no directory: it opens at once."""

from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store


def open_store(settings: Settings) -> Store:
    """The state database."""
    key = settings.token_encryption_key
    return Store.open(settings.database_url, encryption_key=key.get_secret_value() if key else None)
