"""The rules of approving with the limits that the settings name. No Dagster."""

from datetime import timedelta

from swit_provisioning.apply.approving import Approver
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store


def approver(settings: Settings, store: Store) -> Approver:
    """Who judges, approves and rejects in this state."""
    return Approver(store=store, limits=settings.limits(), max_age=max_age(settings))


def max_age(settings: Settings) -> timedelta:
    """`PLAN_MAX_AGE_HOURS`."""
    return timedelta(hours=settings.plan_max_age_hours)
